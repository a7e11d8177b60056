"""The rules for sampling rates: which values are valid, and which have an effect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from attrs import field

from bentotrace.schema.kinds import Kind, PartError, check_pattern, strict_float, unexpected
from bentotrace.schema.option import Range
from bentotrace.schema.tree import kind_of
from bentotrace.values import frozen

__all__ = ["ROUTE_RATES", "SAMPLE_RATE", "RouteRate", "SamplerName", "SamplingRules", "check_rate"]

SamplerName = Literal[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
]


@frozen
class _Share(Range):
    """A share; a value above 1 is likely a percentage."""

    def reason(self, value: float) -> str:
        hint = f"; {value:g} % is {value / 100:g}" if 1.0 < value <= 100.0 else ""
        return f"must be between 0 (no trace) and 1 (every trace){hint}"


SAMPLE_RATE = _Share(0, 1)
"""The validator of a sample rate."""


def check_rate(value: object) -> float:
    """Return a valid sample rate from code as float, else raise ValueError."""
    try:
        rate = strict_float(value)
        SAMPLE_RATE(None, None, rate)
    except ValueError as error:
        raise ValueError(f"sample_rate: {error}") from None
    return rate


def _check_match(_instance: object, _attribute: object, value: str) -> None:
    if not value.strip():
        raise ValueError("is empty; write .* for every request")
    check_pattern(value)


@frozen
class RouteRate:
    """The sample rate of the traces that begin with a matching request.

    Attributes:
        match: a pattern as in ``excluded_urls``.
        rate: the share of the traces that is recorded.
    """

    match: str = field(validator=_check_match)
    rate: float = field(validator=SAMPLE_RATE)  # type: ignore[assignment]


_RATES = kind_of(tuple[RouteRate, ...])
_EXAMPLE = "{match: /predict, rate: 0.5}"


def _route_rates(value: object) -> Any:
    if not isinstance(value, (list, tuple)):
        hint = "; begin each with a dash" if isinstance(value, Mapping) else ""
        raise unexpected(f"a list of {_EXAMPLE}", value, hint)
    try:
        return _RATES.convert(value)
    except PartError as error:
        raise PartError((path, _with_example(message)) for path, message in error.parts) from None


def _with_example(message: str) -> str:
    if message.endswith("missing"):
        return f"{message}; write {_EXAMPLE}"
    return message.replace("a mapping of options", _EXAMPLE)


ROUTE_RATES = Kind("a list of sample rates", _route_rates, json_schema=_RATES.json_schema)
"""Patterns of requests, each with a sample rate; typed as ``tuple[RouteRate, ...]``."""


class SamplingRules:
    """The properties of a tracing block that follow from its sampler and rates."""

    __slots__ = ()

    sampler: str
    sample_rate: float
    sample_rates: tuple[RouteRate, ...]

    @property
    def takes_rate(self) -> bool:
        """Whether the sampler uses a rate."""
        return self.sampler in ("traceidratio", "parentbased_traceidratio")

    @property
    def is_installed(self) -> bool:
        """Whether the sampler is one that is installed for OpenTelemetry."""
        return self.sampler not in get_args(SamplerName)

    @property
    def effective_rate(self) -> float:
        """The share of new traces that the sampler records if no item of sample_rates matches."""
        if self.takes_rate:
            return self.sample_rate
        # Only an installed sampler itself knows how many traces it records.
        return 1.0 if self.is_installed or self.sampler.endswith("always_on") else 0.0

    @property
    def effective_sample_rates(self) -> tuple[RouteRate, ...]:
        """The rates of ``sample_rates`` that have an effect."""
        # Other samplers would drop the children of the spans that such a rate records.
        return self.sample_rates if self.sampler == "parentbased_traceidratio" else ()

    @property
    def records_nothing(self) -> bool:
        """Whether no trace that begins here is recorded."""
        return self.effective_rate == 0 and not any(
            item.rate for item in self.effective_sample_rates
        )

    @property
    def why_no_rate(self) -> str:
        """Why a rate has no effect, and how to fix it."""
        return f"the sampler is {self.sampler}; set sampler: parentbased_traceidratio"
