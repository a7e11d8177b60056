"""The kind of an annotation: strict, where cattrs would turn "false" into True and 1 into "1".

An option of a builtin type (bool, int, float, str, ``Literal``, an enum, lists and dicts of them)
needs no kind of its own.
"""

from __future__ import annotations

import enum
import math
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from bentotrace.config.hint_schema import schema_of
from bentotrace.config.kind import Kind, unexpected
from bentotrace.config.report import closest

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["kind_of", "parse_int", "parse_list", "strict_float", "strict_str"]


def kind_of(hint: Any) -> Kind:
    """Make the kind of a builtin type from its annotation."""
    hint = _without_none(hint)
    origin = typing.get_origin(hint)
    name, parse = _TEXT_PARSERS.get(hint, ("a value", str))
    if origin in _MAPPINGS or origin in _LISTS:
        name, parse = "a list", parse_list
    return Kind(
        name,
        _conversion(hint),
        parse,
        takes_mapping=origin in _MAPPINGS,
        json_schema=schema_of(hint),
    )


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) not in {typing.Union, types.UnionType}:
        return hint
    rest = [part for part in typing.get_args(hint) if part is not type(None)]
    return rest[0] if len(rest) == 1 else typing.Union[tuple(rest)]  # noqa: UP007


def _conversion(hint: Any) -> Callable[[Any], Any]:
    """Choose what reads the plain values of an annotation."""
    if hint is Any:
        return lambda value: value
    if hint in _STRICT:
        return _STRICT[hint]
    origin: Any = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if origin is Literal:
        return lambda value: _choice(value, arguments)
    if origin in {typing.Union, types.UnionType}:
        return lambda value: _any_of(value, arguments)
    if origin in _MAPPINGS:
        return lambda value: _mapping(value, arguments[1])
    if origin in _LISTS:
        return lambda value: (list if origin is list else tuple)(_items(value, arguments[0]))
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        # Not by cattrs, which takes an IntEnum for an int.
        return lambda value: _member(value, hint)
    return lambda value: _structured(value, hint)


_MAPPINGS = {dict, Mapping}
_LISTS = {list, tuple, Sequence}


def _bool(value: object) -> bool:
    if not isinstance(value, bool):
        word = value.casefold() if isinstance(value, str) else None
        hint = "; remove the quotes" if word in {"true", "false"} else ""
        if word in _OTHER_BOOLS:
            # YAML 1.1 took these for true and false, and many still write them.
            hint = f"; write {_OTHER_BOOLS[word]}"
        raise unexpected("true or false", value, hint)
    return value


_OTHER_BOOLS: Mapping[str | None, str] = {
    **dict.fromkeys(("yes", "on"), "true"),
    **dict.fromkeys(("no", "off"), "false"),
}


def _int(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        if isinstance(value, float):
            hint = f"; write {int(value)}" if value.is_integer() else ""
            raise ValueError(f"expected a whole number, found a fraction{hint}")
        quoted = isinstance(value, str) and value.strip().isdecimal()
        hint = "; remove the quotes" if quoted else ""
        raise unexpected("a whole number", value, hint)
    return value


def strict_float(value: object) -> float:
    """Take a finite number; neither true nor text is one."""
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


def _number_hint(text: str) -> str:
    """Tell how to write a number that is text because of its quotes, comma or percent sign."""
    match = re.fullmatch(r"([-+]?[0-9]{1,9}(?:[.,][0-9]{1,9})?)\s*(%?)", text.strip())
    if match is None:
        return ""
    number = match[1].replace(",", ".")
    if match[2]:
        return f"; write {float(number) / 100:g}"
    return f"; write {number}" if "," in match[1] else "; remove the quotes"


def strict_str(value: object) -> str:
    """Take text; a number is none."""
    if not isinstance(value, str):
        hint = "; put it in quotes" if isinstance(value, (bool, int, float)) else ""
        raise unexpected("text", value, hint)
    return value


_STRICT: Mapping[Any, Callable[[Any], Any]] = {
    bool: _bool,
    int: _int,
    float: strict_float,
    str: strict_str,
}


def _choice(value: object, choices: Sequence[object]) -> object:
    for choice in choices:
        if value == choice and type(value) is type(choice):
            return choice
    valid = ", ".join(str(choice) for choice in choices)
    near = closest(value, [str(choice) for choice in choices]) if isinstance(value, str) else None
    raise ValueError(f"must be one of {valid}" + (f"; did you mean {near}?" if near else ""))


def _member(value: object, hint: type[enum.Enum]) -> enum.Enum:
    """Find a member by its value, or by its name where the values are numbers."""
    values = [member.value for member in hint]
    if all(isinstance(member, int) for member in values):
        names = {member.name.casefold(): member for member in hint}
        return names[str(_choice(value, list(names)))]
    return hint(_choice(value, values))


def _mapping(value: Any, hint: Any) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise unexpected("a mapping", value)
    return {key: _item(item, hint, str(key)) for key, item in value.items()}


def _items(value: Any, hint: Any) -> Iterator[Any]:
    if not isinstance(value, (list, tuple)):
        raise unexpected("a list", value)
    return (_item(item, hint, f"[{index}]") for index, item in enumerate(value))


def _item(value: Any, hint: Any, where: str) -> Any:
    try:
        return kind_of(hint).convert(value)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _any_of(value: Any, hints: Sequence[Any]) -> Any:
    errors = []
    for hint in hints:
        try:
            return kind_of(hint).convert(value)
        except ValueError as error:
            errors.append(str(error))
    raise ValueError("; or ".join(errors))


def _parse_bool(text: str) -> bool:
    if text.casefold() in {"true", "false"}:
        return text.casefold() == "true"
    raise ValueError("expected true or false")


def parse_int(text: str) -> int:
    """Read the text of a variable that is a whole number."""
    if re.fullmatch(r"[-+]?[0-9]{1,300}", text) is None:
        raise ValueError("expected a whole number")
    return int(text)


def _parse_float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("expected a number") from None


def parse_list(text: str) -> list[str]:
    """Read the text of a variable that is a list with commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


_TEXT_PARSERS: Mapping[Any, tuple[str, Callable[[str], Any]]] = {
    bool: ("true or false", _parse_bool),
    int: ("a whole number", parse_int),
    float: ("a number", _parse_float),
    str: ("text", str),
}


def _structured(value: Any, hint: Any) -> Any:
    """Leave any other annotation to cattrs."""
    from cattrs import BaseValidationError, transform_error

    try:
        return _converter().structure(value, hint)
    except BaseValidationError as error:
        raise ValueError("; ".join(transform_error(error))) from None


@cache
def _converter() -> Converter:
    """Make the strict converter; few plugins need it, so cattrs is imported here."""
    from cattrs import Converter

    converter = Converter(forbid_extra_keys=True)
    for builtin, convert in _STRICT.items():
        converter.register_structure_hook(builtin, _hook(convert))
    return converter


def _hook(convert: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, _hint: convert(value)
