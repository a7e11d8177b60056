"""Kinds of options whose values are names of components installed for OpenTelemetry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from bentotrace.config.rates import SamplerName
from bentotrace.discovery import registry
from bentotrace.discovery.components import ID_GENERATORS, SAMPLERS, Components
from bentotrace.discovery.components import PROPAGATORS as COMPONENTS
from bentotrace.schema.kinds import NAMES, Kind, parse_list, unexpected

__all__ = ["ID_GENERATOR", "PROPAGATORS", "SAMPLER", "fold_case"]

_BUILT_IN: Sequence[str] = get_args(SamplerName)


def fold_case(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Replace each name that differs from a known one only in case by that one."""
    folded = {name.casefold(): name for name in known}
    return [name if name in known else folded.get(name.casefold(), name) for name in names]


def _propagators(value: object) -> tuple[str, ...]:
    names: tuple[str, ...] = NAMES.convert(value)
    if registry.NONE in names and len(names) > 1:
        raise ValueError("none cannot be combined with other names")
    for name in names:
        COMPONENTS.require(name, registry.NONE)
    return names


def _parse_propagators(text: str) -> list[str]:
    names = fold_case(parse_list(text), [*COMPONENTS.known(), registry.NONE])
    # The specification requires that duplicates be removed.
    return list(dict.fromkeys(names))


def _kind(components: Components, *built_in: str) -> Kind:
    def convert(value: object) -> str:
        if not isinstance(value, str):
            raise unexpected("a name", value)
        components.require(value, *built_in)
        return value

    def parse(text: str) -> str:
        return fold_case([text], [*components.known(), *built_in])[0]

    any_name = {"type": "string"}
    schema = {"anyOf": [{"enum": [*built_in]}, any_name]} if built_in else any_name
    return Kind(f"the name of a {components.what}", convert, parse, json_schema=schema)


PROPAGATORS = Kind("propagators", _propagators, _parse_propagators, json_schema=NAMES.json_schema)
"""Names of propagators, or none; typed as ``tuple[str, ...]``."""

ID_GENERATOR = _kind(ID_GENERATORS)
"""The name of an id generator; typed as ``str``."""

SAMPLER = _kind(SAMPLERS, *_BUILT_IN)
"""The name of a sampler, built in or installed; typed as ``str``."""
