"""The kind of ``propagators``: names of OpenTelemetry's entry points, checked without an import."""

from __future__ import annotations

from bentotrace import registry
from bentotrace.config.hint_kind import parse_list
from bentotrace.config.kind import Kind
from bentotrace.config.kinds import NAMES
from bentotrace.config.report import closest

__all__ = ["PROPAGATORS"]

_INSTALL = {
    **dict.fromkeys(("b3", "b3multi"), "opentelemetry-propagator-b3"),
    "jaeger": "opentelemetry-propagator-jaeger",
    "ottrace": "opentelemetry-propagator-ot-trace",
    **dict.fromkeys(("xray", "xray-lambda"), "opentelemetry-propagator-aws-xray"),
}
"""Names that are well known, and what brings them."""


def _propagators(value: object) -> tuple[str, ...]:
    names: tuple[str, ...] = NAMES.convert(value)
    if registry.NONE in names and len(names) > 1:
        raise ValueError("none stands alone; leave it out, or the others")
    installed = [*(claim.name for claim in registry.find(registry.PROPAGATORS_GROUP))]
    for name in names:
        if name != registry.NONE and name not in installed:
            raise ValueError(
                f"no propagator named {name!r} is installed; {_advice(name, installed)}"
            )
    return names


def _advice(name: str, installed: list[str]) -> str:
    if name in _INSTALL:
        return f"pip install {_INSTALL[name]}"
    known = sorted({*installed, *_INSTALL, registry.NONE})
    near = closest(name, known)
    return f"did you mean {near}?" if near else f"known are {', '.join(known)}"


def _parse(text: str) -> list[str]:
    # The specification has a name that is given twice count once.
    return list(dict.fromkeys(parse_list(text)))


PROPAGATORS = Kind("propagators", _propagators, _parse, json_schema=NAMES.json_schema)
"""Names of propagators, or none; typed as ``tuple[str, ...]``."""
