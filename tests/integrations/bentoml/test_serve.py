"""Services that ``bentoml serve`` serves, and the spans that arrive of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
import urllib3

pytest.importorskip("bentoml", reason="These tests serve with BentoML.")

from bentotrace.testing import OTLPHTTPReceiver, ReceivedSpan

from ...e2e.backends import poll
from .conftest import of_requests
from .services import IRIS, SHOP, WITHOUT_A_LINE
from .serving import INSTRUMENT, RUN, START_TIMEOUT, STOP_TIMEOUT, Serving, run, serving

Write = Callable[[str, str], Path]


def servers(spans: Iterable[ReceivedSpan]) -> list[ReceivedSpan]:
    """Return the spans of requests."""
    return [span for span in spans if span.kind == "server"]


def test_a_stop_right_after_the_last_request_loses_nothing_of_any_worker(
    write: Write, directory: Path, receiver: OTLPHTTPReceiver
) -> None:
    write("service.py", IRIS)
    write(
        "bentoml.yaml",
        f"""\
        services:
          tracing:
            exporter_type: otlp
            sample_rate: 1
            excluded_urls: [/readyz]
            otlp: {{protocol: http, endpoint: "{receiver.endpoint}"}}
            processor: {{schedule_delay: 60}}
        """,
    )

    begun = f"tracing to otlp (http) at {receiver.endpoint}"
    with serving(directory, "service:Iris", BENTOML_CONFIG="bentoml.yaml") as iris:
        iris.wait_until_said(begun, times=2)
        ids = [iris.ask("/classify", petal=1.0).headers["x-bentoml-request-id"] for _ in range(20)]
        code = iris.end()

    assert code == 0
    spans = receiver.spans
    assert sorted(span.span_id for span in servers(spans)) == sorted(ids)
    compared = [span for span in spans if span.name == "compare"]
    assert sorted(span.parent_id or "" for span in compared) == sorted(ids)
    (name,) = {span.service_name for span in spans}
    assert name == "Iris"
    said = {key: spans[0].resource[key] for key in ("service.namespace", "service.version")}
    assert said == {"service.namespace": "Iris", "service.version": "not available"}
    workers = {
        (span.resource["bentoml.worker.index"], span.resource["service.instance.id"])
        for span in spans
    }
    assert dict(workers).keys() <= {1, 2}
    assert len({instance for _, instance in workers}) == len(workers)
    assert iris.said().count(begun) == 2


def test_two_services_make_one_trace_and_an_excluded_request_none(
    write: Write, directory: Path, receiver: OTLPHTTPReceiver
) -> None:
    write("service.py", SHOP)
    write(
        "tracing.yaml",
        f"""\
        services:
          Stock:
            tracing: &otlp
              exporter_type: otlp
              otlp: {{protocol: http, endpoint: "{receiver.endpoint}"}}
          Shop:
            tracing: *otlp
        """,
    )

    with serving(directory, "service:Shop", BENTOTRACE_CONFIG="tracing.yaml") as shop:
        assert shop.ask("/quiet", species="setosa").data == b"6"
        assert shop.ask("/sell", species="setosa").data == b"5"
        assert shop.end() == 0

    assert len({span.trace_id for span in of_requests(receiver.spans)}) == 1
    sell, count = sorted(servers(receiver.spans), key=lambda span: span.start_ns)
    assert (sell.name, sell.service_name, sell.parent_id) == ("POST /sell", "Shop", None)
    assert (count.name, count.service_name, count.parent_id) == (
        "POST /count",
        "Stock",
        sell.span_id,
    )


LAYOUTS = {
    "tracing": "tracing: {block}",
    "api_server": "api_server:\n  tracing: {block}",
    "services": "services:\n  tracing: {block}",
    "a service": "services:\n  Iris:\n    tracing: {block}\n  Other:\n    tracing: {{exporter_type: otpl}}",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bentotrace_run_traces_a_service_without_a_line_of_code(
    layout: str, write: Write, directory: Path, receiver: OTLPHTTPReceiver
) -> None:
    write("service.py", WITHOUT_A_LINE)
    otlp = f'{{protocol: http, endpoint: "{receiver.endpoint}"}}'
    # BentoML itself refuses a list, and at some places any exporter.
    block = f"{{exporter_type: [otlp], sample_rate: 1.0, excluded_urls: readyz, otlp: {otlp}}}"
    write("bentoml.yaml", LAYOUTS[layout].format(block=block))

    with serving(directory, "service:Iris", start=RUN, BENTOML_CONFIG="bentoml.yaml") as iris:
        iris.ask("/classify", petal=1.0)
        assert iris.interrupt() == 0

    (span,) = servers(receiver.spans)
    assert (span.name, span.service_name) == ("POST /classify", "Iris")
    # Of the worker, and not of the process that starts them.
    begun = f"tracing to otlp (http) at {receiver.endpoint}"
    assert iris.said().count(begun) == 1


def test_opentelemetry_instrument_traces_it_too_with_the_sdks_metrics(
    write: Write, directory: Path, receiver: OTLPHTTPReceiver
) -> None:
    write("service.py", IRIS.replace("workers=2", "workers=1"))
    write(
        "tracing.yaml",
        f"""\
        tracing:
          exporter_type: otlp
          sample_rate: 1
          excluded_urls: [/readyz]
          otlp: {{protocol: http, endpoint: "{receiver.endpoint}"}}
        """,
    )

    variables = {
        "BENTOTRACE_CONFIG": "tracing.yaml",
        "OTEL_METRICS_EXPORTER": "console",
        "OTEL_METRIC_EXPORT_INTERVAL": "100",
    }
    with serving(directory, "service:Iris", start=INSTRUMENT, **variables) as iris:
        iris.ask("/classify", petal=1.0)
        iris.wait_until_said('"name": "http.server.duration"', times=1)
        assert iris.end() == 0

    assert [span.name for span in servers(receiver.spans)] == ["POST /classify"]
    assert '"service.name": "Iris"' in iris.said()


def test_the_arguments_of_install_take_precedence_over_the_start_without_code(
    write: Write, directory: Path, receiver: OTLPHTTPReceiver
) -> None:
    otlp = {"protocol": "http", "endpoint": receiver.endpoint}
    source = {"exporter_type": "otlp", "sample_rate": 1, "excluded_urls": "/readyz", "otlp": otlp}
    write("service.py", IRIS.replace("install()", f"install({source})"))
    write("bentoml.yaml", "services: {tracing: {exporter_type: console}}")

    with serving(directory, "service:Iris", start=RUN, BENTOML_CONFIG="bentoml.yaml") as iris:
        iris.ask("/classify", petal=1.0)
        assert iris.end() == 0

    assert [span.name for span in servers(receiver.spans)] == ["POST /classify"]


def test_bentotrace_run_reloads_a_service_whose_file_has_blocks_of_several(
    write: Write, directory: Path, receiver: OTLPHTTPReceiver
) -> None:
    write("service.py", SHOP.replace("tracing.install()", ""))
    otlp = f'{{exporter_type: otlp, otlp: {{protocol: http, endpoint: "{receiver.endpoint}"}}}}'
    write("bentoml.yaml", f"services: {{Shop: {{tracing: {otlp}}}, Stock: {{tracing: {otlp}}}}}")

    options = ("--development", "--reload")
    variables = {"BENTOML_CONFIG": "bentoml.yaml", "PYTHONDONTWRITEBYTECODE": "1"}
    with serving(directory, "service:Shop", *options, start=RUN, **variables) as shop:
        assert _sold(shop) == b"5"
        write("service.py", SHOP.replace("tracing.install()", "").replace("- 1", "- 2"))
        answered = poll(lambda: _sold(shop), lambda sold: sold == b"4", within=START_TIMEOUT)
        assert shop.end() == 0

    assert answered == b"4"
    assert "POST /sell" in [span.name for span in servers(receiver.spans)]


def test_a_bento_is_called_by_its_own_name_and_version(
    write: Write, directory: Path, receiver: OTLPHTTPReceiver
) -> None:
    write("service.py", IRIS)
    write(
        "bentofile.yaml",
        """\
        service: "service:Iris"
        include: ["service.py"]
        python: {lock_packages: false}
        """,
    )
    # The workers run in the bento's own directory.
    write(
        "tracing.yaml",
        f"""\
        tracing:
          exporter_type: otlp
          sample_rate: 1
          excluded_urls: /readyz
          otlp: {{protocol: http, endpoint: "{receiver.endpoint}"}}
        """,
    )
    run(directory, "build", "--version", "7")

    with serving(directory, "iris:7", BENTOTRACE_CONFIG="tracing.yaml") as iris:
        iris.ask("/classify", petal=1.0)
        assert iris.end() == 0

    (span,) = servers(receiver.spans)
    said = {key: span.resource[f"service.{key}"] for key in ("name", "namespace", "version")}
    assert said == {"name": "Iris", "namespace": "iris", "version": "7"}


def test_development_keeps_every_span_when_it_reloads(
    write: Write, directory: Path, receiver: OTLPHTTPReceiver
) -> None:
    write("service.py", SHOP)
    variables = {
        "PYTHONDONTWRITEBYTECODE": "1",
        "BENTOML_CONFIG_OVERRIDES": '{"services": {"tracing": {"sample_rate": 0.0}}}',
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint.removesuffix("/v1/traces"),
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_BSP_SCHEDULE_DELAY": "60000",
    }

    options = ("--development", "--reload")
    with serving(directory, "service:Shop", *options, **variables) as shop:
        shop.ask("/sell", species="setosa")
        write("service.py", SHOP.replace("- 1", "- 2"))
        first = receiver.wait(1, timeout=STOP_TIMEOUT)
        answered = poll(lambda: _sold(shop), lambda sold: sold == b"4", within=START_TIMEOUT)
        assert shop.end() == 0

    assert answered == b"4"
    unused = "sample_rate in BENTOML_CONFIG_OVERRIDES or BENTOML_CONFIG_OPTIONS is not used"
    assert shop.said().count(unused) == 1
    assert {span.service_name for span in receiver.spans} == {"shop"}
    assert [span.name for span in servers(first)] == ["POST /sell"]
    assert len(servers(receiver.spans)) >= 2


def _sold(shop: Serving) -> bytes:
    try:
        return shop.ask("/sell", species="setosa").data
    except urllib3.exceptions.HTTPError:
        # A worker that is ended closes its connections.
        return b""


MISTAKES = {
    "in a file": (
        IRIS,
        "services:\n  Iris:\n    tracing: {sample_rate: 2}\n",
        "bentoml.yaml:3:28: services.Iris.tracing.sample_rate: must be between 0 (no trace) and 1 "
        "(every trace); 2 % is 0.02",
    ),
    "in the decorator": (
        IRIS.replace("workers=2", "tracing={'exporter_type': 'otlp', 'otlp': {'endpont': 'x'}}"),
        "services: {}\n",
        "@bentoml.service of Iris: tracing.otlp.endpont: unknown option; did you mean endpoint?",
    ),
    "in a service that the first one calls": (
        SHOP.replace('"excluded_urls": "readyz"', '"sample_rate": 2'),
        "services:\n  tracing: {exporter_type: console}\n",
        "@bentoml.service of Stock: services.tracing.sample_rate: must be between 0 (no trace) and 1 "
        "(every trace); 2 % is 0.02",
    ),
}


@pytest.mark.parametrize("start", [(), RUN, INSTRUMENT], ids=["", "run", "instrument"])
@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_ends_serving_with_one_message_before_there_are_workers(
    kind: str, start: Sequence[str], write: Write, directory: Path
) -> None:
    service, config, message = MISTAKES[kind]
    write("service.py", service)
    file = write("bentoml.yaml", config)
    if start:
        # Both make the path absolute, for children that start in another directory.
        message = message.replace("bentoml.yaml", str(file))
    target = "service:Shop" if "Shop" in service else "service:Iris"

    arguments = ("serve", target, "--port", "1")
    done = run(directory, *arguments, start=start, BENTOML_CONFIG="bentoml.yaml")

    assert done.returncode == 1
    name = "Stock" if "first" in kind else "Iris"
    assert done.stderr == (
        f"Error: [serve] `serve` failed: tracing of service {name} cannot be set up:\n{message}\n"
    )
    assert "Starting production" not in done.stdout
