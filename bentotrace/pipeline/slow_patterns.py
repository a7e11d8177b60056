"""Finding regular expressions that a client can make slow by its choice of a URL."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any

from bentotrace.pipeline.urls import LONGEST_URL, URLPatterns

__all__ = ["is_slow"]

_SLOW_SECONDS = 0.02
# Characters that one part of a pattern may take, or another, or none.
_USUAL = "a0A/-_. %=&?:"
_TAILS = ("\0", "//")
_MOST_TEXTS = 200


def is_slow(pattern: str) -> bool:
    """Return whether some URL makes matching block all threads of a service noticeably.

    URLs are made of what the pattern repeats. They grow until matching is slow, so that a pattern
    whose cost doubles with each character is found before it takes long.
    """
    patterns = URLPatterns([pattern])
    for start, unit in dict.fromkeys(_repeated(pattern)):
        for tail in _TAILS:
            count = 1
            while len(start) + count * len(unit) < LONGEST_URL:
                if _cost(patterns, start + unit * count + tail) > _SLOW_SECONDS:
                    return True
                count += count // 2 if count > 30 else 1
    return False


def _cost(patterns: URLPatterns, text: str) -> float:
    full = f"http://h{text}" if text.startswith("/") else text
    request = {"url.full": full} if patterns.need_url else {"url.path": text}
    started = time.thread_time()
    patterns.find(request)
    return time.thread_time() - started


def _repeated(pattern: str) -> Iterator[tuple[str, str]]:
    """Yield what leads to each repeated part of a pattern, and what it may repeat."""
    # The parser has no public name.
    parser: Any = import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")
    texts: list[tuple[str, str]] = []
    _walk(parser.parse(pattern), "", texts)
    for start, unit in texts[:_MOST_TEXTS]:
        for text in (unit, *_USUAL):
            yield start, text


def _walk(parts: Iterable[Any], start: str, texts: list[tuple[str, str]]) -> str:
    """Add the repeated parts of a parsed pattern; return a text that it matches."""
    text = ""
    for kind, content in parts:
        here = start + text
        name = str(kind)
        if name.endswith("_REPEAT"):
            least, most, repeated = content
            unit = _walk(repeated, here, texts)
            if most > 1 and unit:
                texts.append((here, unit))
            text += unit * min(least, 100)
        elif name in ("SUBPATTERN", "ATOMIC_GROUP"):
            text += _walk(content[-1] if name == "SUBPATTERN" else content, here, texts)
        elif name in ("ASSERT", "ASSERT_NOT"):
            _walk(content[1], here, texts)
        elif name == "BRANCH":
            branches = [_walk(branch, here, texts) for branch in content[1]]
            text += branches[0]
        elif name == "LITERAL":
            text += chr(content)
        elif name == "NOT_LITERAL":
            text += "a" if content != ord("a") else "b"
        elif name == "ANY":
            text += "a"
        elif name == "IN":
            text += _member(content)
    return text


def _member(parts: Sequence[Any]) -> str:
    """Return a character of a set."""
    literals = [chr(content) for kind, content in parts if str(kind) == "LITERAL"]
    ranges = [chr(content[0]) for kind, content in parts if str(kind) == "RANGE"]
    candidates = (*_USUAL, *literals, *ranges)
    return next((character for character in candidates if _is_in(character, parts)), "a")


def _is_in(character: str, parts: Sequence[Any]) -> bool:
    number = ord(character)
    negated = found = False
    for kind, content in parts:
        name = str(kind)
        if name == "NEGATE":
            negated = True
        elif name == "LITERAL":
            found = found or number == content
        elif name == "RANGE":
            found = found or content[0] <= number <= content[1]
        elif name == "CATEGORY":
            category = str(content).removeprefix("CATEGORY_")
            tests = {
                "DIGIT": character.isdigit(),
                "SPACE": character.isspace(),
                "WORD": character.isalnum() or character == "_",
            }
            inside = tests.get(category.removeprefix("NOT_"), False)
            found = found or inside != category.startswith("NOT_")
    return found != negated
