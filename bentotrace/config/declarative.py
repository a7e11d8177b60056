"""Recognize OpenTelemetry's declarative configuration, which is another format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bentotrace.config.diagnostics import Report
from bentotrace.config.document import Document
from bentotrace.problems import Path

__all__ = ["report_foreign"]

_SIGN = "file_format"
_BATCH = {
    name: f"processor.{name}"
    for name in ("schedule_delay", "export_timeout", "max_queue_size", "max_export_batch_size")
}
_OTLP = {
    "endpoint": "otlp.endpoint",
    "compression": "otlp.compression",
    "timeout": "timeout",
    "headers": "otlp.http.headers or otlp.grpc.headers",
    "headers_list": "otlp.http.headers or otlp.grpc.headers",
    "certificate_file": "certificate_file below otlp.http or otlp.grpc",
    "": "exporter_type: otlp",
}
_EXPORTER = {
    **dict.fromkeys(("otlp", "otlp_http", "otlp_grpc"), _OTLP),
    "zipkin": {"": "exporter_type: zipkin", "endpoint": "zipkin.endpoint", "timeout": "timeout"},
    "console": "exporter_type: console",
}
_LENGTH = "max_tag_value_length"
# Keys of the declarative file, and the options in a tracing block; "" is the mapping itself.
_PARTS: Mapping[str, Any] = {
    "disabled": "disabled",
    "resource": {"attributes": "resource.attributes", "attributes_list": "resource.attributes"},
    "propagator": "propagators",
    "attribute_limits": {
        "attribute_value_length_limit": _LENGTH,
        "attribute_count_limit": "limits.attribute_count",
    },
    "tracer_provider": {
        "processors": {
            "batch": {**_BATCH, "exporter": _EXPORTER},
            "simple": {"exporter": _EXPORTER},
        },
        "sampler": "sampler and sample_rate",
        "limits": {
            "attribute_value_length_limit": _LENGTH,
            "attribute_count_limit": "limits.attribute_count",
            "event_count_limit": "limits.event_count",
            "link_count_limit": "limits.link_count",
            "event_attribute_count_limit": "limits.event_attribute_count",
            "link_attribute_count_limit": "limits.link_attribute_count",
        },
    },
}


def report_foreign(document: Document, required: bool, report: Report) -> bool:
    """Report a declarative file, and each of its parts that is an option here.

    Args:
        document: the file, which has no tracing block.
        required: whether a file without a tracing block is a problem.
        report: collects the problems.

    Returns:
        Whether it is such a file.
    """
    if _SIGN not in document.root:
        return False
    if required:
        message = (
            "this is a declarative configuration of OpenTelemetry, which bentotrace does not read; "
            "write a tracing: block"
        )
        report.problem(document.key_position((_SIGN,)), (_SIGN,), message)
        for path, option in _options(document.root, _PARTS, ()):
            position = document.key_position(path)
            report.problem(position, path, f"in a tracing: block, this is {option}")
    return True


def _options(value: object, parts: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(parts, str):
        yield path, parts
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _options(item, parts, (*path, index))
    else:
        if "" in parts:
            yield path, parts[""]
        for key, item in value.items() if isinstance(value, Mapping) else ():
            if key in parts:
                yield from _options(item, parts[key], (*path, key))
