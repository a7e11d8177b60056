"""The snippets of BentoML's guides send what they say, and docs/guide.md has a row for each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("grpc", reason="some of the receivers speak gRPC with grpcio")
pytest.importorskip("opentelemetry.proto", reason="the receivers decode with opentelemetry-proto")
pytest.importorskip("thrift", reason="the receivers decode with the thrift library")
pytest.importorskip("trustme", reason="the OTLP snippet names a certificate")

import trustme

import bentotrace
from bentotrace.exceptions import ConfigError
from bentotrace.testing import (
    JaegerGRPCReceiver,
    JaegerHTTPReceiver,
    JaegerUDPReceiver,
    OTLPGRPCReceiver,
    OTLPHTTPReceiver,
    ReceivedSpan,
    Receiver,
    Request,
    ZipkinReceiver,
)

from ..guide import FOLDER, SNIPPETS, Snippet

PAGE = (Path(__file__).parents[2] / "docs" / "guide.md").read_text(encoding="utf-8")
RECEIVERS: dict[str, type[Receiver]] = {
    "thrift_compact": JaegerUDPReceiver,
    "thrift_http": JaegerHTTPReceiver,
    "grpc": JaegerGRPCReceiver,
    "zipkin": ZipkinReceiver,
    "otlp_http": OTLPHTTPReceiver,
    "otlp_grpc": OTLPGRPCReceiver,
}
FILES = {snippet.name: snippet for snippet in SNIPPETS if not snippet.name.endswith(".py")}
SPANS = 60


def send(
    snippet: Snippet, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[ReceivedSpan], list[Request]]:
    """Send spans as a file configures it; return what arrived."""
    certificate = directory / "cert.pem"
    trustme.CA().cert_pem.write_to_path(str(certificate))
    with RECEIVERS[snippet.wire]() as receiver:
        host, _, port = receiver.address.rpartition(":")
        for name, value in snippet.environment(host, int(port)).items():
            monkeypatch.setenv(name, value)
        path = directory / Path(snippet.name).name
        path.write_text(snippet.text(int(port), certificate), "utf-8")
        with bentotrace.build(path) as tracing:
            tracer = tracing.provider.get_tracer("test")
            for _ in range(SPANS):
                tracer.start_span("request", attributes={"long": "x" * 300}).end()
        spans = receiver.wait(tracing.status().destinations[0].exported)
        assert not receiver.errors
        return list(spans), list(receiver.requests)


@pytest.mark.parametrize("name", FILES)
def test_each_file_sends_to_its_server(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans, _ = send(FILES[name], tmp_path, monkeypatch)

    sampled = name.endswith("bentoml_configuration.yaml")
    assert 0 < len(spans) < SPANS if sampled else len(spans) == SPANS
    longest = 256 if name.endswith("max_tag_value_length.yaml") else 300
    assert {len(span.attributes["long"]) for span in spans} == {longest}


def test_zipkin_gets_the_addresses_of_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (span, *_), _ = send(FILES["bentoml-1.0/zipkin.yaml"], tmp_path, monkeypatch)

    endpoint = span.raw["localEndpoint"]
    assert {key: endpoint[key] for key in ("ipv4", "ipv6", "port")} == {
        "ipv4": "192.168.0.1",
        "ipv6": "2001:db8::c001",
        "port": 31313,
    }


def test_otlp_over_http_has_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, requests = send(FILES["bentoml-1.0/otlp_http.yaml"], tmp_path, monkeypatch)

    assert {request.headers["keep-alive"] for request in requests} == {"timeout=5, max=1000"}


def test_otlp_over_grpc_is_compressed() -> None:
    (exporter,) = bentotrace.load_config(FOLDER / "bentoml-1.0" / "otlp_grpc.yaml").exporters

    assert exporter.target is not None
    assert "grpc-encoding, which turns on compression" in str(exporter.target.notes)


def test_the_port_of_the_collector_selects_grpc() -> None:
    path = FOLDER / "bentoml-1.0" / "jaeger_protobuf_over_grpc.yaml"
    (exporter,) = bentotrace.load_config(path).exporters

    assert exporter.target is not None
    assert (exporter.target.protocol, exporter.target.endpoint) == ("grpc", "localhost:14250")


def test_the_common_options_are_those_of_the_guide() -> None:
    excluded = bentotrace.load_config(FOLDER / "bentoml-1.0" / "excluded_urls.yaml")
    timeout = bentotrace.load_config(FOLDER / "bentoml-1.0" / "timeout.yaml")

    assert [*excluded.options.excluded_urls] == [
        "readyz",
        "livez",
        "healthz",
        "static_content",
        "docs",
        "metrics",
    ]
    assert timeout.options.timeout == 5


def test_the_footnote_of_the_guide_is_reported_with_what_to_write() -> None:
    with pytest.raises(
        ConfigError, match=r"4:12: tracing\.timeout: expected seconds, or text such"
    ):
        bentotrace.load_config(FOLDER / "bentoml-1.0" / "timeout_with_footnote.yaml")


def rows() -> Iterator[list[str]]:
    """Return the cells of each row of the tables on the page."""
    for line in PAGE.splitlines():
        if line.startswith("| ") and not line.startswith(("| in the guide", "| ---")):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_each_file_has_one_row_and_no_row_is_about_another() -> None:
    linked = [name for row in rows() for name in re.findall(r"data/guide/([^)]+)\)", row[0])]
    files = [str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()]

    assert sorted(linked) == sorted(files)


def test_no_row_leaves_open_what_happens_and_against_which_server_it_was_run() -> None:
    for row in rows():
        assert len(row) == 3
        assert all(row), row
        assert not re.search(r"\b(partly|fails)\b", " ".join(row)), row


def test_every_snippet_that_sends_has_its_server_in_its_row() -> None:
    servers = {
        "thrift_compact": "Jaeger",
        "thrift_http": "Jaeger",
        "grpc": "Jaeger",
        "zipkin": "Zipkin",
        "otlp_http": "Jaeger",
        "otlp_grpc": "Jaeger",
    }
    ran = {name: row[2] for row in rows() for name in re.findall(r"guide/([^)]+)\)", row[0])}
    for snippet in SNIPPETS:
        assert servers[snippet.wire] in ran[snippet.name], snippet


@pytest.mark.parametrize("version", ["bentoml-1.0", "bentoml-1.2"])
def test_the_jaeger_of_the_guide_publishes_the_port_to_which_each_exporter_sends(
    version: str,
) -> None:
    published = re.findall(r"-p (\d+):\1\b", (FOLDER / version / "jaeger.sh").read_text("utf-8"))
    for options in (
        {"exporter_type": "jaeger"},
        {"exporter_type": "jaeger", "jaeger": {"protocol": "grpc"}},
        {"exporter_type": "otlp"},
        {"exporter_type": "otlp", "otlp": {"protocol": "http"}},
        {"exporter_type": "zipkin"},
    ):
        (exporter,) = bentotrace.load_config(options).exporters
        assert exporter.target is not None
        port = re.search(r":(\d+)", exporter.target.endpoint)
        assert port is not None
        assert port[1] in published, options
