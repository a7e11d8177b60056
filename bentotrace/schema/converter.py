"""The strict cattrs converter that structures the options.

By default, cattrs turns "false" into True, 1 into "1" and text into a list of letters.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
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
    PartError,
    Supplied,
    parse_list,
    unexpected,
)
from bentotrace.schema.scalars import SCALARS, read_any, read_choice, read_scalar
from bentotrace.schema.secrets import redaction_of

__all__ = ["class_hook", "strict_converter", "structure"]

_Read = Callable[[Any], Any]
_Hook = Callable[[Any, Any], Any]


def strict_converter() -> Converter:
    """Return a converter that refuses text for a number, a number for text, and so on."""
    converter = Converter(detailed_validation=True, forbid_extra_keys=True)
    for builtin in SCALARS:
        converter.register_structure_hook(builtin, read_scalar)

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
    register(converter, [Any], lambda _: read_any)
    register(converter, [Literal], lambda hint: partial(read_choice, choices=choices_of(hint)))
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
    hint = dict[_back(key), _back(item)]  # type: ignore[misc]

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
    wrapped = tuple(map(_back, arguments[: len(arguments) if fixed else 1]))
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


def _back(hint: Any) -> Any:
    """Mark an annotation, so that the converter of containers passes it to the strict one."""
    return Annotated[hint, "strict"]
