"""The declaration of an option: its record, its variables, the range of its number."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import attrs
from attrs import field

from bentotrace.redaction import hide_named
from bentotrace.schema.kinds import Kind
from bentotrace.values import frozen

__all__ = ["Option", "Range", "Variable", "as_texts", "as_variables", "option"]

_METADATA_KEY = "bentotrace.option"


@frozen
class Variable:
    """An environment variable that overrides an option.

    Attributes:
        name: the variable's name.
        parse: converts its text (never blank) to a plain value, or raises ValueError; None uses the
            parser of the option's kind.
    """

    name: str
    parse: Callable[[str], Any] | None = None


class Option(NamedTuple):
    """The arguments of :func:`option` that are not part of the attrs field.

    Attributes:
        help: one sentence for the user.
        env: the variables that override it; the first has precedence.
        secret: whether the value is hidden in all output.
        unit: unit of the number, as "bytes".
        kind: how values are read; None for the kind of the annotation.
        old_names: deprecated names.
        deprecated: what to use instead of it; "" if it is not deprecated.
        upgrade: converts values in the form of a former version; None if there is none.
    """

    help: str
    env: tuple[Variable, ...] = ()
    secret: bool = False
    unit: str | None = None
    kind: Kind | None = None
    old_names: tuple[str, ...] = ()
    deprecated: str = ""
    upgrade: Callable[[Any], Any] | None = None

    @staticmethod
    def of(attribute: attrs.Attribute[Any]) -> Option:
        """Return the record of a field, an empty one for a field without :func:`option`."""
        found = attribute.metadata.get(_METADATA_KEY)
        return found if isinstance(found, Option) else Option(help="")


def as_variables(
    names: str | Variable | Sequence[str | Variable],
    parse: Callable[[str], Any] | None = None,
    what: str = "env",
) -> tuple[Variable, ...]:
    """Return variables, given as one or several, by name or as records.

    Args:
        names: the variables.
        parse: the parser of those given by name.
        what: the argument's name, for errors.

    Raises:
        TypeError: one is neither a name nor a record.
    """
    listed = (names,) if isinstance(names, (str, Variable)) else names
    if not isinstance(listed, (list, tuple)):
        raise TypeError(f"{what} must be the name of a variable or a list of them, not {names!r}")
    found = tuple(Variable(item, parse) if isinstance(item, str) else item for item in listed)
    for item in found:
        name = item.name if isinstance(item, Variable) else None
        if not isinstance(name, str) or not re.fullmatch(r"[^=\0\s]+", name):
            raise TypeError(f"{what} must have names of variables, not {item!r}")
    return found


def as_texts(texts: str | Sequence[str], what: str) -> tuple[str, ...]:
    """Return texts, given as one or several; raise TypeError for anything else."""
    found = (texts,) if isinstance(texts, str) else texts
    if not isinstance(found, (list, tuple)) or not all(isinstance(item, str) for item in found):
        raise TypeError(f"{what} must be text or a list of texts, not {texts!r}")
    return tuple(found)


def _repr_hidden(value: Any) -> str:
    """Format a value without the credentials of URLs and the values of secret-looking keys."""
    return repr(hide_named(value))


def option(
    *,
    help: str,  # noqa: A002 - the field's own term, as in argparse and click
    default: Any = attrs.NOTHING,
    factory: Callable[[], Any] | None = None,
    env: str | Variable | Sequence[str | Variable] = (),
    secret: bool = False,
    unit: str | None = None,
    kind: Kind | None = None,
    old_names: str | Sequence[str] = (),
    deprecated: str = "",
    upgrade: Callable[[Any], Any] | None = None,
    validator: Any = None,
) -> Any:
    """Declare one option of a schema, as a field of an attrs class.

    The field's annotation is the type: bool, int, float, str, Path, datetime, timedelta, an enum,
    ``Literal``, an attrs class, and unions, lists, tuples, sets and mappings of them. An attrs
    class is a nested section; ``X | None`` with default None is optional. The name is that of the
    argument of ``__init__``; an attribute without one (``init=False``) is not an option.

    Args:
        help: one sentence for the user.
        default: the default value; without it the option is required.
        factory: creates the default instead.
        env: the variables that override it, by name or as :class:`Variable`; the first has
            precedence.
        secret: whether the value is hidden in repr, messages and all output.
        unit: unit of the number, as "bytes"; durations are always seconds.
        kind: how values are read, such as :data:`DURATION` or :data:`HEADERS`; by default from the
            annotation.
        old_names: deprecated names: paths such as "url" or "thrift.host" from the top of its
            exporter's section, or of the block.
        deprecated: what to use instead of the option, such as "use endpoint"; each use of it is
            noted with its place.
        upgrade: returns the present form of a plain value that is in the form of a former version,
            with a note, and any other value as it is; raises ValueError.
        validator: attrs validator(s), such as :class:`Range`; each raises ValueError.
    """
    if kind is not None and not isinstance(kind, Kind):
        raise TypeError(f"kind must be a bentotrace.plugin.Kind, not {kind!r}")
    if not isinstance(deprecated, str):
        raise TypeError(f"deprecated must say in text what to use instead, not {deprecated!r}")
    if deprecated and default is attrs.NOTHING and factory is None:
        raise TypeError("an option that is deprecated needs a default, so that it can be left out")
    if upgrade is not None and not callable(upgrade):
        raise TypeError(f"upgrade must be a function, not {upgrade!r}")
    validators = validator if isinstance(validator, (list, tuple)) else [validator]
    if validator is not None and not (validators and all(map(callable, validators))):
        raise TypeError(f"validator must be a function or several, not {validator!r}")
    old = as_texts(old_names, "old_names")
    record = Option(help, as_variables(env), secret, unit, kind, old, deprecated, upgrade)
    if factory is not None:
        default = attrs.Factory(factory)
    return field(
        default=default,
        validator=validator,
        repr=_repr_hidden if not secret else False,
        kw_only=True,
        metadata={_METADATA_KEY: record},
    )


@frozen
class Range:
    """A validator of a number; accepts None.

    Attributes:
        low: the minimum.
        high: the maximum.
        above: the exclusive minimum.
    """

    low: float | None = None
    high: float | None = None
    above: float | None = field(default=None, kw_only=True)

    def __call__(self, _instance: object, _attribute: object, value: float | None) -> None:
        """Raise ValueError for a number outside of the range."""
        if value is not None and not (
            (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
        ):
            raise ValueError(self.reason(value))

    def reason(self, value: float) -> str:
        """Return the message for a number outside of the range."""
        if self.low is not None and self.high is not None:
            return f"must be between {self.low} and {self.high}"
        words = {"at least": self.low, "at most": self.high, "more than": self.above}
        found = [f"{word} {bound}" for word, bound in words.items() if bound is not None]
        return f"must be {' and '.join(found)}"

    @property
    def json_schema(self) -> Mapping[str, float]:
        """The range as keywords of JSON Schema."""
        words = {"minimum": self.low, "maximum": self.high, "exclusiveMinimum": self.above}
        return {word: bound for word, bound in words.items() if bound is not None}
