"""The options common to all exporters: the tracing block without the exporters' sections."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import unquote

from attrs import frozen, validators

from bentotrace.config.kind import Kind
from bentotrace.config.kinds import DURATION, NAMES, PATTERNS, milliseconds
from bentotrace.config.propagators import PROPAGATORS
from bentotrace.config.range import Range
from bentotrace.config.rates import ROUTE_RATES, SAMPLE_RATE, RouteRate
from bentotrace.config.report import closest
from bentotrace.plugin import Variable, option

__all__ = [
    "LimitsOptions",
    "OnError",
    "ProcessorOptions",
    "ResourceOptions",
    "SamplerName",
    "SpoolOptions",
    "TracingOptions",
]

OnError = Literal["raise", "warn", "disable"]
"""What a fault at the start does."""

SamplerName = Literal[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
]


_SCALAR = {"type": ["string", "number", "boolean"]}
# Without NUL, and with a character that is no blank, the first of which is no tilde.
_DIRECTORY = {"type": "string", "pattern": r"^\s*[^\s~\0][^\0]*$"}
_ATTRIBUTES = {
    "type": "object",
    "additionalProperties": {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR}]},
}


def _attributes(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("expected a mapping of attribute names to values")
    for name, item in value.items():
        items = item if isinstance(item, (list, tuple)) else [item]
        if not all(isinstance(element, (bool, int, float, str)) for element in items):
            raise ValueError(f"{name}: expected text, a number, true or false, or a list of them")
    return dict(value)


def _parse_attributes(text: str) -> dict[str, str]:
    """Read ``name=value,name=value``; what is no such pair the SDK reports, as it reads it too."""
    pairs = [pair.partition("=") for pair in text.split(",") if "=" in pair]
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}


def _directory(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError("expected the path of a directory")
    path = value.strip()
    if path.startswith("~"):
        raise ValueError("~ is not expanded, so write the whole path")
    if os.path.exists(path) and not os.path.isdir(path):
        raise ValueError("is a file; name a directory, which need not be there yet")
    return path


_positive = Range(above=0)


def _at_least(bound: float) -> Range:
    return Range(bound)


def _signals(_instance: object, _attribute: object, value: Sequence[str]) -> None:
    for name in value:
        if name not in signal.Signals.__members__:
            near = closest(name, list(signal.Signals.__members__))
            hint = f"did you mean {near}?" if near else "write its name, as SIGTERM"
            raise ValueError(f"{name} is no signal here; {hint}")
        if name in _NEVER_HANDLED:
            raise ValueError(f"{name} cannot be handled; leave it out")


_NEVER_HANDLED = ("SIGKILL", "SIGSTOP")


@frozen
class ResourceOptions:
    """The section ``resource``: what describes the service itself."""

    attributes: dict[str, Any] = option(
        factory=dict,
        kind=Kind(
            "attributes", _attributes, takes_mapping=True, merges=True, json_schema=_ATTRIBUTES
        ),
        env=[
            Variable("OTEL_SERVICE_NAME", lambda text: {"service.name": text}),
            Variable("OTEL_RESOURCE_ATTRIBUTES", _parse_attributes),
        ],
        help="Attributes of the resource, service.name first of all; each comes from the highest "
        "source that has it.",
    )


@frozen
class ProcessorOptions:
    """The section ``processor``: the queue between the service and an exporter."""

    max_queue_size: int = option(
        default=2048,
        unit="spans",
        env=["OTEL_BSP_MAX_QUEUE_SIZE"],
        validator=_at_least(1),
        help="Spans that may wait for export; when it is full, new ones are dropped and counted.",
    )
    max_export_batch_size: int = option(
        default=512,
        unit="spans",
        env=["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"],
        validator=_at_least(1),
        help="Spans that are exported at once, at the most.",
    )
    schedule_delay: float = option(
        default=5.0,
        kind=DURATION,
        env=[Variable("OTEL_BSP_SCHEDULE_DELAY", milliseconds)],
        validator=_positive,
        help="How long a span waits for others before it is exported, at the most.",
    )
    export_timeout: float | None = option(
        default=None,
        kind=DURATION,
        env=[Variable("OTEL_BSP_EXPORT_TIMEOUT", milliseconds)],
        validator=_positive,
        help="How long one export may take, when that is less than the exporter's timeout.",
    )
    shutdown_timeout: float = option(
        default=5.0,
        kind=DURATION,
        validator=_at_least(0),
        help="How long shutting down, or the process's exit, may take.",
    )


def _limit(variables: Sequence[str], what: str) -> Any:
    return option(
        default=128,
        env=variables,
        validator=_at_least(0),
        help=f"{what} keeps, at the most; the rest is dropped and counted.",
    )


@frozen
class LimitsOptions:
    """The section ``limits``: how many things a span may hold."""

    attribute_count: int = _limit(
        ["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"],
        "Attributes that a span",
    )
    event_count: int = _limit(["OTEL_SPAN_EVENT_COUNT_LIMIT"], "Events that a span")
    link_count: int = _limit(["OTEL_SPAN_LINK_COUNT_LIMIT"], "Links that a span")
    event_attribute_count: int = _limit(
        ["OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"],
        "Attributes that an event",
    )
    link_attribute_count: int = _limit(
        ["OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"],
        "Attributes that a link",
    )


@frozen
class SpoolOptions:
    """The section ``spool``: the disk, while a receiver is away."""

    path: str | None = option(
        default=None,
        kind=Kind("a directory", _directory, json_schema=_DIRECTORY),
        help="A directory in which spans are kept while their receiver is away; nothing is kept "
        "when left out.",
    )
    max_bytes: int = option(
        default=100 * 1024 * 1024,
        unit="bytes",
        validator=_at_least(1024 * 1024),
        help="What the file of one destination may take there; when it is full, the oldest spans "
        "are dropped and counted.",
    )


@frozen
class TracingOptions:
    """The tracing block."""

    disabled: bool = option(
        default=False,
        env=["OTEL_SDK_DISABLED"],
        help="Turns tracing off: spans cost nothing and go nowhere.",
    )
    exporter_type: tuple[str, ...] = option(
        default=(),
        kind=NAMES,
        env=["OTEL_TRACES_EXPORTER"],
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
        help="Rates of their own for the traces that some requests begin: a list of match, a "
        "regular expression as in excluded_urls, and rate. The first that matches counts.",
    )
    sampler: SamplerName = option(
        default="parentbased_traceidratio",
        env=["OTEL_TRACES_SAMPLER"],
        help="How a trace is chosen; the ratio samplers use sample_rate.",
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
        help="How the context of a trace is passed on in requests, such as b3 or tracecontext; "
        "none passes nothing on. OpenTelemetry's default when left out. configure() installs "
        "them, build() does not.",
    )
    timeout: float = option(
        default=10.0,
        kind=DURATION,
        validator=_positive,
        help="How long one export may take, with its retries.",
    )
    max_tag_value_length: int | None = option(
        default=None,
        unit="characters",
        env=["OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"],
        validator=_at_least(1),
        help="Attribute values longer than this are cut.",
    )
    resource: ResourceOptions = option(
        factory=ResourceOptions, help="What describes the service itself."
    )
    processor: ProcessorOptions = option(
        factory=ProcessorOptions, help="The queue between the service and an exporter."
    )
    extensions: tuple[str, ...] = option(
        default=(),
        kind=NAMES,
        help="Installed extensions, in which every exporter is wrapped; spans come to the first "
        "first.",
    )
    on_error: OnError = option(
        default="raise",
        env=["BENTOTRACE_ON_ERROR"],
        help="What a fault at the start does, a mistake in this block or an exporter that cannot "
        "be made: raise it; warn of it and run without tracing; disable tracing and say why at "
        "level INFO.",
    )
    flush_on_signals: tuple[str, ...] | None = option(
        default=None,
        kind=NAMES,
        validator=validators.optional(_signals),
        help="Signals before whose end of the process what is queued is exported, within "
        "processor.shutdown_timeout; a handler of theirs is called after that. Not set: SIGTERM, "
        "where it has no handler.",
    )
    sdk_metrics: bool = option(
        default=False,
        help="Gives what status() counts to OpenTelemetry's metrics too, under names such as "
        "otel.sdk.exporter.span.exported.",
    )
    spool: SpoolOptions = option(factory=SpoolOptions, help="The disk, while a receiver is away.")
    limits: LimitsOptions = option(factory=LimitsOptions, help="How many things a span may hold.")

    @property
    def takes_rate(self) -> bool:
        """Whether the sampler uses a rate at all."""
        return self.sampler.endswith("traceidratio")

    @property
    def effective_rate(self) -> float:
        """The share of new traces that the sampler records where sample_rates says nothing."""
        if self.takes_rate:
            return self.sample_rate
        return 1.0 if self.sampler.endswith("always_on") else 0.0

    @property
    def effective_sample_rates(self) -> tuple[RouteRate, ...]:
        """The rates of their own that count.

        Without a parent's word, what such a rate records would end at the first span of its trace.
        """
        return self.sample_rates if self.sampler == "parentbased_traceidratio" else ()
