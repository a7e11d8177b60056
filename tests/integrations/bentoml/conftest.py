from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from bentotrace.testing import OTLPHTTPReceiver, ReceivedSpan

Write = Callable[[str, str], Path]


@pytest.fixture
def receiver() -> Iterator[OTLPHTTPReceiver]:
    """Listens for spans, and has understood all of them."""
    with OTLPHTTPReceiver() as receiver:
        yield receiver
        assert not receiver.errors


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return the directory that is served from."""
    directory = tmp_path / "service"
    directory.mkdir()
    return directory


@pytest.fixture
def write(directory: Path) -> Write:
    """Writes a file into the directory that is served from."""

    def write(name: str, text: str) -> Path:
        path = directory / name
        path.write_text(textwrap.dedent(text), "utf-8")
        return path

    return write


@pytest.fixture
def variables(receiver: OTLPHTTPReceiver) -> dict[str, str]:
    """Return the variables by which a service sends every span of its requests."""
    return {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint.removesuffix("/v1/traces"),
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_TRACES_SAMPLER": "parentbased_always_on",
        "OTEL_PYTHON_EXCLUDED_URLS": "/readyz,/schema.json",
    }


def named(spans: Iterable[ReceivedSpan], name: str) -> dict[str, ReceivedSpan]:
    """Return the spans of a name by their ids."""
    return {span.span_id: span for span in spans if span.name == name}


def of_requests(spans: Iterable[ReceivedSpan]) -> list[ReceivedSpan]:
    """Return the spans that are not of the start of a worker."""
    found = list(spans)
    starts = {span.trace_id for span in found if span.name.startswith("start ")}
    return [span for span in found if span.trace_id not in starts]
