"""The exporter against a real receiver, through the whole pipeline, and its options."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import bentotrace
from bentotrace.delivery.status import DestinationStatus
from bentotrace.exceptions import ConfigError
from bentotrace.testing import ZipkinReceiver
from bentotrace.transport import TLSConfig

from ...golden import Golden


@pytest.fixture
def receiver() -> Iterator[ZipkinReceiver]:
    with ZipkinReceiver() as made:
        yield made


def build(**zipkin: Any) -> bentotrace.Tracing:
    return bentotrace.build(
        {"exporter_type": "zipkin", "sample_rate": 1, "timeout": 5, "zipkin": zipkin}
    )


def end_spans(tracing: bentotrace.Tracing, *names: str) -> DestinationStatus:
    """End spans, shut down, and give the destination's status."""
    tracer = tracing.provider.get_tracer("test")
    for name in names:
        tracer.start_span(name).end()
    tracing.shutdown()
    return tracing.status().destinations[0]


def load(**zipkin: Any) -> bentotrace.Config:
    return bentotrace.load_config({"exporter_type": "zipkin", "zipkin": zipkin})


def endpoint(**zipkin: Any) -> str:
    target = load(**zipkin).exporters[0].target
    assert target is not None
    return target.endpoint


def test_a_target_tells_its_files_and_the_names_of_its_headers() -> None:
    url = "https://u:s3cr3t-marker@zipkin/"
    secure = load(endpoint=url, headers={"x-tenant": "s3cr3t-marker"}).exporters[0].target
    plain = load(endpoint="http://zipkin/").exporters[0].target

    assert secure is not None
    assert plain is not None
    assert (secure.tls, secure.headers) == (TLSConfig(), ("x-tenant", "Authorization"))
    assert (plain.tls, plain.headers) == (None, ())
    assert "s3cr3t" not in str(secure)


def test_spans_arrive_with_the_local_node(receiver: ZipkinReceiver) -> None:
    tracing = build(
        endpoint=receiver.endpoint,
        local_node_ipv4="192.0.2.1",
        local_node_ipv6="2001:DB8::1",
        local_node_port=8080,
        headers={"X-Api-Key": "k1"},
    )

    status = end_spans(tracing, "one", "two")

    received = receiver.wait(2)
    assert [span.name for span in received] == ["one", "two"]
    local = received[0].raw["localEndpoint"]
    assert (local["ipv4"], local["ipv6"], local["port"]) == ("192.0.2.1", "2001:db8::1", 8080)
    (request,) = receiver.requests
    assert request.headers["x-api-key"] == "k1"
    assert request.headers["content-type"] == "application/json"
    assert (status.exported, status.failed) == (2, 0)


def test_gzip_arrives_as_the_same_spans(receiver: ZipkinReceiver) -> None:
    names = [f"span {number}" for number in range(100)]

    end_spans(build(endpoint=receiver.endpoint, compression="gzip"), *names)

    assert [span.name for span in receiver.wait(100)] == names
    assert receiver.requests[0].encoding == "gzip"


@pytest.mark.parametrize("status", [200, 202])
def test_a_web_page_is_no_receiver(receiver: ZipkinReceiver, status: int) -> None:
    receiver.respond_with(status, headers={"content-type": "text/html"}, body=b"<html>hello</html>")

    found = end_spans(build(endpoint=receiver.endpoint), "one")

    assert (found.exported, found.failed) == (0, 1)
    assert found.last_error is not None
    assert found.last_error.reason.startswith("the response is a web page")


def test_what_is_too_large_is_halved_and_one_offender_dropped_and_named(
    receiver: ZipkinReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    # All of them, then the first half, then the first of that.
    receiver.respond_with(413, times=3)

    status = end_spans(build(endpoint=receiver.endpoint), "huge", "b", "c", "d")

    assert [span.name for span in receiver.wait(3)] == ["b", "c", "d"]
    assert (status.exported, status.failed) == (3, 1)
    assert "span 'huge' alone is too large (" in caplog.text


def test_a_refusal_is_a_failure_with_reason_and_endpoint(receiver: ZipkinReceiver) -> None:
    receiver.respond_with(400, body=b"bad tenant")

    status = end_spans(build(endpoint=receiver.endpoint), "one")

    assert status.failed == 1
    assert status.last_error is not None
    assert "bad tenant" in status.last_error.reason
    assert str(receiver.port) in status.last_error.endpoint


def test_what_is_retryable_is_sent_again(receiver: ZipkinReceiver) -> None:
    receiver.respond_with(503)

    status = end_spans(build(endpoint=receiver.endpoint), "one")

    assert (status.exported, status.failed) == (1, 0)
    assert len(receiver.requests) == 2


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "http://localhost:9411/api/v2/spans"),
        ({"endpoint": "http://z:9411"}, "http://z:9411/api/v2/spans"),
        ({"endpoint": "http://z:9411/"}, "http://z:9411/api/v2/spans"),
        ({"endpoint": "https://z/other"}, "https://z/other"),
        ({"url": "http://old:9411"}, "http://old:9411/api/v2/spans"),
        ({"endpoint": "http://u:p@z"}, "http://z/api/v2/spans"),
    ],
    ids=str,
)
def test_an_endpoint_without_a_path_gets_the_apis(given: dict[str, Any], url: str) -> None:
    assert endpoint(**given) == url


def test_the_variables_are_above_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "http://v:1")
    monkeypatch.setenv("OTEL_EXPORTER_ZIPKIN_TIMEOUT", "2500")

    assert endpoint(endpoint="http://file") == "http://v:1/api/v2/spans"
    assert load().exporters[0].timeout == 2.5


def test_all_mistakes_are_told_at_once(tmp_path: Path, golden: Golden) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(
        """\
tracing:
  exporter_type: zipkin
  zipkin:
    endpoint: zipkin:9411
    local_node_ipv4: 192.0.2.300
    local_node_ipv6: 192.0.2.1
    local_node_port: 70000
    compression: gz
    header: {a: b}
""",
        encoding="utf-8",
    )

    with pytest.raises(ConfigError) as caught:
        bentotrace.load_config(str(file))

    golden([str(p).removeprefix(f"{file}:") for p in caught.value.problems])


@pytest.mark.parametrize("given", ["http://z:9411/api/v1/spans", "http://z:4318"])
def test_a_likely_mistake_is_warned_of(given: str) -> None:
    (note,) = load(endpoint=given).notes

    assert note.warning


def test_credentials_are_shown_nowhere(
    receiver: ZipkinReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    given = receiver.endpoint.replace("http://", "http://user:s3cret@")
    tracing = build(endpoint=given, headers={"x-token": "t0ken"})

    status = end_spans(tracing, "one")

    (request,) = receiver.requests
    assert request.headers["authorization"].startswith("Basic ")
    text = repr(tracing.config) + repr(status) + caplog.text
    assert "s3cret" not in text
    assert "t0ken" not in text


def test_sending_imports_neither_grpc_nor_requests_nor_protobuf(receiver: ZipkinReceiver) -> None:
    script = f"""
import sys
import bentotrace
options = {{"endpoint": {receiver.endpoint!r}}}
source = {{"exporter_type": "zipkin", "sample_rate": 1, "zipkin": options}}
with bentotrace.build(source) as tracing:
    tracing.provider.get_tracer("test").start_span("one").end()
assert tracing.status().destinations[0].exported == 1
loaded = {{"grpc", "google.protobuf", "requests"}} & set(sys.modules)
sys.exit(f"imported {{loaded}}" if loaded else 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
