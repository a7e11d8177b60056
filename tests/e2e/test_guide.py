"""The snippets of BentoML's guides, and their spans read back from real servers."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import pytest

pytest.importorskip("bentoml", reason="These tests serve with BentoML.")
pytest.importorskip("trustme", reason="the OTLP snippet names a certificate")

import trustme

import bentotrace

from ..guide import SNIPPETS, Snippet
from ..integrations.bentoml.serving import RUN, serving
from .backends import Jaeger, Zipkin, poll

pytestmark = pytest.mark.e2e

FILES = [each for each in SNIPPETS if not each.name.endswith(".py")]
SERVICES = [each for each in SNIPPETS if each.name.endswith(".py")]


def port_of(snippet: Snippet, jaeger: Jaeger, zipkin: Zipkin) -> int:
    """Return the port to which a snippet sends."""
    if snippet.wire == "zipkin":
        return zipkin.port
    port: int = getattr(jaeger, snippet.wire)
    return port


def wait_for(snippet: Snippet, service: str, jaeger: Jaeger, zipkin: Zipkin) -> None:
    """Wait until the server of a snippet has spans of a service."""
    if snippet.wire == "zipkin":
        assert poll(lambda: zipkin.traces(service.lower()), bool, within=30.0), snippet
    else:
        assert poll(lambda: jaeger.traces(service), bool, within=30.0), snippet


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "cert.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return path


@pytest.mark.parametrize("snippet", FILES, ids=lambda each: each.name)
def test_each_file_shows_in_its_server(
    snippet: Snippet,
    jaeger: Jaeger,
    zipkin: Zipkin,
    certificate: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port, service = port_of(snippet, jaeger, zipkin), f"guide-{secrets.token_hex(4)}"
    monkeypatch.setenv("OTEL_SERVICE_NAME", service)
    for name, value in snippet.environment(jaeger.host, port).items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "bentoml.yaml"
    path.write_text(snippet.text(port, certificate), "utf-8")

    with bentotrace.build(path) as tracing:
        for _ in range(20):
            tracing.provider.get_tracer("test").start_span("request").end()

    wait_for(snippet, service, jaeger, zipkin)


@pytest.mark.parametrize("snippet", SERVICES, ids=lambda each: each.name)
def test_each_service_shows_in_its_server(
    snippet: Snippet, jaeger: Jaeger, zipkin: Zipkin, certificate: Path, tmp_path: Path
) -> None:
    port, service = port_of(snippet, jaeger, zipkin), f"MyService{secrets.token_hex(4)}"
    served = tmp_path / "service"
    served.mkdir()
    text = re.sub(r"\bMyService\b", service, snippet.text(port, certificate))
    (served / "service.py").write_text(text, "utf-8")
    variables = snippet.environment(jaeger.host, port)

    with serving(served, f"service:{service}", start=RUN, **variables) as running:
        assert running.get("/livez") == 200
        assert running.end() == 0

    wait_for(snippet, service, jaeger, zipkin)
