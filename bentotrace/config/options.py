"""The options common to all exporters: the tracing block without the exporters' sections."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import unquote

from attrs import validators

from bentotrace.config.installed import ID_GENERATOR, PROPAGATORS, SAMPLER, fold_case
from bentotrace.config.rates import ROUTE_RATES, SAMPLE_RATE, RouteRate, SamplerName, SamplingRules
from bentotrace.discovery import registry
from bentotrace.discovery.control import VARIABLE
from bentotrace.encoding import json_text
from bentotrace.problems import closest
from bentotrace.schema.kinds import (
    DURATION,
    NAMES,
    PATTERNS,
    Kind,
    PartError,
    milliseconds,
    parse_list,
)
from bentotrace.schema.option import Range, Variable, option
from bentotrace.values import frozen

__all__ = [
    "LimitsOptions",
    "OnError",
    "OnFull",
    "ProcessorOptions",
    "ResourceOptions",
    "SamplerName",
    "SpoolOptions",
    "TracingOptions",
    "service_as_text",
]

OnError = Literal["raise", "warn", "disable"]
"""What happens on an error at startup."""

OnFull = Literal["drop", "wait"]
"""What happens to a span that finds the queue full."""

_SCALAR = {"type": ["string", "number", "boolean"]}
# Not blank, no NUL, no tilde at the start.
_DIRECTORY = {"type": "string", "pattern": r"^\s*[^\s~\0][^\0]*$"}
_ATTRIBUTES = {
    "type": "object",
    "additionalProperties": {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR}]},
}


def _attributes(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        dashes = "; leave out the dashes" if isinstance(value, list) else ""
        raise ValueError(f"expected a mapping of attribute names to values{dashes}")
    wrong = []
    for name, item in value.items():
        items = item if isinstance(item, (list, tuple)) else [item]
        if not all(isinstance(element, (bool, int, float, str)) for element in items):
            reason = "expected text, a number, true or false, or a list of them"
            wrong.append(((name,), reason))
    if wrong:
        raise PartError(wrong)
    return service_as_text(value)


def service_as_text(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return resource attributes; those of a service are text, by the semantic conventions."""
    return {
        name: json_text(value)
        if str(name).startswith("service.") and not isinstance(value, str)
        else value
        for name, value in attributes.items()
    }


def _parse_attributes(text: str) -> dict[str, str]:
    """Parse ``name=value,name=value``; skip malformed pairs, which ``variables.py`` reports."""
    pairs = [pair.partition("=") for pair in text.split(",") if "=" in pair]
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}


def _directory(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError("expected the path of a directory")
    path = value.strip()
    if path.startswith("~"):
        raise ValueError("~ is not expanded; write the whole path")
    if os.path.exists(path) and not os.path.isdir(path):
        raise ValueError("is a file; write the path of a directory, which may not exist yet")
    return path


def _parse_exporters(text: str) -> list[str]:
    return fold_case(parse_list(text), [*registry.sections(), registry.NONE])


_positive = Range(above=0)


def _signals(_instance: object, _attribute: object, value: Sequence[str]) -> None:
    for name in value:
        if name not in signal.Signals.__members__:
            near = closest(name, list(signal.Signals.__members__))
            hint = f"did you mean {near}?" if near else "write a name such as SIGTERM"
            raise ValueError(f"{name} is not a signal of this system; {hint}")
        if name in {"SIGKILL", "SIGSTOP"}:
            raise ValueError(f"{name} cannot be handled; remove it")


@frozen
class ResourceOptions:
    """The section ``resource``: the description of the service."""

    attributes: dict[str, Any] = option(
        factory=dict,
        kind=Kind(
            "attributes", _attributes, takes_mapping=True, merges=True, json_schema=_ATTRIBUTES
        ),
        env=[
            Variable("OTEL_SERVICE_NAME", lambda text: {"service.name": text}),
            Variable("OTEL_RESOURCE_ATTRIBUTES", _parse_attributes),
        ],
        help="Attributes of the resource, such as service.name; the sources are merged.",
    )


@frozen
class ProcessorOptions:
    """The section ``processor``: the queue between the service and an exporter."""

    max_queue_size: int = option(
        default=2048,
        unit="spans",
        env=["OTEL_BSP_MAX_QUEUE_SIZE"],
        validator=Range(1),
        help="How many spans may wait for export; more are dropped and counted, see on_full.",
    )
    on_full: OnFull = option(
        default="drop",
        env=["BENTOTRACE_ON_FULL"],
        help="What happens to a span that finds the queue full: drop it and count it; or wait, for "
        "batch jobs, until there is room.",
    )
    on_full_timeout: float = option(
        default=30.0,
        kind=DURATION,
        validator=_positive,
        help="With on_full: wait, how long spans wait while no batch is delivered; from then on "
        "they are dropped until one is.",
    )
    max_export_batch_size: int = option(
        default=512,
        unit="spans",
        env=["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"],
        validator=Range(1),
        help="How many spans are exported at once, at most.",
    )
    schedule_delay: float = option(
        default=5.0,
        kind=DURATION,
        env=[Variable("OTEL_BSP_SCHEDULE_DELAY", milliseconds)],
        validator=_positive,
        help="How long a span waits for others before it is exported, at most.",
    )
    export_timeout: float | None = option(
        default=None,
        kind=DURATION,
        env=[Variable("OTEL_BSP_EXPORT_TIMEOUT", milliseconds)],
        validator=_positive,
        help="How long one export may take, if less than the exporter's timeout.",
    )
    shutdown_timeout: float = option(
        default=5.0,
        kind=DURATION,
        validator=Range(0),
        help="How long a shutdown or the exit of the process may take.",
    )


def _limit(variables: Sequence[str], what: str) -> Any:
    return option(
        default=128,
        env=variables,
        validator=Range(0),
        help=f"{what} keeps, at most; the rest is dropped and counted.",
    )


@frozen
class LimitsOptions:
    """The section ``limits``: the size of a span."""

    attribute_count: int = _limit(
        ["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"], "Attributes that a span"
    )
    event_count: int = _limit(["OTEL_SPAN_EVENT_COUNT_LIMIT"], "Events that a span")
    link_count: int = _limit(["OTEL_SPAN_LINK_COUNT_LIMIT"], "Links that a span")
    event_attribute_count: int = _limit(
        ["OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"],
        "Attributes that an event",
    )
    link_attribute_count: int = _limit(
        ["OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"], "Attributes that a link"
    )


@frozen
class PluginsOptions:
    """The section ``plugins``: which installed plugins may be used."""

    allow: tuple[str, ...] = option(
        default=(),
        kind=NAMES,
        env=[VARIABLE],
        help="The only plugins that may be used, by their names or those of their distributions; "
        "by default all.",
    )
    block: tuple[str, ...] = option(
        default=(),
        kind=NAMES,
        help="Plugins that are never imported, by their names or those of their distributions.",
    )


@frozen
class SpoolOptions:
    """The section ``spool``: spans on disk while a receiver is unreachable."""

    path: str | None = option(
        default=None,
        kind=Kind("a directory", _directory, json_schema=_DIRECTORY),
        help="A directory for spans while their receiver is unreachable. By default, no spans are "
        "stored.",
    )
    max_bytes: int = option(
        default=100 * 1024 * 1024,
        unit="bytes",
        validator=Range(1024 * 1024),
        help="The maximum size of one destination's file; then the oldest spans are dropped and "
        "counted.",
    )


@frozen
class TracingOptions(SamplingRules):
    """The tracing block."""

    disabled: bool = option(
        default=False,
        env=["OTEL_SDK_DISABLED"],
        help="Turns tracing off: nothing is recorded or exported.",
    )
    exporter_type: tuple[str, ...] = option(
        default=(),
        kind=NAMES,
        env=[Variable("OTEL_TRACES_EXPORTER", _parse_exporters)],
        old_names=["type"],
        help="The exporter's name, or a list of them for several destinations; none exports "
        "nothing.",
    )
    sample_rate: float = option(
        default=0.0,
        env=["OTEL_TRACES_SAMPLER_ARG"],
        validator=SAMPLE_RATE,
        help="The share of traces that is recorded, from 0 to 1.",
    )
    sample_rates: tuple[RouteRate, ...] = option(
        default=(),
        kind=ROUTE_RATES,
        help="Sample rates by the first request of a trace: a list of match, a regular expression "
        "as in excluded_urls, and rate. The first match is used.",
    )
    sampler: str = option(
        default="parentbased_traceidratio",
        kind=SAMPLER,
        env=["OTEL_TRACES_SAMPLER"],
        help="Which traces are recorded: always_on, always_off, traceidratio, "
        "parentbased_always_on, parentbased_always_off or parentbased_traceidratio; the ratio "
        "samplers use sample_rate. Or the name of a sampler that is installed for OpenTelemetry, "
        "which gets the text of OTEL_TRACES_SAMPLER_ARG.",
    )
    id_generator: str | None = option(
        default=None,
        kind=ID_GENERATOR,
        env=["OTEL_PYTHON_ID_GENERATOR"],
        help="The name of an installed generator of trace and span ids, such as xray. Random ids "
        "by default.",
    )
    excluded_urls: tuple[str, ...] = option(
        default=(),
        kind=PATTERNS,
        env=["OTEL_PYTHON_EXCLUDED_URLS"],
        help="Regular expressions searched in the URL of a request; one that starts with / "
        "matches from the start of the path. Matching requests are not traced.",
    )
    propagators: tuple[str, ...] = option(
        default=(),
        kind=PROPAGATORS,
        env=["OTEL_PROPAGATORS"],
        help="The formats of the trace context in requests, such as b3 or tracecontext; none sends "
        "no context. OpenTelemetry's default if not set. Installed by configure(), not by build().",
    )
    timeout: float = option(
        default=10.0,
        kind=DURATION,
        validator=_positive,
        help="How long one export may take, including retries.",
    )
    max_tag_value_length: int | None = option(
        default=None,
        unit="characters",
        env=["OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"],
        validator=Range(1),
        help="Longer attribute values are truncated.",
    )
    resource: ResourceOptions = option(
        factory=ResourceOptions, help="The description of the service."
    )
    processor: ProcessorOptions = option(
        factory=ProcessorOptions, help="The queue between the service and an exporter."
    )
    extensions: tuple[str, ...] = option(
        default=(),
        kind=NAMES,
        help="Installed extensions that wrap every exporter; the first receives the spans first.",
    )
    plugins: PluginsOptions = option(
        factory=PluginsOptions, help="Which installed plugins may be used."
    )
    on_error: OnError = option(
        default="raise",
        env=["BENTOTRACE_ON_ERROR"],
        help="What happens on an error at startup, in this block or an exporter: raise it; warn "
        "and run without tracing; or disable tracing and log the reason at level INFO.",
    )
    flush_on_signals: tuple[str, ...] | None = option(
        default=None,
        kind=NAMES,
        validator=validators.optional(_signals),
        help="Signals on which queued spans are exported, within processor.shutdown_timeout, "
        "before the signal's handler runs or the process exits. By default SIGTERM and SIGINT, if "
        "they have no handler.",
    )
    sdk_metrics: bool = option(
        default=False,
        help="Reports the counts of status() as OpenTelemetry metrics too, under names such as "
        "otel.sdk.exporter.span.exported.",
    )
    spool: SpoolOptions = option(
        factory=SpoolOptions, help="Spans on disk while a receiver is unreachable."
    )
    limits: LimitsOptions = option(factory=LimitsOptions, help="The size of a span.")
    asgi_message_spans: bool = option(
        default=False,
        help="Creates a span for each message that an ASGI application receives or sends, within "
        "the span of the request.",
    )
    bentoml_spans: bool = option(
        default=True,
        help="Creates spans of what BentoML does within a service: waiting for a batch, the run of "
        "a batch or a task, the start of a worker. Describes streams and exceptions on the span of "
        "the request.",
    )
    spans: Literal["lean", "sdk"] = option(
        default="lean",
        help="The class of the spans: lean costs the service less than half of sdk, the SDK's own; "
        "processors and exporters of others get the SDK's in both cases.",
    )
