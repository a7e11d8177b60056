"""The option ``sample_rates``: requests that have a sample rate of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from attrs import frozen

from bentotrace.config.hint_kind import kind_of, strict_float, strict_str
from bentotrace.config.kind import Kind, unexpected
from bentotrace.config.kinds import check_pattern
from bentotrace.config.range import Range
from bentotrace.config.report import PartError, Path, closest
from bentotrace.config.supply import Supplied

__all__ = ["ROUTE_RATES", "SAMPLE_RATE", "RouteRate"]


@frozen
class RouteRate:
    """The share of the traces that is recorded of those that some requests begin.

    Attributes:
        match: a pattern as of ``excluded_urls``.
        rate: the share.
    """

    match: str
    rate: float


@frozen
class _Share(Range):
    """A share, which is easily mistaken for a percentage."""

    def reason(self, value: float) -> str:
        hint = f"; {value:g} % is {value / 100:g}" if 1.0 < value <= 100.0 else ""
        return f"must be between 0 (no trace) and 1 (every trace){hint}"


SAMPLE_RATE = _Share(0, 1)
"""The validator of a sample rate."""


def _check_match(value: object) -> None:
    if not strict_str(value).strip():
        raise ValueError("is empty; write .* for every request")
    check_pattern(strict_str(value))


def _read_rate(value: object) -> float:
    if isinstance(value, Supplied):
        value = kind_of(float).parse(value)
    rate = strict_float(value)
    SAMPLE_RATE(None, None, rate)
    return rate


_EXAMPLE = "{match: /predict, rate: 0.5}"
_CHECKS: Mapping[str, Callable[[object], object]] = {
    "match": _check_match,
    "rate": _read_rate,
}


def _route_rates(value: object) -> tuple[RouteRate, ...]:
    if not isinstance(value, (list, tuple)):
        hint = "; begin each with a dash" if isinstance(value, Mapping) else ""
        raise unexpected(f"a list of {_EXAMPLE}", value, hint)
    errors = [found for index, item in enumerate(value) for found in _errors(item, (index,))]
    if errors:
        raise PartError(errors)
    return tuple(RouteRate(item["match"], _read_rate(item["rate"])) for item in value)


def _errors(item: object, path: Path) -> Iterator[tuple[Path, str]]:
    if not isinstance(item, Mapping):
        yield path, str(unexpected(_EXAMPLE, item))
        return
    for key in item:
        if key not in _CHECKS:
            near = closest(str(key), _CHECKS)
            hint = f"did you mean {near}?" if near else "valid are match, rate"
            yield (*path, str(key)), f"unknown option; {hint}"
    for name, check in _CHECKS.items():
        if item.get(name) is None:
            yield (*path, name), f"is required and not given; write {_EXAMPLE}"
            continue
        try:
            check(item[name])
        except ValueError as error:
            yield (*path, name), str(error)


ROUTE_RATES = Kind(
    "a list of sample rates",
    _route_rates,
    json_schema={
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "match": {"type": "string"},
                "rate": {"type": "number", **SAMPLE_RATE.json_schema},
            },
            "required": ["match", "rate"],
            "additionalProperties": False,
        },
    },
)
"""Patterns of requests with their sample rates; typed as ``tuple[RouteRate, ...]``."""
