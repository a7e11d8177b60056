"""The kinds of option: how a plain value, or the text of a variable, becomes a typed one.

An option of a builtin type (bool, int, float, str, ``Literal``, an enum, lists and dicts of them)
needs no kind: :func:`kind_of` makes one, strict, from its annotation.
"""

from __future__ import annotations

import enum
import math
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Literal
from urllib.parse import unquote

import cattrs
from attrs import field, frozen

from bentotrace.config.hint_schema import schema_of
from bentotrace.config.pem import check_pem_file
from bentotrace.config.report import closest
from bentotrace.transport.outcome import without_credentials

__all__ = [
    "ADDRESS",
    "DURATION",
    "HEADERS",
    "NAMES",
    "PATTERNS",
    "PEM_FILE",
    "Address",
    "Kind",
    "kind_of",
    "milliseconds",
]


@frozen
class Kind:
    """One kind of option.

    Attributes:
        name: what messages call it, as in "expected a duration".
        convert: plain value to typed value; ValueError says what is wrong and what is valid.
        parse: text of a variable to a value for ``convert``.
        takes_mapping: whether a mapping is a value of this kind.
        merges: whether what all sources give is merged, name by name; else the highest one counts.
        json_schema: JSON Schema of its plain values; it may take more than ``convert`` does, never
            less, and takes anything when left out.
    """

    name: str
    convert: Callable[[Any], Any]
    parse: Callable[[str], Any] = str
    takes_mapping: bool = False
    merges: bool = False
    json_schema: Mapping[str, Any] = field(factory=dict, eq=False, repr=False)


def describe(value: object) -> str:
    """Name a plain value's type as a person would, without the value."""
    if value is None:
        return "nothing"
    for kind, name in _TYPE_NAMES.items():
        if isinstance(value, kind):
            return name
    return f"a {type(value).__name__}"


_TYPE_NAMES: Mapping[type, str] = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    Mapping: "a mapping",
    list: "a list",
    tuple: "a list",
}


def _expected(what: str, value: object) -> ValueError:
    return ValueError(f"expected {what}, found {describe(value)}")


def _bool(value: object, _type: object = bool) -> bool:
    if not isinstance(value, bool):
        word = value.casefold() if isinstance(value, str) else None
        hint = "; remove the quotes" if word in {"true", "false"} else ""
        if word in _OTHER_BOOLS:
            # YAML 1.1 took these for true and false, and many still write them.
            hint = f"; write {_OTHER_BOOLS[word]}"
        raise ValueError(f"expected true or false, found {describe(value)}{hint}")
    return value


_OTHER_BOOLS: Mapping[str | None, str] = {
    **dict.fromkeys(("yes", "on"), "true"),
    **dict.fromkeys(("no", "off"), "false"),
}


def _int(value: object, _type: object = int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        if isinstance(value, float):
            hint = f"; write {int(value)}" if value.is_integer() else ""
            raise ValueError(f"expected a whole number, found a fraction{hint}")
        quoted = isinstance(value, str) and value.strip().isdecimal()
        hint = "; remove the quotes" if quoted else ""
        raise ValueError(f"expected a whole number, found {describe(value)}{hint}")
    return value


def _float(value: object, _type: object = float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        hint = _number_hint(value) if isinstance(value, str) else ""
        raise ValueError(f"expected a number, found {describe(value)}{hint}")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError("the number is too large") from None
    if not math.isfinite(number):
        raise ValueError("expected a finite number")
    return number


def _number_hint(text: str) -> str:
    """Tell how to write a number that is text because of its quotes, comma or percent sign."""
    match = re.fullmatch(r"\s*([-+]?[0-9]{1,9}(?:[.,][0-9]{1,9})?)\s*(%?)\s*", text)
    if match is None:
        return ""
    number = match[1].replace(",", ".")
    if match[2]:
        return f"; write {float(number) / 100:g}"
    return f"; write {number}" if "," in match[1] else "; remove the quotes"


def _str(value: object, _type: object = str) -> str:
    if not isinstance(value, str):
        hint = "; put it in quotes" if isinstance(value, (bool, int, float)) else ""
        raise ValueError(f"expected text, found {describe(value)}{hint}")
    return value


def _choice(value: object, choices: Sequence[object]) -> object:
    for choice in choices:
        if value == choice and type(value) is type(choice):
            return choice
    valid = ", ".join(str(choice) for choice in choices)
    near = closest(value, [str(choice) for choice in choices]) if isinstance(value, str) else None
    raise ValueError(f"must be one of {valid}" + (f"; did you mean {near}?" if near else ""))


@cache
def _converter() -> cattrs.Converter:
    """Make the strict converter: cattrs turns "false" into True and 1 into "1" by default."""
    converter = cattrs.Converter(forbid_extra_keys=True)
    for builtin, hook in ((bool, _bool), (int, _int), (float, _float), (str, _str)):
        converter.register_structure_hook(builtin, hook)
    converter.register_structure_hook_func(
        _is_literal,
        lambda value, hint: _choice(value, typing.get_args(hint)),
    )
    converter.register_structure_hook_func(_is_collection, _collection)
    return converter


def _member(value: object, hint: type[enum.Enum]) -> enum.Enum:
    """Find a member by its value, or by its name where the values are numbers."""
    values = [member.value for member in hint]
    if all(isinstance(member, int) for member in values):
        names = {member.name.casefold(): member for member in hint}
        return names[str(_choice(value, list(names)))]
    return hint(_choice(value, values))


def _is_literal(hint: Any) -> bool:
    origin: Any = typing.get_origin(hint)
    return origin is Literal


def _is_collection(hint: Any) -> bool:
    return typing.get_origin(hint) in {list, tuple, Sequence, dict, Mapping}


def _collection(value: Any, hint: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin in {dict, Mapping}:
        if not isinstance(value, Mapping):
            raise _expected("a mapping", value)
        item = typing.get_args(hint)[1]
        return {key: _item(item_value, item, str(key)) for key, item_value in value.items()}
    if not isinstance(value, (list, tuple)):
        raise _expected("a list", value)
    items = [_item(v, typing.get_args(hint)[0], f"[{i}]") for i, v in enumerate(value)]
    return items if origin is list else tuple(items)


def _item(value: Any, hint: Any, where: str) -> Any:
    try:
        return kind_of(hint).convert(value)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def kind_of(hint: Any) -> Kind:
    """Make the kind of a builtin type from its annotation."""
    hint = _without_none(hint)
    if hint is Any:
        return Kind("a value", lambda value: value)
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        parts = typing.get_args(hint)
        return Kind("a value", lambda value: _any_of(value, parts), json_schema=schema_of(hint))
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        # Not by cattrs, which takes an IntEnum for an int.
        return Kind("a value", lambda value: _member(value, hint), json_schema=schema_of(hint))
    converter = _converter()
    name, parse = _TEXT_PARSERS.get(hint, ("a value", str))
    if _is_collection(hint):
        name, parse = "a list", _parse_list
    is_mapping = typing.get_origin(hint) in {dict, Mapping}
    return Kind(
        name,
        lambda value: converter.structure(value, hint),
        parse,
        takes_mapping=is_mapping,
        json_schema=schema_of(hint),
    )


def _any_of(value: Any, hints: Sequence[Any]) -> Any:
    errors = []
    for hint in hints:
        try:
            return kind_of(hint).convert(value)
        except ValueError as error:
            errors.append(str(error))
    raise ValueError("; or ".join(errors))


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) not in {typing.Union, types.UnionType}:
        return hint
    rest = [part for part in typing.get_args(hint) if part is not type(None)]
    return rest[0] if len(rest) == 1 else typing.Union[tuple(rest)]  # noqa: UP007


def _parse_bool(text: str) -> bool:
    if text.casefold() in {"true", "false"}:
        return text.casefold() == "true"
    raise ValueError("expected true or false")


def _parse_int(text: str) -> int:
    if re.fullmatch(r"[-+]?[0-9]{1,300}", text) is None:
        raise ValueError("expected a whole number")
    return int(text)


def _parse_float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("expected a number") from None


def _parse_list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


_TEXT_PARSERS: Mapping[Any, tuple[str, Callable[[str], Any]]] = {
    bool: ("true or false", _parse_bool),
    int: ("a whole number", _parse_int),
    float: ("a number", _parse_float),
    str: ("text", str),
}


_DURATION = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(ms|s|m|h)?\s*")
_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}
_DURATION_FORMS = "seconds, or text such as 500ms, 10s or 2m"


def _duration(value: object) -> float:
    if isinstance(value, str):
        match = _DURATION.fullmatch(value)
        if match is None or match[2] is None:
            hint = f"; remove the quotes, or write {match[1]}s" if match is not None else ""
            raise ValueError(f"expected {_DURATION_FORMS}{hint}")
        value = float(match[1]) * _DURATION_UNITS[match[2]]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _expected(_DURATION_FORMS, value)
    seconds = _float(value)
    if seconds < 0:
        raise ValueError("must not be negative")
    return seconds


def _parse_duration(text: str) -> float:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"expected {_DURATION_FORMS}")
    return float(match[1]) * _DURATION_UNITS[match[2]]


def milliseconds(text: str) -> float:
    """Parse a variable that holds a whole number of milliseconds, into seconds."""
    return _parse_int(text) / 1000.0


def _headers(value: object) -> dict[str, str]:
    if isinstance(value, (list, tuple)):
        pairs = []
        for index, pair in enumerate(value):
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                hint = "; leave out the dash" if isinstance(pair, Mapping) else ""
                raise ValueError(f"[{index}]: expected a pair of name and value{hint}")
            pairs.append((pair[0], pair[1]))
    elif isinstance(value, Mapping):
        pairs = list(value.items())
    else:
        hint = "; write name: value" if isinstance(value, str) else ""
        expected = _expected("a mapping of names to values, or a list of pairs", value)
        raise ValueError(f"{expected}{hint}")
    headers = {}
    for name, content in pairs:
        if not isinstance(name, str):
            raise ValueError(f"a header's name: {_expected('text', name)}")
        if not re.fullmatch(_HEADER_NAME, name):
            raise ValueError(_bad_name(name))
        if content is None:
            raise ValueError(f"header {name}: has no value; write one, or leave the header out")
        try:
            _str(content)
        except ValueError as error:
            raise ValueError(f"header {name}: {error}") from None
        if re.search(r"[\r\n\0]", content):
            hint = "write it in one line, in quotes"
            raise ValueError(f"header {name}: its value holds a line break; {hint}")
        headers[name] = content
    return headers


_HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"


def _bad_name(name: str) -> str:
    """Say what is wrong with a header's name; what follows its colon may be a secret."""
    good = re.match(_HEADER_NAME, name)
    if good is None:
        return "a header's name is made of letters, digits and dashes"
    if name[good.end()] == ":":
        hint = "write the name, a colon, a space, the value"
        return f"header {good[0]}: its colon is part of the name; {hint}"
    return f"a header's name is made of letters, digits and dashes; change what follows {good[0]!r}"


def _parse_headers(text: str) -> dict[str, str]:
    """Parse ``name=value,name=value`` with percent-encoded values, as W3C Baggage writes them."""
    headers = {}
    for part in text.split(","):
        if not part.strip():
            continue
        name, separator, content = part.partition("=")
        if not separator:
            raise ValueError("expected name=value,name=value")
        headers[unquote(name.strip())] = unquote(content.strip())
    return headers


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        if "," in value:
            listed = ", ".join(_parse_list(value))
            raise ValueError(f"several names are a list; write [{listed}]")
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise _expected("a name, or a list of names", value)
    names = tuple(_str(item).strip() for item in value)
    if "" in names:
        raise ValueError("a name is empty")
    if len(set(names)) < len(names):
        raise ValueError("a name is given twice")
    return names


def _patterns(value: object) -> tuple[str, ...]:
    single = isinstance(value, str) and "," not in value
    if isinstance(value, str):
        value = _parse_list(value)
    if not isinstance(value, (list, tuple)):
        raise _expected("a regular expression, or a list of them", value)
    for index, pattern in enumerate(value):
        try:
            re.compile(_str(pattern))
        except re.error as error:
            which = "" if single else f"[{index}] "
            # Who writes a shell's pattern means this by its star.
            hint = "; write .* for anything" if pattern.startswith("*") else ""
            message = f"{which}is not a regular expression: {error}{hint}"
            raise ValueError(message) from None
    return tuple(value)


class Address(str):
    """A URL or ``host:port`` as it was given; its repr has no credentials."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(without_credentials(str(self)))


def _address(value: object) -> Address:
    text = _str(value).strip()
    if not text:
        raise ValueError("is empty; write a URL or host:port, or leave it out")
    return Address(text)


_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}

ADDRESS = Kind("a URL or host:port", _address, json_schema=_TEXT)
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

HEADERS = Kind(
    "headers",
    _headers,
    _parse_headers,
    takes_mapping=True,
    json_schema={
        "anyOf": [
            {"type": "object", "additionalProperties": _TEXT},
            {"type": "array", "items": {**_TEXTS, "minItems": 2, "maxItems": 2}},
        ]
    },
)
"""Header names and values, as a mapping or a list of pairs; typed as ``dict[str, str]``."""

NAMES = Kind(
    "a name or a list of names", _names, _parse_list, json_schema={"anyOf": [_TEXT, _TEXTS]}
)
"""One name or several; typed as ``tuple[str, ...]``."""

PATTERNS = Kind(
    "regular expressions", _patterns, _parse_list, json_schema={"anyOf": [_TEXT, _TEXTS]}
)
"""Comma-separated regular expressions, or a list of them; typed as ``tuple[str, ...]``."""

PEM_FILE = Kind("a PEM file", lambda value: check_pem_file(_str(value)), json_schema=_TEXT)
"""Path of a file of certificates or a key, which is there and is PEM; typed as ``str``."""
