"""Read a value of one builtin type, or one of several choices; lists and mappings are cattrs'."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_origin

from bentotrace.problems import closest
from bentotrace.schema.annotations import choices_of, without_none
from bentotrace.schema.kinds import (
    DURATION,
    Supplied,
    parse_int,
    strict_float,
    strict_str,
    unexpected,
)

__all__ = ["SCALARS", "read_any", "read_choice", "read_scalar", "reader_of"]

_Read = Callable[[Any], Any]


def reader_of(hint: Any) -> _Read | None:
    """Return what reads a scalar, choices or one of both or null; None for other annotations."""
    inner = without_none(hint)
    if inner is not hint:
        read = reader_of(inner)
        return read and (lambda value: None if value is None else read(value))
    if get_origin(hint) is Literal:
        return partial(read_choice, choices=choices_of(hint))
    if get_origin(hint) is None and isinstance(hint, type) and issubclass(hint, SCALARS):
        return partial(read_scalar, cls=hint)
    return None


def read_scalar(value: Any, cls: Any) -> Any:
    """Read a value of one of :data:`SCALARS`, or of a subclass.

    Raises:
        ValueError: it has another type, or is no choice of an enumeration.
    """
    if issubclass(cls, enum.Enum):
        return value if isinstance(value, cls) else read_choice(value, choices_of(cls))
    base = next(known for known in _BUILTINS if issubclass(cls, known))
    typed = _BUILTINS[base](value)
    return typed if cls is base else cls(typed)


def _bool(value: object) -> bool:
    if isinstance(value, Supplied):
        if value.casefold() not in {"true", "false"}:
            raise ValueError("expected true or false")
        return value.casefold() == "true"
    if not isinstance(value, bool):
        word = value.casefold() if isinstance(value, str) else None
        hint = (
            "; remove the quotes"
            if value in {"true", "True", "TRUE", "false", "False", "FALSE"}
            else ""
        )
        if word in _OTHER_BOOLS:
            # YAML 1.1 reads these as true and false, and they are still in use.
            hint = f"; write {_OTHER_BOOLS[word]}"
        raise unexpected("true or false", value, hint)
    return value


_OTHER_BOOLS: Mapping[str | None, str] = {
    **dict.fromkeys(("yes", "on"), "true"),
    **dict.fromkeys(("no", "off"), "false"),
}


def _int(value: object) -> int:
    if isinstance(value, Supplied):
        return parse_int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        if isinstance(value, float):
            hint = f"; write {int(value)}" if value.is_integer() else ""
            raise ValueError(f"expected a whole number, found a fraction{hint}")
        quoted = isinstance(value, str) and value.isascii() and value.strip().isdecimal()
        hint = "; remove the quotes" if quoted else ""
        raise unexpected("a whole number", value, hint)
    return value


def _float(value: object) -> float:
    if isinstance(value, Supplied):
        try:
            value = float(value)
        except ValueError:
            raise ValueError("expected a number") from None
    return strict_float(value)


def read_any(value: Any) -> Any:
    """Return a value, and the text of a variable as it is."""
    return str(value) if isinstance(value, Supplied) else value


def _datetime(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    try:
        # Python 3.10 does not accept Z.
        return datetime.fromisoformat(strict_str(value).strip().replace("Z", "+00:00"))
    except ValueError:
        raise ValueError("expected a date and time, such as 2026-01-31T12:00:00Z") from None


def _timedelta(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    return timedelta(
        seconds=DURATION.convert(DURATION.parse(value) if isinstance(value, Supplied) else value)
    )


_BUILTINS: Mapping[type, _Read] = {
    bool: _bool,
    int: _int,
    float: _float,
    str: lambda value: read_any(strict_str(value)),
    Path: lambda value: value if isinstance(value, Path) else Path(strict_str(value)),
    datetime: _datetime,
    timedelta: _timedelta,
}


def read_choice(value: object, choices: Sequence[tuple[Any, Any]]) -> Any:
    """Return the choice that is written like the value."""
    for written, typed in choices:
        if isinstance(value, Supplied):
            # The specification requires that variables be read without regard to case.
            if value.strip().casefold() == str(written).casefold():
                return typed
        elif value == written and type(value) is type(written):
            return typed
    valid = [str(written) for written, _ in choices]
    near = closest(value, valid) if isinstance(value, str) else None
    hint = f"; did you mean {near}?" if near else ""
    raise ValueError(f"must be one of {', '.join(valid)}{hint}")


SCALARS: tuple[type, ...] = (*_BUILTINS, enum.Enum)
"""The types that :func:`read_scalar` reads, and subclasses of them."""
