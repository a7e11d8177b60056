"""The kinds of option that no annotation tells: durations, addresses, names, patterns, files."""

from __future__ import annotations

import re

from bentotrace.config.hint_kind import parse_int, parse_list, strict_float, strict_str
from bentotrace.config.kind import Kind, unexpected
from bentotrace.config.pem import check_pem_file
from bentotrace.config.report import PartError
from bentotrace.redaction import without_credentials

__all__ = [
    "ADDRESS",
    "DURATION",
    "NAMES",
    "PATTERNS",
    "PEM_FILE",
    "Address",
    "check_pattern",
    "milliseconds",
]

_DURATION = r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(ms|s|m|h)?"
_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}
_DURATION_FORMS = "seconds, or text such as 500ms, 10s or 2m"


def _duration(value: object) -> float:
    if isinstance(value, str):
        match = re.fullmatch(_DURATION, value.strip())
        if match is None or match[2] is None:
            hint = f"; remove the quotes, or write {match[1]}s" if match is not None else ""
            raise ValueError(f"expected {_DURATION_FORMS}{hint}")
        value = float(match[1]) * _DURATION_UNITS[match[2]]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise unexpected(_DURATION_FORMS, value)
    seconds = strict_float(value)
    if seconds < 0:
        raise ValueError("must not be negative")
    return seconds


def _parse_duration(text: str) -> float:
    match = re.fullmatch(_DURATION, text.strip())
    if match is None:
        raise ValueError(f"expected {_DURATION_FORMS}")
    return float(match[1]) * _DURATION_UNITS[match[2]]


def milliseconds(text: str) -> float:
    """Parse a variable that holds a whole number of milliseconds, into seconds."""
    return parse_int(text) / 1000.0


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        if "," in value:
            listed = ", ".join(parse_list(value))
            raise ValueError(f"several names are a list; write [{listed}]")
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise unexpected("a name, or a list of names", value)
    names = tuple(strict_str(item).strip() for item in value)
    if "" in names:
        raise ValueError("a name is empty")
    if len(set(names)) < len(names):
        raise ValueError("a name is given twice")
    return names


def _patterns(value: object) -> tuple[str, ...]:
    single = isinstance(value, str) and "," not in value
    if isinstance(value, str):
        value = _parse_patterns(value)
    if not isinstance(value, (list, tuple)):
        raise unexpected("a regular expression, or a list of them", value)
    # Blank ones as in text: a list may hold ${EXTRA:-}, and what is empty would match everything.
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
    """Split text at its commas, but not where that would tear one pattern into two good ones."""
    count = re.search(r"\{[0-9]*,[0-9]*\}", text)
    if count is not None:
        raise ValueError(f"a comma separates patterns, also in {count[0]}; write them as a list")
    return parse_list(text)


def check_pattern(text: str) -> str:
    """Check a regular expression.

    Raises:
        ValueError: with what is wrong with it.
    """
    try:
        re.compile(text)
    except re.error as error:
        # Who writes a shell's pattern means this by its star.
        hint = "; write .* for anything" if text.startswith("*") else ""
        raise ValueError(f"is not a regular expression: {error}{hint}") from None
    return text


class Address(str):
    """A URL or ``host:port`` as it was given; its repr has no credentials."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(without_credentials(str(self)))


def _address(value: object) -> Address:
    text = strict_str(value).strip()
    if not text:
        raise ValueError("is empty; write a URL or host:port, or leave it out")
    return Address(text)


_TEXT = {"type": "string"}
_FILLED = {"type": "string", "pattern": r"\S"}
_ONE_NAME = {"type": "string", "pattern": r"^[^,]*[^,\s][^,]*$"}

ADDRESS = Kind("a URL or host:port", _address, json_schema=_FILLED)
"""Where to send; typed as :class:`Address`, a ``str``."""

DURATION = Kind(
    "a duration",
    _duration,
    _parse_duration,
    json_schema={
        "anyOf": [
            {"type": "number", "minimum": 0},
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

PEM_FILE = Kind("a PEM file", lambda value: check_pem_file(strict_str(value)), json_schema=_FILLED)
"""Path of a file of certificates or a key, which is there and is PEM; typed as ``str``."""
