"""The annotations that an option may have, and the JSON Schema of each."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import attrs

from bentotrace.schema.kinds import DURATION

__all__ = [
    "LISTS",
    "MAPPINGS",
    "UNIONS",
    "choices_of",
    "describe",
    "holds_class",
    "name_of",
    "split",
    "takes_mapping",
    "without_none",
]

LISTS: Mapping[Any, type] = {
    list: list,
    tuple: tuple,
    Sequence: tuple,
    set: set,
    AbstractSet: set,
    frozenset: frozenset,
}
"""The annotations whose values are lists in a file, and the type of the value."""

MAPPINGS = (dict, Mapping)
"""The annotations whose values are mappings of any names."""

UNIONS = (typing.Union, types.UnionType)
"""The origins of ``X | Y``."""

_SCALARS: Mapping[type, tuple[str, Mapping[str, Any]]] = {
    bool: ("true or false", {"type": "boolean"}),
    int: ("a whole number", {"type": "integer"}),
    float: ("a number", {"type": "number"}),
    str: ("text", {"type": "string"}),
    Path: ("a path", {"type": "string"}),
    datetime: ("a date and time", {"type": "string"}),
    timedelta: ("a duration", DURATION.json_schema),
}


def split(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Split an annotation into its origin, or itself, and its arguments.

    A bare ``list`` is split as ``list[Any]``; ``Annotated`` and ``NewType`` are unwrapped.
    """
    origin: Any = hint
    arguments: tuple[Any, ...] = ()
    # A plain class, which most are, has neither.
    if type(hint) is not type:
        while hasattr(hint, "__supertype__") or typing.get_origin(hint) is Annotated:
            hint = getattr(hint, "__supertype__", None) or typing.get_args(hint)[0]
        origin, arguments = typing.get_origin(hint) or hint, typing.get_args(hint)
    if not arguments and origin in MAPPINGS:
        arguments = (Any, Any)
    elif not arguments and origin in LISTS:
        arguments = (Any, ...) if origin is tuple else (Any,)
    return origin, arguments


def without_none(hint: Any) -> Any:
    """Remove ``None`` from the alternatives of an annotation."""
    origin, arguments = split(hint)
    if origin not in UNIONS or types.NoneType not in arguments:
        return hint
    rest = tuple(part for part in arguments if part is not types.NoneType)
    return typing.Union[rest]  # noqa: UP007 - of a tuple


def name_of(hint: Any) -> str:
    """Return the name of an annotation's values in messages, as in "expected a number"."""
    origin, _ = split(without_none(hint))
    if origin in LISTS or origin in MAPPINGS:
        return "a list"
    return _SCALARS[origin][0] if origin in _SCALARS else "a value"


def takes_mapping(hint: Any) -> bool:
    """Return whether a mapping is a value of an annotation."""
    origin, arguments = split(hint)
    if origin in UNIONS:
        return any(map(takes_mapping, arguments))
    return origin in MAPPINGS or (isinstance(origin, type) and attrs.has(origin))


def holds_class(hint: Any) -> bool:
    """Return whether an attrs class is in an annotation."""
    origin, arguments = split(hint)
    return attrs.has(origin) or (origin is not Literal and any(map(holds_class, arguments)))


def choices_of(hint: Any) -> list[tuple[Any, Any]]:
    """List the values of an enum or a ``Literal``, each after its form in a file.

    A member is written as its value, or as its name in lower case if the values are numbers.
    """
    origin, arguments = split(hint)
    if origin is Literal:
        return [(choice, choice) for choice in arguments if _is_plain(choice)]
    numbers = all(isinstance(member.value, int) for member in origin)
    return [(member.name.casefold() if numbers else member.value, member) for member in origin]


def describe(hint: Any, describe_class: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
    """Describe an annotation by JSON Schema; an empty schema accepts anything.

    Raises:
        TypeError: a file cannot hold a value of it.
    """
    origin, arguments = split(hint)
    if origin is Any:
        return {}
    if origin in UNIONS:
        parts = [describe(part, describe_class) for part in arguments if part is not types.NoneType]
        return {"anyOf": parts} if all(parts) else {}
    if origin in MAPPINGS:
        key, value = arguments
        describe(key, describe_class)
        return {"type": "object", "additionalProperties": describe(value, describe_class)}
    if origin is tuple and arguments[-1] is not ...:
        items = [describe(part, describe_class) for part in arguments]
        count = len(items)
        return {"type": "array", "prefixItems": items, "minItems": count, "maxItems": count}
    if origin in LISTS:
        return {"type": "array", "items": describe(arguments[0], describe_class)}
    if origin is Literal:
        choices = [written for written, _ in choices_of(hint)]
        if not choices:
            raise _unreadable(hint)
        return {"enum": choices}
    if isinstance(origin, type) and not arguments:
        return _describe_type(origin, describe_class)
    raise _unreadable(hint)


def _describe_type(cls: type, describe_class: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
    if attrs.has(cls):
        return describe_class(cls)
    if issubclass(cls, enum.Enum):
        values = [written for written, _ in choices_of(cls)]
        if not values:
            raise _unreadable(cls)
        return {"enum": values} if all(map(_is_plain, values)) else {}
    for known, (_, schema) in _SCALARS.items():
        if issubclass(cls, known):
            return dict(schema)
    raise _unreadable(cls)


def _is_plain(value: object) -> bool:
    return isinstance(value, (bool, int, float, str)) and not isinstance(value, enum.Enum)


def _unreadable(hint: Any) -> TypeError:
    name = getattr(hint, "__qualname__", hint) if isinstance(hint, type) else hint
    return TypeError(f"a value of the type {name} cannot be read; set the option's kind")
