"""The kinds of options: how a plain value or the text of a variable becomes a typed value."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import field

from bentotrace.problems import Path, dotted
from bentotrace.values import frozen

__all__ = [
    "DURATION",
    "NAMES",
    "PATTERNS",
    "Kind",
    "PartError",
    "Supplied",
    "check_pattern",
    "milliseconds",
    "parse_int",
    "parse_list",
    "strict_float",
    "strict_str",
    "unexpected",
]


@frozen
class Kind:
    """One kind of option.

    Attributes:
        name: its name in messages, as in "expected a duration".
        convert: converts a plain value to a typed one, or raises ValueError with what is wrong and
            what is valid.
        parse: converts the text of a variable to a value for ``convert``.
        takes_mapping: whether a mapping is a value of this kind.
        merges: whether the mappings of all sources are merged; else the highest source overrides.
        json_schema: JSON Schema of its plain values, which accepts at least all that ``convert``
            does; anything by default.
    """

    name: str
    convert: Callable[[Any], Any]
    parse: Callable[[str], Any] = str
    takes_mapping: bool = False
    merges: bool = False
    json_schema: Mapping[str, Any] = field(factory=dict, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        for name in ("convert", "parse"):
            if not callable(getattr(self, name)):
                raise TypeError(f"{name} of a Kind must be a function, not {getattr(self, name)!r}")


_TYPE_NAMES: Mapping[type, str] = {
    type(None): "nothing",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    Mapping: "a mapping",
    list: "a list",
    tuple: "a list",
}


def unexpected(what: str, value: object, hint: str = "") -> ValueError:
    """Create the error for a value of the wrong type, without the value."""
    names = (name for cls, name in _TYPE_NAMES.items() if isinstance(value, cls))
    found = next(names, f"a {type(value).__name__}")
    return ValueError(f"expected {what}, found {found}{hint}")


class PartError(ValueError):
    """Parts of an option's value are wrong.

    Attributes:
        parts: the path of each within the value, and what is wrong with it.
    """

    def __init__(self, parts: Iterable[tuple[Path, str]]) -> None:
        self.parts = tuple(parts)
        reasons = [f"{dotted(path)}: {reason}" if path else reason for path, reason in self.parts]
        super().__init__("; ".join(reasons))


class Supplied(str):
    """The text of a variable or a file, often a secret, to be parsed as the option's type."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def strict_float(value: object) -> float:
    """Return a finite number as float; refuse bool and text."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        hint = _number_hint(value) if isinstance(value, str) else ""
        raise unexpected("a number", value, hint)
    try:
        number = float(value)
    except OverflowError:
        raise ValueError("the number is too large") from None
    if not math.isfinite(number):
        raise ValueError("expected a finite number")
    return number


def _short(text: str) -> str:
    return repr(text if len(text) <= 30 else text[:29] + "…")


def _number_hint(text: str) -> str:
    """Return advice on a number that is text because of its quotes, comma or percent sign."""
    match = re.fullmatch(r"([-+]?[0-9]{1,9}(?:[.,][0-9]{1,9})?)\s*(%?)", text.strip())
    if match is None:
        # Other text may be a secret in the wrong place.
        return f" {_short(text)}" if re.match(r"[-+]?[0-9]+(\.[0-9]+)?\s", text) else ""
    number = match[1].replace(",", ".")
    if match[2]:
        return f"; write {float(number) / 100:g}"
    return f"; write {number}" if "," in match[1] else "; remove the quotes"


def strict_str(value: object) -> str:
    """Return text; refuse a number."""
    if not isinstance(value, str):
        hint = "; put it in quotes" if isinstance(value, (bool, int, float)) else ""
        if isinstance(value, Mapping):
            hint = "; only {env: NAME} and {file: path} are read as text"
        raise unexpected("text", value, hint)
    return value


def parse_int(text: str) -> int:
    """Parse the text of a variable that is a whole number."""
    if re.fullmatch(r"[-+]?[0-9]{1,300}", text) is None:
        raise ValueError("expected a whole number")
    return int(text)


def parse_list(text: str) -> list[str]:
    """Parse the text of a variable that is a comma-separated list."""
    return [part.strip() for part in text.split(",") if part.strip()]


_DURATION = r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(ms|s|m|h)?"
_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}
_MAX_SECONDS = 1_000_000_000
_DURATION_FORMS = "seconds, or text such as 500ms, 10s or 2m"


def _duration(value: object) -> float:
    if isinstance(value, str):
        match = re.fullmatch(_DURATION, value.strip())
        if match is None or match[2] is None:
            if match is not None:
                hint = f"; remove the quotes, or write {match[1]}s"
            else:
                hint = f"; found {_short(value)}"
            raise ValueError(f"expected {_DURATION_FORMS}{hint}")
        value = float(match[1]) * _DURATION_UNITS[match[2]]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise unexpected(_DURATION_FORMS, value)
    seconds = strict_float(value)
    if seconds < 0:
        raise ValueError("must not be negative")
    # The clocks of some systems end there.
    if seconds > _MAX_SECONDS:
        raise ValueError("must be at most 1000000000 s")
    return seconds


def _parse_duration(text: str) -> float:
    match = re.fullmatch(_DURATION, text.strip())
    if match is None:
        raise ValueError(f"expected {_DURATION_FORMS}")
    return float(match[1]) * _DURATION_UNITS[match[2]]


def milliseconds(text: str) -> float:
    """Parse the text of a variable that is a whole number of milliseconds into seconds."""
    return parse_int(text) / 1000.0


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        if "," in value:
            listed = ", ".join(parse_list(value))
            raise ValueError(f"for several names, write a list: [{listed}]")
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise unexpected("a name, or a list of names", value)
    names = tuple(strict_str(item).strip() for item in value)
    if "" in names:
        raise ValueError("a name is empty")
    if len(set(names)) < len(names):
        raise ValueError("a name appears twice")
    return names


def _patterns(value: object) -> tuple[str, ...]:
    single = isinstance(value, str) and "," not in value and "\n" not in value.strip()
    if isinstance(value, str):
        lines = value.strip().splitlines()
        value = lines if len(lines) > 1 else _parse_patterns(value)
    if not isinstance(value, (list, tuple)):
        raise unexpected("a regular expression, or a list of them", value)
    # ${EXTRA:-} may be empty, and an empty pattern would match everything.
    patterns, errors = [], []
    for index, pattern in enumerate(value):
        try:
            patterns.append(check_pattern(strict_str(pattern).strip()))
        except ValueError as error:
            errors.append((() if single else (index,), str(error)))
    if errors:
        raise PartError(errors)
    return tuple(filter(None, patterns))


def _parse_patterns(text: str) -> list[str]:
    """Split text at its commas; refuse ``{m,n}``, which would become two valid patterns."""
    count = re.search(r"\{[0-9]*,[0-9]*\}", text)
    if count is not None:
        raise ValueError(f"the comma in {count[0]} would separate patterns; write a list instead")
    return parse_list(text)


def check_pattern(text: str) -> str:
    """Return a valid regular expression, else raise ValueError."""
    try:
        re.compile(text)
    except re.error as error:
        # A shell pattern.
        hint = "; write .* for anything" if text.startswith("*") else ""
        raise ValueError(f"is not a regular expression: {error}{hint}") from None
    except (OverflowError, RecursionError, MemoryError):
        raise ValueError("is too large a regular expression; write several short ones") from None
    return text


_TEXT = {"type": "string"}
_FILLED = {"type": "string", "pattern": r"\S"}
_ONE_NAME = {"type": "string", "pattern": r"^[^,]*[^,\s][^,]*$"}


DURATION = Kind(
    "a duration",
    _duration,
    _parse_duration,
    json_schema={
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": _MAX_SECONDS},
            {
                "type": "string",
                "pattern": r"^\s*([0-9]+(\.[0-9]+)?|\.[0-9]+)\s*(ms|s|m|h)\s*$",
                "examples": ["500ms", "10s", "2m"],
            },
        ]
    },
)
"""Seconds as a number, or text with a unit; typed as float seconds."""

NAMES = Kind(
    "a name or a list of names",
    _names,
    parse_list,
    json_schema={"anyOf": [_ONE_NAME, {"type": "array", "items": _FILLED, "uniqueItems": True}]},
)
"""One name or several; typed as ``tuple[str, ...]``."""

PATTERNS = Kind(
    "regular expressions",
    _patterns,
    _parse_patterns,
    json_schema={"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]},
)
"""Comma-separated regular expressions, or a list of them; typed as ``tuple[str, ...]``."""
