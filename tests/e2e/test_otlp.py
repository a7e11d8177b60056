from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3
from attrs import evolve, frozen

from ..ports import free_ports
from .backends import Jaeger, JaegerSpan, JaegerTrace, Log, Reference, Tag
from .processes import LOOPBACK, running

pytestmark = pytest.mark.e2e

CONFIG = """\
tracing:
  exporter_type: {exporter}
  {exporter}: {options}
  sample_rate: 1.0
  excluded_urls: /healthz,/status
  resource:
    attributes:
      service.name: {service}
      service.namespace: flowers
      deployment.region: Zürich
      replica: 2
      canary: true
      share: 0.25
      zones: [a, b]
"""

Destination = tuple[str, Mapping[str, Any]]

REMOTE_PARENT = "00f067aa0ba902b7"
TYPES = {str: "string", bool: "bool", int: "int64", float: "float64"}


@frozen
class Service:
    """The service of ``service.py`` while it runs."""

    name: str
    url: str
    record: Path
    process: subprocess.Popen[bytes]

    def request(self, method: str, path: str, **headers: str) -> tuple[int, dict[str, Any]]:
        """Send a request on a connection of its own; return the status and the document."""
        body = b'{"petal": 1.4}' if method == "POST" else None
        with urllib3.PoolManager(retries=False, timeout=15.0) as http:
            response = http.request(method, self.url + path, body=body, headers=headers)
            return response.status, response.json()

    def end(self, number: signal.Signals) -> int:
        """Send the process a signal, wait for its end, and give its exit code."""
        self.process.send_signal(number)
        return self.process.wait(15.0)

    def recorded(self) -> list[dict[str, Any]]:
        """Return what the service's SDK saw of every sampled span, in the order of their ends."""
        lines = self.record.read_text("utf-8").splitlines() if self.record.exists() else []
        return [json.loads(line) for line in lines]


@contextmanager
def running_service(
    directory: Path, exporter: str, options: Mapping[str, Any], *arguments: str
) -> Iterator[Service]:
    """Run the service under uvicorn with a file that sends its traces by an exporter."""
    name = f"iris-{secrets.token_hex(4)}"
    config, record = directory / "tracing.yaml", directory / "record.jsonl"
    # JSON is YAML.
    text = CONFIG.format(service=name, exporter=exporter, options=json.dumps(options))
    config.write_text(text, "utf-8")
    (port,) = free_ports()
    url = f"http://{LOOPBACK}:{port}"
    command = [sys.executable, "-m", "uvicorn", "service:app", "--host", LOOPBACK]
    with running(
        [*command, "--port", str(port), "--app-dir", str(Path(__file__).parent), *arguments],
        log=directory / "service.log",
        health=f"{url}/healthz",
        within=30.0,
        variables={"BENTOTRACE_CONFIG": str(config), "SERVICE_RECORD": str(record)},
        # Not the clone, which would come before the installed package on the module path.
        directory=directory,
    ) as process:
        yield Service(name, url, record, process)


@frozen
class Run:
    """What a run of the service left: the answers, its own record, and its exit."""

    service: Service
    answers: Mapping[str, tuple[int, dict[str, Any]]]
    trace_ids: Mapping[str, str]
    exit_code: int
    log: str

    def recorded(self, trace_id: str) -> list[dict[str, Any]]:
        """Return what the service's SDK saw of one trace."""
        return [span for span in self.service.recorded() if span["trace_id"] == trace_id]


@pytest.fixture(scope="module", params=["http", "grpc", "kafka"])
def way(request: pytest.FixtureRequest) -> str:
    """How the spans reach Jaeger."""
    return str(request.param)


@pytest.fixture(scope="module")
def jaeger(way: str, jaeger: Jaeger, request: pytest.FixtureRequest) -> Jaeger:
    """Return the Jaeger that they reach."""
    found: Jaeger = request.getfixturevalue("kafka_jaeger") if way == "kafka" else jaeger
    return found


@pytest.fixture(scope="module")
def destination(way: str, jaeger: Jaeger, request: pytest.FixtureRequest) -> Destination:
    """Return the exporter and its options."""
    if way == "kafka":
        return "kafka", {"brokers": request.getfixturevalue("kafka").address}
    endpoint = jaeger.url(jaeger.otlp_http if way == "http" else jaeger.otlp_grpc)
    return "otlp", {"protocol": way, "endpoint": endpoint}


@pytest.fixture(scope="module")
def run(destination: Destination, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Send requests to a service, the last one right before its SIGTERM."""
    directory = tmp_path_factory.mktemp("service")
    given = {name: secrets.token_hex(16) for name in ("continued", "excluded", "unsampled")}
    parents = {
        name: f"00-{trace_id}-{REMOTE_PARENT}-{'00' if name == 'unsampled' else '01'}"
        for name, trace_id in given.items()
    }
    with running_service(directory, *destination) as service:
        answers = {
            "predicted": service.request("POST", "/predict"),
            "failed": service.request("GET", "/boom"),
            "excluded": service.request("GET", "/healthz", traceparent=parents["excluded"]),
            "unsampled": service.request("GET", "/predict", traceparent=parents["unsampled"]),
            "counted": service.request("GET", "/status"),
            "continued": service.request(
                "GET", "/predict?leaf=2", traceparent=parents["continued"], tracestate="vendor=one"
            ),
        }
        exit_code = service.end(signal.SIGTERM)
    made = {name: answers[name][1]["trace_id"] for name in ("predicted", "failed")}
    log = (directory / "service.log").read_text("utf-8")
    return Run(service, answers, {**given, **made}, exit_code, log)


@pytest.fixture(params=["predicted", "failed", "continued"])
def arrived(request: pytest.FixtureRequest, run: Run, jaeger: Jaeger) -> JaegerTrace:
    trace_id = run.trace_ids[request.param]
    return jaeger.trace(trace_id, spans=len(run.recorded(trace_id)))


def as_shown(key: str, value: Any) -> Tag:
    """Return the tag that Jaeger makes of an attribute."""
    if isinstance(value, list):
        return Tag(key, "string", json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    return Tag(key, TYPES[type(value)], value)


def shown_tags(span: Mapping[str, Any]) -> tuple[Tag, ...]:
    scope, version = span["scope"]
    texts = {
        "otel.scope.name": scope,
        "otel.scope.version": version,
        "span.kind": span["kind"].lower(),
        "otel.status_code": span["status"] if span["status"] != "UNSET" else None,
        "otel.status_description": span["description"],
        "w3c.tracestate": span["trace_state"],
    }
    tags = [as_shown(key, value) for key, value in span["attributes"].items()]
    tags += [Tag(key, "string", text) for key, text in texts.items() if text]
    if span["status"] == "ERROR":
        tags.append(Tag("error", "bool", True))
    return tuple(sorted(tags))


def shown(span: Mapping[str, Any]) -> JaegerSpan:
    """Return a recorded span as Jaeger shows it when it received the same over OTLP."""
    resource = dict(span["resource"])
    references = [Reference("FOLLOWS_FROM", **link) for link in span["links"]]
    if span["parent_id"]:
        references.insert(0, Reference("CHILD_OF", span["trace_id"], span["parent_id"]))
    return JaegerSpan(
        trace_id=span["trace_id"],
        span_id=span["span_id"],
        name=span["name"],
        references=tuple(references),
        start=span["start"] // 1000,
        duration=(span["end"] - span["start"]) // 1000,
        tags=shown_tags(span),
        logs=tuple(
            Log(
                event["time"] // 1000,
                tuple(
                    sorted(
                        as_shown(key, value)
                        for key, value in {"event": event["name"], **event["attributes"]}.items()
                    )
                ),
            )
            for event in span["events"]
        ),
        service=resource.pop("service.name"),
        process_tags=tuple(sorted(as_shown(key, value) for key, value in resource.items())),
        warnings=(),
    )


def family(trace: JaegerTrace) -> dict[str, str | None]:
    """Return the name of every span's parent by the span's name; equal names count once."""
    names = {span.span_id: span.name for span in trace.spans}
    return {span.name: names.get(span.parent_id or "") for span in trace.spans}


def test_every_span_arrives_exactly_as_the_service_made_it(run: Run, arrived: JaegerTrace) -> None:
    made = {span["span_id"]: shown(span) for span in run.recorded(arrived.trace_id)}

    for span in arrived.spans:
        assert evolve(span, warnings=()) == made.pop(span.span_id)
        # A caller's span that never came is all that Jaeger may complain of.
        assert not span.warnings or span.parent_id == REMOTE_PARENT
    assert not made


def test_names_parents_and_kinds_are_those_of_the_code(run: Run, jaeger: Jaeger) -> None:
    trace = jaeger.trace(run.trace_ids["predicted"])

    assert run.answers["predicted"][0] == 200
    assert family(trace) == {
        "POST /predict": None,
        "validate": "POST /predict",
        "fetch model": "POST /predict",
        "classify": "POST /predict",
        "publish": "classify",
        "audit": "classify",
    }
    assert {
        name: trace.span(name).tag("span.kind").value
        for name in ("POST /predict", "validate", "fetch model", "publish", "audit")
    } == {
        "POST /predict": "server",
        "validate": "internal",
        "fetch model": "client",
        "publish": "producer",
        "audit": "consumer",
    }


def test_attributes_keep_their_types(run: Run, jaeger: Jaeger) -> None:
    tags = jaeger.trace(run.trace_ids["predicted"]).span("validate").tags

    assert tags == (
        Tag("empty", "string", ""),
        Tag("flags", "string", "[true,false]"),
        Tag("floats", "string", "[0.5,-2.25]"),
        Tag("integers", "string", "[1,-2,9007199254740993]"),
        Tag("largest", "int64", 9223372036854775807),
        Tag("minus one", "int64", -1),
        Tag("no", "bool", False),
        Tag("nothing", "string", "[]"),
        Tag("otel.scope.name", "string", "iris.service"),
        Tag("otel.scope.version", "string", "1.2.3"),
        Tag("part", "float64", -0.5),
        Tag("small", "float64", 5e-324),
        Tag("smallest", "int64", -9223372036854775808),
        Tag("span.kind", "string", "internal"),
        Tag("text", "string", 'Zürich, 東京, 🌸 and a "quote"'),
        Tag("texts", "string", '["petal","sépale","花"]'),
        Tag("whole", "float64", 3.0),
        Tag("yes", "bool", True),
        Tag("zero", "int64", 0),
    )


def test_events_and_links_arrive_with_their_order_and_attributes(run: Run, jaeger: Jaeger) -> None:
    trace = jaeger.trace(run.trace_ids["predicted"])

    assert [log.fields for log in trace.span("fetch model").logs] == [
        (
            Tag("cold", "bool", True),
            Tag("event", "string", "cache miss"),
            Tag("model", "string", "iris"),
            Tag("took", "float64", 0.25),
            Tag("tries", "int64", 2),
        ),
        (Tag("event", "string", "connected"),),
    ]
    assert trace.span("audit").references == (
        Reference("CHILD_OF", trace.trace_id, trace.span("classify").span_id),
        Reference("FOLLOWS_FROM", trace.trace_id, trace.span("publish").span_id),
        Reference("FOLLOWS_FROM", f"{0xABCDEF:032x}", f"{0x1234:016x}"),
    )


def test_an_exception_arrives_as_an_error_with_its_traceback(run: Run, jaeger: Jaeger) -> None:
    trace = jaeger.trace(run.trace_ids["failed"])
    span = trace.span("divide")

    assert run.answers["failed"][0] == 500
    assert span.tag("error") == Tag("error", "bool", True)
    assert span.tag("otel.status_code").value == "ERROR"
    assert span.tag("otel.status_description").value == "ZeroDivisionError: petal length is 0 ≠ 1"
    (log,) = span.logs
    fields = {field.key: field.value for field in log.fields}
    assert fields["event"] == "exception"
    assert fields["exception.type"] == "ZeroDivisionError"
    assert fields["exception.message"] == "petal length is 0 ≠ 1"
    assert fields["exception.stacktrace"].startswith("Traceback (most recent call last):\n")
    assert trace.span("GET /boom").tag("error").value is True
    classify = jaeger.trace(run.trace_ids["predicted"]).span("classify")
    assert classify.tag("otel.status_code").value == "OK"
    assert "error" not in {tag.key for tag in classify.tags}


def test_a_trace_that_began_elsewhere_is_continued(run: Run, jaeger: Jaeger) -> None:
    trace = jaeger.trace(run.trace_ids["continued"])
    root = trace.span("GET /predict")

    assert run.answers["continued"][1]["trace_id"] == run.trace_ids["continued"]
    assert root.references == (Reference("CHILD_OF", trace.trace_id, REMOTE_PARENT),)
    assert {span.tag("w3c.tracestate").value for span in trace.spans} == {"vendor=one"}


def test_the_resource_arrives_with_every_span(run: Run, arrived: JaegerTrace) -> None:
    configured = {
        Tag("service.namespace", "string", "flowers"),
        Tag("deployment.region", "string", "Zürich"),
        Tag("replica", "int64", 2),
        Tag("canary", "bool", True),
        Tag("share", "float64", 0.25),
        Tag("zones", "string", '["a","b"]'),
        Tag("telemetry.sdk.language", "string", "python"),
    }

    assert {span.service for span in arrived.spans} == {run.service.name}
    for span in arrived.spans:
        assert configured <= set(span.process_tags)


def test_excluded_and_unsampled_requests_leave_no_trace(run: Run, jaeger: Jaeger) -> None:
    sent = {run.trace_ids[name] for name in ("predicted", "failed", "continued")}

    assert run.answers["excluded"][0] == 200
    assert run.answers["unsampled"][0] == 200
    assert jaeger.find(run.trace_ids["excluded"]) is None
    assert jaeger.find(run.trace_ids["unsampled"]) is None
    assert {trace.trace_id for trace in jaeger.traces(run.service.name)} == sent
    assert {span["trace_id"] for span in run.service.recorded()} == sent


def test_the_status_counts_what_was_sent(run: Run, destination: Destination) -> None:
    spans = [run.recorded(run.trace_ids[name]) for name in ("predicted", "failed")]
    sent = sum(map(len, spans))
    code, status = run.answers["counted"]

    assert code == 200
    assert status["flushed"] is True
    assert status["exporter"] == destination[0]
    assert (status["ended"], status["exported"]) == (sent, sent)
    assert (status["failed"], status["dropped"], status["pending"]) == (0, 0, 0)
    assert status["last_error"] is None


def test_the_service_ends_in_good_order_and_says_nothing_bad(run: Run) -> None:
    # uvicorn from 0.29 on passes the signal on to itself in the end.
    assert run.exit_code in {0, -signal.SIGTERM}
    assert "Traceback" not in run.log
    assert "WARNING" not in run.log


def test_a_process_that_exits_by_itself_loses_nothing_without_being_told(
    destination: Destination, jaeger: Jaeger, tmp_path: Path
) -> None:
    # Without a lifespan the service does not shut tracing down: what is left is the exit hook.
    with running_service(tmp_path, *destination, "--lifespan", "off") as service:
        _, answer = service.request("POST", "/predict")
        exit_code = service.end(signal.SIGINT)

    recorded = service.recorded()
    trace = jaeger.trace(answer["trace_id"], spans=len(recorded))

    assert exit_code in {0, 130}
    assert {span.span_id for span in trace.spans} == {span["span_id"] for span in recorded}
    assert "validate" in {span.name for span in trace.spans}
