"""A kind of option: how a plain value, or the text of a variable, becomes a typed one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import field, frozen

__all__ = ["Kind", "unexpected"]


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


def _describe(value: object) -> str:
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


def unexpected(what: str, value: object, hint: str = "") -> ValueError:
    """Make the error of a value that is not what was expected; it does not show the value."""
    return ValueError(f"expected {what}, found {_describe(value)}{hint}")
