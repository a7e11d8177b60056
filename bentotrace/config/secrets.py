"""Which values of an exporter's options must not be shown, however deep they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from bentotrace.plugin import Option
from bentotrace.redaction import (
    MASK,
    basic_credentials,
    looks_secret,
    url_secrets,
    without_credentials,
)

__all__ = ["masked", "secrets_in"]

# A number of fewer digits is a count or a port, whatever its option is called.
_FEWEST_DIGITS = 6
_USER_WORDS = ("user", "login", "account")


def secrets_in(value: Any, *, secret: bool = False) -> Iterator[str]:
    """Yield the secrets in a typed value, and the Basic credentials that are made of them.

    A secret is what :func:`~bentotrace.plugin.option` declares as one, what a key of a mapping is
    named like one, and what is one in a URL; in sections, lists and mappings of them too.

    Args:
        value: typed options, or a part of them.
        secret: whether all of it is secret.
    """
    if isinstance(value, str):
        if secret:
            yield str(value)
        if "://" in value or "@" in value:
            yield from _of_address(value)
    elif isinstance(value, bytes):
        if secret:
            yield value.decode("utf-8", "replace")
    elif isinstance(value, int) and secret and not isinstance(value, bool):
        if len(str(value)) >= _FEWEST_DIGITS:
            yield str(value)
    elif isinstance(value, Mapping):
        fields = [(str(key), item, secret or looks_secret(str(key))) for key, item in value.items()]
        yield from _of_fields(fields)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from secrets_in(item, secret=secret)
    elif attrs.has(type(value)):
        yield from _of_fields([(name, item, secret or own) for name, item, own in _fields(value)])


def masked(value: Any, *, secret: bool = False) -> Any:
    """Return what JSON has for a typed value, with ``***`` in place of what is secret.

    The keys of a mapping and empty values are shown.
    """
    if value is None or (secret and not value):
        return value
    if isinstance(value, Mapping):
        return {
            str(key): masked(item, secret=secret or looks_secret(str(key)))
            for key, item in value.items()
        }
    if secret:
        return MASK
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return [masked(item) for item in value]
    # A value that has a text of its own is that.
    if attrs.has(type(value)) and "__str__" not in vars(type(value)):
        return {name: masked(item, secret=own) for name, item, own in _fields(value)}
    return without_credentials(str(value))


def _fields(value: Any) -> Iterator[tuple[str, Any, bool]]:
    for attribute in attrs.fields(type(value)):
        yield attribute.name, getattr(value, attribute.name), Option.of(attribute).secret


def _of_fields(fields: list[tuple[str, Any, bool]]) -> Iterator[str]:
    for _, item, secret in fields:
        yield from secrets_in(item, secret=secret)
    names = [item for name, item, secret in fields if not secret and _is_user(name, item)]
    passwords = [item for _, item, secret in fields if secret and isinstance(item, str)]
    for name in names:
        for password in passwords:
            yield basic_credentials(name, password)


def _is_user(name: str, value: Any) -> bool:
    return isinstance(value, str) and any(word in name.casefold() for word in _USER_WORDS)


def _of_address(text: str) -> Iterator[str]:
    """Yield the secrets of a URL or ``user:password@host``; an e-mail address has none."""
    if "://" in text or ":" in text.partition("@")[0]:
        yield from url_secrets(text)
