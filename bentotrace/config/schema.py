"""An attrs class of options, read into a tree that every other stage walks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import attrs

from bentotrace.config.hint_kind import kind_of
from bentotrace.config.kind import Kind
from bentotrace.config.report import PartError
from bentotrace.config.secrets import secrets_in
from bentotrace.config.supply import Supplied
from bentotrace.plugin import Option
from bentotrace.redaction import Redaction

__all__ = ["Leaf", "Section", "section_of"]


class Leaf(NamedTuple):
    """One option.

    Attributes:
        name: its name in its section.
        attribute: the attrs field.
        record: what :func:`bentotrace.plugin.option` was told.
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
    def default(self) -> Any:
        """Its default; None for a required option."""
        if self.required:
            return None
        default: Any = self.attribute.default
        return default.factory() if hasattr(default, "factory") else default

    def check(self, value: Any) -> Any:
        """Read a plain value.

        Raises:
            ValueError: with what is wrong, and what is valid.
        """
        if isinstance(value, Supplied):
            value = self.kind.parse(value)
        try:
            typed = self.kind.convert(value)
            if self.attribute.validator is not None:
                self.attribute.validator(None, self.attribute, typed)
        except PartError:
            raise
        except (TypeError, ValueError) as error:
            raise ValueError(self._reason(error, value)) from None
        return typed

    def _reason(self, error: Exception, value: Any) -> str:
        # Validators of attrs put the attribute and the value behind the message, and into it.
        reason = str(error.args[0]) if error.args else "is not valid"
        redacted = Redaction(secrets_in(value, secret=self.record.secret)).redact(reason)
        whole = isinstance(value, str) and value in reason
        if self.record.secret and (whole or redacted != reason):
            return "is not valid; why is not shown, since that holds the value"
        return redacted


class Section(NamedTuple):
    """A mapping of options: one attrs class.

    Attributes:
        name: its name in the section above.
        cls: the attrs class.
        help: one sentence for the user.
        children: its options and sections, in the order of the class.
    """

    name: str
    cls: type
    help: str
    children: tuple[Leaf | Section, ...]

    def child(self, name: str) -> Leaf | Section | None:
        """Find an option or a section by its name."""
        return next((child for child in self.children if child.name == name), None)

    def leaves(self, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Leaf]]:
        """Walk every option below, with its path."""
        for child in self.children:
            here = (*path, child.name)
            if isinstance(child, Section):
                yield from child.leaves(here)
            else:
                yield here, child


@cache
def section_of(cls: type, name: str = "", help: str = "") -> Section:  # noqa: A002
    """Read an attrs class; nested attrs classes become sections.

    Raises:
        TypeError: when it is no attrs class, or an annotation cannot be resolved.
    """
    if not attrs.has(cls):
        raise TypeError(f"{cls!r} is not an attrs class")
    try:
        attrs.resolve_types(cls)
    except NameError as error:
        reason = f"an annotation of {cls.__qualname__} cannot be resolved: {error}"
        raise TypeError(reason) from None
    return Section(name, cls, help, tuple(_child(item) for item in attrs.fields(cls)))


def _child(attribute: attrs.Attribute[Any]) -> Leaf | Section:
    record = Option.of(attribute)
    hint = attribute.type if attribute.type is not None else Any
    if isinstance(hint, type) and attrs.has(hint):
        return section_of(hint, attribute.name, record.help)
    return Leaf(attribute.name, attribute, record, record.kind or kind_of(hint))
