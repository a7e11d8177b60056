"""The words under which the store's index finds a span."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from zlib import crc32

from bentotrace.ui.model import ERROR, KINDS, OK, UNSET, Span
from bentotrace.ui.values import as_text

__all__ = ["attribute_term", "duration_terms", "index_text", "source_term", "term"]

_MAX_VALUE = 400
_MAX_TEXT = 4000
_DURATION_BITS = 63


def term(kind: str, value: object) -> str:
    """Return one word for a kind of fact and its value; two facts may share a word."""
    return f"qz{crc32(f'{kind}={value}'.encode('utf-8', 'replace')):08x}"


def attribute_term(key: str, value: object) -> str:
    """Return the word of an attribute, whose value is compared as text."""
    return term(f"a:{key}", as_text(value))


def source_term(source_id: int) -> str:
    """Return the word that all spans of one source share."""
    return f"qs{source_id}"


def duration_terms(low: int, high: int | None) -> list[str]:
    """Return the words of all durations, powers of two, that the range touches."""
    last = _DURATION_BITS if high is None else high.bit_length()
    return [f"qd{bits}" for bits in range(low.bit_length(), last + 1)]


def index_text(span: Span) -> str:
    """Return the text of a span for the full-text index: its facts as words, then its text."""
    words = [
        _name_term("o", span.name),
        _STATUS_TERMS[span.status],
        _KIND_TERMS[span.kind],
        f"qd{span.duration.bit_length()}",
    ]
    texts = [span.name, span.status_message]
    if span.status_message:
        words.append(attribute_term("error", span.status_message))
    _add(span.attributes, words, texts)
    for event in span.events:
        texts.append(event.name)
        words.append(_name_term("v", event.name))
        _add(event.attributes, words, texts)
    return " ".join(words) + " " + " ".join(texts)[:_MAX_TEXT]


def _name_term(kind: str, name: str) -> str:
    return _known_term(kind, name) if len(name) <= _KNOWN_LENGTH else term(kind, name)


_known_term = lru_cache(2_000)(term)
_KIND_TERMS = [term("k", kind) for kind in range(len(KINDS))]
_STATUS_TERMS = [term("e", status) for status in (UNSET, OK, ERROR)]
_known: dict[tuple[str, Any], str] = {}
_KNOWN_LIMIT = 20_000
_KNOWN_LENGTH = 200


def _add(attributes: Mapping[str, Any], words: list[str], texts: list[str]) -> None:
    for key, value in attributes.items():
        if isinstance(value, str):
            if len(value) > _KNOWN_LENGTH:
                words.append(attribute_term(key, value))
                texts.append(value[:_MAX_VALUE])
                continue
            texts.append(value)
        else:
            value = str(value) if type(value) is int else as_text(value)
            if len(value) > _KNOWN_LENGTH:
                words.append(attribute_term(key, value))
                continue
        word = _known.get((key, value))
        if word is None:
            word = attribute_term(key, value)
            if len(_known) >= _KNOWN_LIMIT:
                _known.clear()
            _known[(key, value)] = word
        words.append(word)
