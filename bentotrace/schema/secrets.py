"""Find and mask the secret values in an exporter's options, at any depth."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs

from bentotrace.redaction import (
    MASK,
    Redaction,
    basic_credentials,
    looks_secret,
    mask_pair,
    secret_keys,
    split_pair,
    url_secrets,
    without_credentials,
)
from bentotrace.schema.annotations import choices_of
from bentotrace.schema.option import Option

__all__ = ["masked", "redaction_of", "secrets_in"]

# A number with fewer digits is a count or a port, not a secret.
_FEWEST_DIGITS = 6
_USER_WORDS = ("user", "login", "account")


def secrets_in(value: Any, *, secret: bool = False) -> Iterator[str]:
    """Yield the secrets in a typed value, and the Basic credentials that they form.

    Secret are options declared so, values with a secret-looking key or name, and credentials in
    URLs, in nested sections, lists and mappings too; with ``secret``, the whole value.
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
        hidden = secret_keys(value, lambda name: secret or looks_secret(name))
        yield from _of_fields([(str(key), item, key in hidden) for key, item in value.items()])
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            pair = split_pair(item)
            # Of a list of secrets, a text is one as a whole.
            if pair is not None and not (secret and isinstance(item, str)):
                yield from secrets_in(dict([pair]), secret=secret)
            else:
                yield from secrets_in(item, secret=secret)
    elif attrs.has(type(value)):
        yield from _of_fields(_fields(value, secret=secret))


def redaction_of(values: Mapping[str, Any], secret: Collection[str]) -> Redaction:
    """Return the redaction of a section's values, of which those named in ``secret`` are secret."""
    return Redaction(
        found for name, item in values.items() for found in secrets_in(item, secret=name in secret)
    )


def masked(value: Any, *, secret: bool = False) -> Any:
    """Return the plain form of a typed value, with ``***`` for secrets.

    The keys of a mapping and empty values are not masked.
    """
    if value is None or (secret and not value):
        return value
    if isinstance(value, Mapping):
        hidden = secret_keys(value, lambda name: secret or looks_secret(name))
        return {str(key): masked(item, secret=key in hidden) for key, item in value.items()}
    if secret:
        return MASK
    if isinstance(value, enum.Enum):
        choices = choices_of(type(value))
        return masked(next(written for written, member in choices if member is value))
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        return [mask_pair(item) or masked(item) for item in value]
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    if isinstance(value, datetime):
        return value.isoformat()
    if attrs.has(type(value)) and "__str__" not in vars(type(value)):
        return {name: masked(item, secret=own) for name, item, own in _fields(value)}
    return without_credentials(str(value))


def _fields(value: Any, *, secret: bool = False) -> list[tuple[str, Any, bool]]:
    """Return name, value, and whether it is secret, of each option of a section."""
    found = [attribute for attribute in attrs.fields(type(value)) if attribute.init]
    values = {str(each.alias): getattr(value, each.name) for each in found}
    declared = {str(each.alias) for each in found if Option.of(each).secret}
    hidden = declared | secret_keys(values, lambda _name: secret)
    return [(name, item, name in hidden) for name, item in values.items()]


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
    """Yield the secrets of a URL or ``user:password@host``, but not of an e-mail address."""
    if "://" in text or ":" in text.partition("@")[0]:
        yield from url_secrets(text)
