"""Completion of the search field: keys, and values that spans have."""

from __future__ import annotations

import json
from collections.abc import Iterable

from bentotrace.ui.model import KINDS
from bentotrace.ui.store import Store

__all__ = ["suggest_words"]

_MOST = 50
_SAMPLE = 400
_REACH = 100_000
_LONGEST = 200
_KEYS = ("service:", "operation:", "kind:", "status:", "duration>", "trace.duration>", "trace:")
_FIXED = {"kind": KINDS[1:], "status": ("unset", "ok", "error"), "trace": ()}
_COLUMNS = {"service": "service", "operation": "name"}


def suggest_words(store: Store, key: str, prefix: str) -> list[str]:
    """Return the values of a key that contain a text, or for the key "" the keys themselves.

    Attributes are those of a sample of the newest spans.
    """
    column = _COLUMNS.get(key)
    if column is not None:
        with store.read() as connection:
            rows = connection.execute(
                f"SELECT DISTINCT {column} FROM operations "
                f"WHERE instr(lower({column}), lower(?)) ORDER BY {column} LIMIT ?",
                (prefix, _MOST),
            )
            return [value for (value,) in rows]
    if key in _FIXED:
        return _matching(_FIXED[key], prefix)
    attributes = _read_attributes(store)
    if key:
        return _matching(sorted(attributes.get(key, ())), prefix)
    return _matching((*_KEYS, *(f"{name}=" for name in sorted(attributes))), prefix)


def _matching(words: Iterable[str], prefix: str) -> list[str]:
    """Return the words that begin with a text, then those that contain it."""
    wanted = prefix.casefold()
    found = [word for word in words if wanted in word.casefold()]
    return sorted(found, key=lambda word: not word.casefold().startswith(wanted))[:_MOST]


def _read_attributes(store: Store) -> dict[str, set[str]]:
    """Return the attributes of some newer spans and resources, with their values as text."""
    with store.read() as connection:
        (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM spans").fetchone()
        newest = range(last, max(last - _SAMPLE, 0), -1)
        spread = range(last, max(last - _REACH, 0), -max(min(last, _REACH) // _SAMPLE, 1))
        numbers = json.dumps([*newest, *spread])
        details = connection.execute(
            "SELECT detail FROM spans WHERE id IN (SELECT value FROM json_each(?)) "
            "AND length(detail) < 20000",
            (numbers,),
        ).fetchall()
        sources = connection.execute(
            "SELECT service, content FROM sources ORDER BY id DESC LIMIT ?", (_SAMPLE,)
        ).fetchall()
    found: dict[str, set[str]] = {}
    texts = [text for (text,) in details]
    texts += [content[len(service) + 1 :] for service, content in sources]
    for text in texts:
        for key, value in json.loads(text)[0].items():
            # A key with one of these characters cannot be written in a query.
            if (
                len(key) > _LONGEST
                or isinstance(value, dict | list)
                or set(key) & set(' \t\n"=<>!:')
            ):
                continue
            values = found.setdefault(key, set())
            shown = str(value).lower() if isinstance(value, bool) else str(value)
            if len(shown) <= _LONGEST:
                values.add(shown)
    return found
