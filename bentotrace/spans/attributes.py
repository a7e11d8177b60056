"""Attributes as the SDK keeps them, in a plain dict where nothing has to be cleaned."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from opentelemetry.attributes import BoundedAttributes

__all__ = ["clean", "copy_plain", "plain_value"]


def _cleaned(value: Any) -> Any:
    return BoundedAttributes(attributes={"key": value}, immutable=False).get("key")


def _is_unchanged(value: Any) -> bool:
    return _cleaned(value) is value


def _freezes(item: Any) -> bool:
    """Return whether a list and a tuple of an item become a tuple of the same item."""
    cleaned = [_cleaned([item, item]), _cleaned((item, item))]
    return all(
        type(items) is tuple and len(items) == 2 and items[0] is items[1] is item
        for items in cleaned
    )


# The exact types of values that the installed SDK keeps unchanged, apart from long text.
_PLAIN_TYPES = frozenset(
    type(value) for value in (True, 1, 1.5, "text", b"bytes") if _is_unchanged(value)
)
# The exact types that it keeps unchanged in a list of one type.
_ITEM_TYPES = {type(item) for item in (True, 1, 1.5, "text") if _freezes(item)}
_TEXT = frozenset([str])
_MAPPINGS = (dict, MappingProxyType)


def copy_plain(
    attributes: object, max_count: int | None, max_length: int | None
) -> dict[str, Any] | None:
    """Copy attributes that the SDK would keep, lists as tuples; return None if there are others.

    Args:
        attributes: keys and values of any type.
        max_count: the maximum number of attributes; None for no limit.
        max_length: the maximum number of characters of a text; None for no limit.
    """
    if type(attributes) not in _MAPPINGS:
        return None
    plain = attributes.copy()  # type: ignore[attr-defined]
    if (
        type(plain) is not dict
        # Set operations over map() run in C.
        or not _TEXT.issuperset(map(type, plain))
        or not (
            _PLAIN_TYPES.issuperset(map(type, plain.values())) or _freeze_lists(plain, max_length)
        )
        or "" in plain
        or (max_count is not None and len(plain) > max_count)
    ):
        return None
    if max_length is not None:
        for value in plain.values():
            if type(value) is str and len(value) > max_length:
                return None
    return plain


def plain_value(key: object, value: Any, max_length: int | None) -> Any:
    """Return the value that the SDK would keep of an attribute; None if it has to be cleaned."""
    if type(key) is not str or key == "":
        return None
    kind = type(value)
    if kind not in _PLAIN_TYPES:
        return _freeze(value, max_length)
    too_long = max_length is not None and kind is str and len(value) > max_length
    return None if too_long else value


def _freeze_lists(plain: dict[str, Any], max_length: int | None) -> bool:
    """Replace lists by tuples; return whether all values are plain then."""
    for key, value in plain.items():
        if type(value) not in _PLAIN_TYPES:
            frozen = plain[key] = _freeze(value, max_length)
            if frozen is None:
                return False
    return True


def _freeze(value: Any, max_length: int | None) -> tuple[Any, ...] | None:
    """Return the tuple that the SDK makes of a list or tuple of one plain type; None if of more."""
    if type(value) is not list and type(value) is not tuple:
        return None
    # Another thread may change the list meanwhile.
    items = tuple(value)
    kinds = set(map(type, items))
    if len(kinds) != 1 or not kinds <= _ITEM_TYPES:
        return None
    if max_length is not None and str in kinds and max(map(len, items)) > max_length:
        return None
    return items


def clean(
    attributes: Mapping[str, Any] | None, max_count: int | None, max_length: int | None
) -> BoundedAttributes:
    """Return attributes as the SDK cleans them."""
    return BoundedAttributes(max_count, attributes, immutable=False, max_value_len=max_length)
