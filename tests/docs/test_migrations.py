"""The pages about migrations: what they show before and after arrives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("grpc", reason="some of the receivers speak gRPC with grpcio")
pytest.importorskip("opentelemetry.proto", reason="the receivers decode with opentelemetry-proto")
pytest.importorskip("thrift", reason="the receivers decode with the thrift library")

from opentelemetry.sdk.trace import TracerProvider

import bentotrace
from bentotrace.testing import (
    JaegerHTTPReceiver,
    JaegerUDPReceiver,
    OTLPGRPCReceiver,
    OTLPHTTPReceiver,
    Receiver,
)

DOCS = Path(__file__).parents[2] / "docs"
RECEIVERS: Mapping[int, type[Receiver]] = {
    6831: JaegerUDPReceiver,
    14268: JaegerHTTPReceiver,
    4317: OTLPGRPCReceiver,
    4318: OTLPHTTPReceiver,
}


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def receive(stack: ExitStack, text: str) -> tuple[str, list[Receiver]]:
    """Start a receiver for each port in a text; return the text with its ports."""
    receivers = []
    for port, kind in RECEIVERS.items():
        if re.search(rf"\b{port}\b", text):
            receiver = stack.enter_context(kind())
            text = re.sub(rf"\blocalhost:{port}\b", receiver.address, text)
            text = re.sub(rf"\b{port}\b", str(receiver.port), text)
            receivers.append(receiver)
    assert receivers
    return text.replace("localhost", "127.0.0.1"), receivers


@pytest.mark.parametrize("block", blocks("migrate-to-otlp.md", "yaml"))
def test_each_file_on_the_way_to_otlp_sends(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAEGER_PASSWORD", "secret")
    monkeypatch.setenv("OTLP_AUTHORIZATION", "Basic aXJpczpzZWNyZXQ=")
    path = tmp_path / "tracing.yaml"
    with ExitStack() as stack:
        text, receivers = receive(stack, block)
        path.write_text(text, "utf-8")
        with bentotrace.build(path) as tracing:
            tracing.provider.get_tracer("test").start_span("request").end()
        for receiver in receivers:
            assert [span.name for span in receiver.wait(1)] == ["request"]


@pytest.mark.parametrize("block", blocks("migrate-to-otlp.md", "sh"))
def test_each_set_of_variables_on_the_way_to_otlp_sends(
    block: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        text, (receiver,) = receive(stack, block)
        for line in text.splitlines():
            monkeypatch.setenv(*line.split("=", 1))
        with bentotrace.build(None) as tracing:
            tracing.provider.get_tracer("test").start_span("request").end()
        assert [span.name for span in receiver.wait(1)] == ["request"]


@pytest.mark.parametrize(
    "block",
    [each for each in blocks("migrate-from-exporter-jaeger.md", "python") if "bentotrace" in each],
)
def test_what_replaces_the_exporter_of_jaeger_sends(
    block: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not as the global provider of the process that tests.
    monkeypatch.setattr(bentotrace, "configure", bentotrace.build)
    names: dict[str, Any] = {}
    with ExitStack() as stack:
        text, (receiver,) = receive(stack, block)
        exec(compile(text, "migrate-from-exporter-jaeger.md", "exec"), names)
        if "tracing" in names:
            provider = names["tracing"].provider
        else:
            provider = TracerProvider(shutdown_on_exit=False)
            provider.add_span_processor(names["processor"])
        provider.get_tracer("test").start_span("request").end()
        provider.shutdown()
        assert [span.name for span in receiver.wait(1)] == ["request"]


def test_a_service_of_bentoml_only_gets_two_statements_more() -> None:
    before, after = blocks("migrate-from-bentoml.md", "python")
    added = "import bentotrace.integrations.bentoml as tracing\n\ntracing.install()\n"

    assert added in after
    assert after.replace(added, "", 1) == before
