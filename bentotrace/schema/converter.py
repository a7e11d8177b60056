"""The strict cattrs converter that structures the options.

By default, cattrs turns "false" into True, 1 into "1" and text into a list of letters.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin

import attrs
from cattrs import BaseValidationError, Converter, ForbiddenExtraKeysError, IterableValidationNote
from cattrs.errors import AttributeValidationNote
from cattrs.gen import make_dict_structure_fn, override

from bentotrace.exceptions import OptionError
from bentotrace.problems import Path as Where
from bentotrace.problems import closest
from bentotrace.schema.annotations import LISTS, MAPPINGS, UNIONS, choices_of, split
from bentotrace.schema.kinds import (
    DURATION,
    PartError,
    Supplied,
    parse_int,
    parse_list,
    strict_float,
    strict_str,
    unexpected,
)
from bentotrace.schema.secrets import redaction_of

__all__ = ["class_hook", "strict_converter", "structure"]

_Read = Callable[[Any], Any]
_Hook = Callable[[Any, Any], Any]


def strict_converter() -> Converter:
    """Return a converter that refuses text for a number, a number for text, and so on."""
    converter = Converter(detailed_validation=True, forbid_extra_keys=True)
    for builtin in (*_SCALARS, enum.Enum):
        converter.register_structure_hook(builtin, _scalar)

    # cattrs' own hooks walk lists and mappings, and pass each item to the strict ones.
    items = Converter(detailed_validation=True)

    def register(
        registry: Converter, origins: Sequence[Any], factory: Callable[[Any], _Read]
    ) -> None:
        registry.register_structure_hook_factory(
            lambda hint: (get_origin(hint) or hint) in origins, lambda hint: _hook(factory(hint))
        )

    def strict(hint: Any) -> _Read:
        return lambda value: converter.structure(value, hint.__origin__)

    register(items, [Annotated], strict)
    register(converter, [Annotated], strict)
    register(converter, [Any], lambda _: _plain)
    register(converter, [Literal], lambda hint: lambda value: _choice(value, choices_of(hint)))
    register(converter, UNIONS, lambda hint: _any_of(converter, hint))
    register(converter, MAPPINGS, lambda hint: _mapping(items, hint))
    register(converter, [*LISTS], lambda hint: _list(items, hint))
    return converter


def structure(converter: Converter, value: Any, hint: Any) -> Any:
    """Convert a plain value to the type of an annotation.

    A :class:`Supplied` is parsed as the text of a variable.

    Raises:
        PartError: parts of the value are wrong.
        ValueError: the value is wrong.
    """
    try:
        return converter.structure(value, hint)
    except BaseValidationError as error:
        raise PartError(_parts(error)) from None


def _parts(error: BaseValidationError) -> Iterator[tuple[Where, str]]:
    """Map the errors of cattrs to paths and messages; raise one that is not about a value."""
    known = isinstance(error.cl, type) and attrs.has(error.cl)
    fields = attrs.fields(error.cl) if known else ()
    names = {item.name: str(item.alias) for item in fields if item.init}
    for found in error.exceptions:
        step = _step(found, names)
        if isinstance(found, BaseValidationError):
            yield from (((*step, *path), message) for path, message in _parts(found))
        elif isinstance(found, PartError):
            yield from (((*step, *path), message) for path, message in found.parts)
        elif isinstance(found, OptionError):
            yield (*step, *found.option.split(".")), found.reason
        elif isinstance(found, ForbiddenExtraKeysError):
            for key in sorted(found.extra_fields):
                yield (*step, key), _unknown(key, list(names.values()))
        elif isinstance(found, KeyError) and step and found.args == step:
            yield step, "is required but missing"
        elif isinstance(found, ValueError) or (isinstance(found, TypeError) and step):
            yield step, str(found)
        else:
            raise found


def _step(error: BaseException, names: Mapping[str, str]) -> Where:
    """Return the index, key or name of a value in its container, from the notes of cattrs."""
    for note in reversed(getattr(error, "__notes__", ())):
        if isinstance(note, IterableValidationNote):
            return (note.index if isinstance(note.index, int) else str(note.index),)
        if isinstance(note, AttributeValidationNote):
            return (names.get(note.name, note.name),)
    return ()


def _unknown(key: str, valid: Sequence[str]) -> str:
    near = closest(key, valid)
    return f"unknown option; {f'did you mean {near}?' if near else 'valid are ' + ', '.join(valid)}"


def class_hook(
    converter: Converter,
    cls: type,
    members: Mapping[str, tuple[str, _Read | None]],
    secret: Collection[str],
) -> _Hook:
    """Return the hook that structures an attrs class from a mapping.

    Args:
        converter: the strict converter.
        cls: the class.
        members: by attribute, the name in a mapping, and the function that checks a value, or None
            for a section; other attributes are not options.
        secret: names of the options whose values are secret.
    """
    overrides = {item.name: override(omit=True) for item in attrs.fields(cls)}
    for attribute, (name, check) in members.items():
        overrides[attribute] = override(rename=name, struct_hook=check and _hook(check))
    make: Any = make_dict_structure_fn
    read = make(cls, converter, _cattrs_forbid_extra_keys=True, **overrides)

    def structure_class(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise unexpected("a mapping of options", value)
        options = {key: item for key, item in value.items() if item is not None}
        try:
            return read(options, cls)
        except BaseValidationError as error:
            redact = redaction_of(options, secret).redact
            raise PartError((path, redact(message)) for path, message in _parts(error)) from None

    return _hook(structure_class)


def _hook(read: _Read) -> _Hook:
    return lambda value, _hint: read(value)


def _any_of(converter: Converter, hint: Any) -> _Read:
    members = [part for part in split(hint)[1] if part is not type(None)]
    optional = len(members) < len(split(hint)[1])

    def read(value: Any) -> Any:
        if value is None and optional:
            return None
        if len(members) == 1:
            return converter.structure(value, members[0])
        # Any variable is valid text, so str is tried last.
        texts = isinstance(value, Supplied)
        errors = []
        for member in sorted(members, key=lambda member: texts and member is str):
            try:
                return structure(converter, value, member)
            except ValueError as error:
                errors.append(str(error))
        raise ValueError("; or ".join(errors))

    return read


def _mapping(items: Converter, hint: Any) -> _Read:
    key, item = split(hint)[1]
    hint = dict[_mark_strict(key), _mark_strict(item)]  # type: ignore[misc]

    def structure_mapping(value: Any) -> Any:
        if isinstance(value, Supplied):
            pairs = [part.partition("=") for part in parse_list(value)]
            if not all(separator for _, separator, _ in pairs):
                raise ValueError("expected name=value,name=value")
            value = {name.strip(): Supplied(text.strip()) for name, _, text in pairs}
        if not isinstance(value, Mapping):
            raise unexpected("a mapping", value)
        if key not in {Any, str}:
            # All keys of a file are text.
            value = {Supplied(k) if isinstance(k, str) else k: v for k, v in value.items()}
        return items.structure(value, hint)

    return structure_mapping


def _list(items: Converter, hint: Any) -> _Read:
    origin, arguments = split(hint)
    cls: Any = LISTS[origin]
    fixed = origin is tuple and arguments[-1] is not ...
    wrapped = tuple(map(_mark_strict, arguments[: len(arguments) if fixed else 1]))
    hint = cls[wrapped if fixed or cls is not tuple else (*wrapped, ...)]

    def structure_list(value: Any) -> Any:
        if isinstance(value, Supplied):
            value = [Supplied(part) for part in parse_list(value)]
        if not isinstance(value, (list, tuple, set, frozenset)):
            raise unexpected("a list", value)
        if fixed and len(value) != len(arguments):
            raise ValueError(f"expected a list of {len(arguments)} values, found {len(value)}")
        return items.structure(value, hint)

    return structure_list


def _mark_strict(hint: Any) -> Any:
    """Mark an annotation, so that the converter of containers passes it to the strict one."""
    return Annotated[hint, "strict"]


def _scalar(value: Any, cls: Any) -> Any:
    if issubclass(cls, enum.Enum):
        return value if isinstance(value, cls) else _choice(value, choices_of(cls))
    base = next(known for known in _SCALARS if issubclass(cls, known))
    typed = _SCALARS[base](value)
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


def _plain(value: Any) -> Any:
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


_SCALARS: Mapping[type, _Read] = {
    bool: _bool,
    int: _int,
    float: _float,
    str: lambda value: _plain(strict_str(value)),
    Path: lambda value: value if isinstance(value, Path) else Path(strict_str(value)),
    datetime: _datetime,
    timedelta: _timedelta,
}


def _choice(value: object, choices: Sequence[tuple[Any, Any]]) -> Any:
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
