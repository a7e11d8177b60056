"""The JSON Schema of an annotation: what its strict kind takes, and at most a little more."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal

__all__ = ["schema_of"]

_NAMES: Mapping[Any, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}


def schema_of(hint: Any) -> dict[str, Any]:
    """Describe the plain values of an annotation; anything where it cannot tell."""
    origin: Any = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if origin is Literal:
        return _one_of(arguments)
    if origin in {typing.Union, types.UnionType}:
        parts = [schema_of(part) for part in arguments if part is not type(None)]
        return {"anyOf": parts} if all(parts) else {}
    if origin in {dict, Mapping}:
        return {"type": "object", "additionalProperties": schema_of(arguments[1])}
    if origin in {list, tuple, Sequence}:
        return {"type": "array", "items": schema_of(arguments[0])}
    if isinstance(hint, type):
        if issubclass(hint, enum.Enum):
            return _members(hint)
        if hint in _NAMES:
            return {"type": _NAMES[hint]}
    return {}


def _members(hint: type[enum.Enum]) -> dict[str, Any]:
    if all(isinstance(member.value, int) for member in hint):
        return _one_of([member.name.casefold() for member in hint])
    return _one_of([member.value for member in hint])


def _one_of(values: Sequence[Any]) -> dict[str, Any]:
    plain = all(isinstance(value, (bool, int, float, str)) for value in values)
    return {"enum": list(values)} if plain else {}
