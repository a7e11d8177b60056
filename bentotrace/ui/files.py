"""Reads files of spans: OTLP's JSON, one request a line or one in all, Jaeger's and Zipkin's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bentotrace._files import open_regular
from bentotrace.exceptions import BentotraceError
from bentotrace.ui import otlp, zipkin
from bentotrace.ui.jaeger_tags import JaegerSpan, Reference, make_sources, make_span
from bentotrace.ui.model import Decoded, Span, UnreadableError
from bentotrace.ui.receivers import decode_safely
from bentotrace.ui.values import hex_id, text

__all__ = ["SpanFileError", "read_file"]

_MAX_FILE = 512 << 20
_OTHER = "it is not JSON of OTLP, Jaeger or Zipkin"


class SpanFileError(BentotraceError):
    """A file of spans cannot be read.

    Attributes:
        path: the file.
        reason: what is wrong with it.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path} cannot be opened: {self.reason}"


def read_file(path: Path) -> Decoded:
    """Read every span of a file.

    Raises:
        SpanFileError: it cannot be read, or has another format.
    """
    try:
        with open_regular(path) as file:
            # A pipe has no size before it is read.
            content = file.read(_MAX_FILE + 1)
        if len(content) > _MAX_FILE:
            raise SpanFileError(path, f"it is larger than {_MAX_FILE >> 20} MiB")
        return decode_safely(_decode, content)
    except OSError as error:
        raise SpanFileError(path, error.strerror or str(error)) from error
    except UnreadableError as error:
        typed = isinstance(error.__cause__, (AttributeError, LookupError, TypeError))
        raise SpanFileError(path, _OTHER if typed else str(error)) from error


def _decode(content: bytes) -> Decoded:
    try:
        return _decode_document(json.loads(content))
    except json.JSONDecodeError as error:
        parts = _decode_lines(content, error)
    spans = [span for part in parts for span in part.spans]
    reason = next((part.reason for part in parts if part.reason), "")
    return Decoded(spans, sum(part.refused for part in parts), reason)


def _decode_lines(content: bytes, whole: json.JSONDecodeError) -> list[Decoded]:
    """Decode a document on each line; ``whole`` is why the content is not one document."""
    parts: list[Decoded] = []
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except json.JSONDecodeError as error:
            if not parts:
                raise UnreadableError(f"it is not JSON: {whole}") from error
            place = f"line {number}, column {error.colno}"
            raise UnreadableError(f"it is not JSON on {place}: {error.msg}") from error
        parts.append(_decode_document(document))
    return parts


def _decode_document(document: Any) -> Decoded:
    if isinstance(document, list):
        if document and isinstance(document[0], list):
            document = [span for trace in document for span in trace]
        return zipkin.decode_document(document)
    if isinstance(document, dict) and "resourceSpans" in document:
        return otlp.decode_document(document)
    if isinstance(document, dict) and isinstance(document.get("data"), list):
        return _decode_jaeger(document["data"])
    if isinstance(document, dict) and "spans" in document and "processes" in document:
        return _decode_jaeger([document])
    raise UnreadableError(_OTHER)


def _decode_jaeger(traces: list[Any]) -> Decoded:
    spans: list[Span] = []
    refused, reason = 0, ""
    for trace in traces:
        sources = {
            name: make_sources(text(process.get("serviceName", "")), _tags(process.get("tags")))
            for name, process in trace["processes"].items()
        }
        for item in trace["spans"]:
            try:
                spans.append(make_span(_jaeger_span(item), sources[item["processID"]]))
            except (LookupError, TypeError, ValueError) as error:
                refused += 1
                reason = reason or str(error)
    return Decoded(spans, refused, reason)


def _jaeger_span(item: Mapping[str, Any]) -> JaegerSpan:
    return JaegerSpan(
        hex_id(item["traceID"], 32, "traceID"),
        hex_id(item["spanID"], 16, "spanID"),
        hex_id(item.get("parentSpanID"), 16, "parentSpanID"),
        text(item.get("operationName", "")),
        int(item.get("startTime", 0)) * 1000,
        int(item.get("duration", 0)) * 1000,
        _tags(item.get("tags")),
        [
            (int(log.get("timestamp", 0)) * 1000, _tags(log.get("fields")))
            for log in item.get("logs") or ()
        ],
        [
            Reference(
                reference.get("refType") != "FOLLOWS_FROM",
                hex_id(reference.get("traceID"), 32, "traceID"),
                hex_id(reference.get("spanID"), 16, "spanID"),
            )
            for reference in item.get("references") or ()
        ],
    )


def _tags(items: Any) -> dict[str, Any]:
    return {text(tag["key"]): _tag_value(tag) for tag in items or ()}


def _tag_value(tag: Mapping[str, Any]) -> Any:
    value = tag.get("value")
    if tag.get("type") == "int64" and isinstance(value, str):
        return int(value)
    return {"bytes": value} if tag.get("type") == "binary" else value
