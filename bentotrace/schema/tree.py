"""The tree of options and sections of an attrs class, which every other stage walks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from bentotrace.redaction import Redaction
from bentotrace.schema.annotations import (
    describe,
    holds_class,
    name_of,
    takes_mapping,
    without_none,
)
from bentotrace.schema.kinds import Kind, PartError, Supplied
from bentotrace.schema.option import Option, Range
from bentotrace.schema.secrets import secrets_in

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["Leaf", "Section", "holds_secrets", "kind_of", "section_of"]


class Leaf(NamedTuple):
    """One option.

    Attributes:
        name: its name in its section.
        attribute: the attrs field.
        record: the arguments of :func:`bentotrace.plugin.option`.
        kind: how its values are read.
    """

    name: str
    attribute: attrs.Attribute[Any]
    record: Option
    kind: Kind

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.attribute.default is attrs.NOTHING

    @property
    def computed(self) -> bool:
        """Whether its default is computed from other options."""
        return getattr(self.attribute.default, "takes_self", False) is True

    @property
    def default(self) -> Any:
        """Its default; None for a required option and a computed default."""
        if self.required or self.computed:
            return None
        default: Any = self.attribute.default
        return default.factory() if hasattr(default, "factory") else default

    @property
    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of its plain values, including the range of numbers."""
        schema = dict(self.kind.json_schema)
        validator = self.attribute.validator
        if not schema or not isinstance(validator, Range):
            return schema
        bounds = validator.json_schema
        return {
            "anyOf": [
                {**found, **bounds} if found.get("type") in {"integer", "number"} else found
                for found in (schema["anyOf"] if list(schema) == ["anyOf"] else [schema])
            ]
        }

    def check(self, value: Any) -> Any:
        """Convert a plain value to a valid typed one.

        Raises:
            PartError: parts of the value are wrong.
            ValueError: the value is wrong.
        """
        if isinstance(value, Supplied):
            value = self.kind.parse(value)
        typed = None
        try:
            typed = self.kind.convert(value)
            if self.attribute.validator is not None:
                self.attribute.validator(None, self.attribute, typed)
        except PartError as error:
            parts = [(path, self._redacted(message, value, typed)) for path, message in error.parts]
            raise PartError(parts) from None
        except (TypeError, ValueError) as error:
            # The validators of attrs add the attribute and the value to the arguments.
            reason = str(error.args[0]) if error.args else "is not valid"
            raise ValueError(self._redacted(reason, value, typed)) from None
        return typed

    def _redacted(self, reason: str, value: Any, typed: Any) -> str:
        # The validators of attrs put the value into the message, too.
        secret = self.record.secret
        found = (*secrets_in(value, secret=secret), *secrets_in(typed, secret=secret))
        redacted = Redaction(found).redact(reason)
        whole = isinstance(value, str) and value in reason
        if self.record.secret and (whole or redacted != reason):
            return "is not valid; the reason is hidden because it contains the value"
        return redacted


class Section(NamedTuple):
    """A mapping of options, from one attrs class.

    Attributes:
        name: its name in the section above.
        cls: the attrs class.
        help: one sentence for the user.
        children: its options and sections, in the order of the class.
        whole: the section as one option of the section above; None at the top.
        optional: whether that option has its default as long as nothing in the section is set.
    """

    name: str
    cls: type
    help: str
    children: tuple[Leaf | Section, ...]
    whole: Leaf | None = None
    optional: bool = False

    def child(self, name: str) -> Leaf | Section | None:
        """Return an option or a section by its name."""
        return next((child for child in self.children if child.name == name), None)

    @property
    def secret(self) -> set[str]:
        """The names of its options that are secret."""
        leaves = (child for child in self.children if isinstance(child, Leaf))
        return {leaf.name for leaf in leaves if leaf.record.secret}

    def leaves(self, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Leaf]]:
        """Yield every option below with its path."""
        for child in self.children:
            here = (*path, child.name)
            if isinstance(child, Section):
                yield from child.leaves(here)
            else:
                yield here, child


def holds_secrets(section: Section) -> bool:
    """Return whether an option may hold a secret: one declared so, a mapping or a class."""
    return any(
        leaf.record.secret or leaf.kind.takes_mapping or holds_class(leaf.attribute.type)
        for _, leaf in section.leaves()
    )


def kind_of(hint: Any, above: tuple[type, ...] = ()) -> Kind:
    """Create the kind of an annotation, in which the classes above it may not appear.

    Raises:
        TypeError: a file cannot hold a value of it.
    """
    return Kind(
        name_of(hint),
        lambda value: _structure(value, hint),
        Supplied,
        takes_mapping=takes_mapping(hint),
        json_schema=describe(hint, partial(_describe_items, above=above)),
    )


def _structure(value: Any, hint: Any) -> Any:
    # cattrs is slow to import.
    from bentotrace.schema.converter import structure

    return structure(_converter(), value, hint)


@cache
def _converter() -> Converter:
    from bentotrace.schema.converter import class_hook, strict_converter

    converter = strict_converter()

    def factory(cls: type) -> Any:
        section = section_of(cls)
        children = zip(_options(cls), section.children, strict=True)
        members = {
            attribute.name: (child.name, child.check if isinstance(child, Leaf) else None)
            for attribute, child in children
        }
        return class_hook(converter, cls, members, section.secret)

    converter.register_structure_hook_factory(attrs.has, factory)
    return converter


_WHOLE = Kind("a section", lambda value: value, takes_mapping=True)


class _UnreadableError(TypeError):
    """The type of an option cannot be read."""

    def __init__(self, path: tuple[str, ...], reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"option {'.'.join(path)}: {reason}")


@cache
def section_of(cls: type, above: tuple[type, ...] = ()) -> Section:
    """Build the tree of an attrs class, in which the classes above it may not appear.

    Raises:
        TypeError: it is not an attrs class, or the type of an option cannot be read.
    """
    if not attrs.has(cls):
        raise TypeError(f"{cls!r} is not an attrs class")
    if cls in above:
        raise TypeError(f"{cls.__qualname__} contains itself")
    try:
        attrs.resolve_types(cls)
    except NameError as error:
        reason = f"an annotation of {cls.__qualname__} cannot be resolved: {error}"
        raise TypeError(reason) from None
    within = (*above, cls)
    return Section("", cls, "", tuple(_child(item, within) for item in _options(cls)))


def _options(cls: type) -> list[attrs.Attribute[Any]]:
    return [attribute for attribute in attrs.fields(cls) if attribute.init]


def _child(attribute: attrs.Attribute[Any], above: tuple[type, ...]) -> Leaf | Section:
    name = str(attribute.alias)
    record = Option.of(attribute)
    hint = attribute.type if attribute.type is not None else Any
    try:
        cls = without_none(hint)
        if record.kind is None and isinstance(cls, type) and attrs.has(cls):
            if record.env or record.secret:
                raise TypeError("is a section; move env and secret to its options")
            return section_of(cls, above)._replace(
                name=name,
                help=record.help,
                whole=Leaf(name, attribute, record, _WHOLE),
                optional=cls is not hint,
            )
        kind = record.kind or kind_of(hint, above)
        if kind is not record.kind and holds_class(hint):
            for variable in record.env:
                if variable.parse is None:
                    raise TypeError(f"{variable.name} cannot hold a section without a parse=")
    except _UnreadableError as error:
        raise _UnreadableError((name, *error.path), error.reason) from None
    except TypeError as error:
        raise _UnreadableError((name,), str(error)) from None
    return Leaf(name, attribute, record, kind)


def _describe_items(cls: type, above: tuple[type, ...]) -> dict[str, Any]:
    """Describe a class in a list or a mapping; raise TypeError for what works in sections only."""
    section = section_of(cls, above)
    for path, leaf in section.leaves():
        record = leaf.record
        if record.env or record.old_names or record.deprecated or record.upgrade:
            reason = "cannot have env, old_names, deprecated or upgrade in a list or a mapping"
            raise _UnreadableError(path, reason)
        if leaf.name in {"env", "file"}:
            raise _UnreadableError(path, "would be read as a reference; rename it")
        if leaf.name != leaf.attribute.name.removeprefix("_"):
            raise _UnreadableError(path, "cannot have an alias in a list or a mapping")
    return _describe_object(section)


def _describe_object(section: Section) -> dict[str, Any]:
    required = [leaf.name for leaf in section.children if isinstance(leaf, Leaf) and leaf.required]
    return {
        "type": "object",
        "properties": {
            child.name: _describe_object(child) if isinstance(child, Section) else child.json_schema
            for child in section.children
        },
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }
