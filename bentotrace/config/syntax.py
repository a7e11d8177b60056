"""Why a text is not YAML, in words that say what to write instead."""

from __future__ import annotations

from typing import Any

from ruamel.yaml.error import MarkedYAMLError

__all__ = ["explain"]

_INDENTED = "this line is indented differently from those it belongs to"

# What the parser says, and what a person has likely done; the first that fits counts.
_CAUSES = (
    ("undefined alias", "a * begins an alias, and no anchor has that name; put text in quotes"),
    ("scanning an alias", "a * begins an alias; put text that begins with it in quotes"),
    ("scanning an anchor", "an & begins an anchor; put text that begins with it in quotes"),
    ("undefined tag handle", "a ! begins a tag; put text that begins with it in quotes"),
    ("a tag:", "a ! begins a tag; put text that begins with it in quotes"),
    ("unknown escape", "a backslash in double quotes is an escape; use single quotes"),
    ("cannot start any token", "text cannot begin with this character; put it in quotes"),
    ("another document", "a second document begins here; keep one, without ---"),
    ("but found '<scalar>'", "text follows a closed quote; put all of it in one pair of quotes"),
    ("<block end>", _INDENTED),
    ("found ('<block mapping start>'", _INDENTED),
)
# The same, where the parser stops far behind the mistake and its context begins there.
_OPENED = (
    ("a quoted scalar: found unexpected", "a quote is opened here and never closed"),
    ("parsing a flow sequence", "a [ is opened here and not closed with a ]"),
    ("parsing a flow mapping", "a { is opened here and not closed with a }"),
    ("could not find expected ':'", "a key without its colon; write key: value"),
)


def explain(error: MarkedYAMLError, text: str) -> tuple[Any, str]:
    """Tell where a syntax error is, as the parser's mark or None, and what to do about it.

    No word of the text is in the message, since it may be a secret.
    """
    mark = error.problem_mark or error.context_mark
    lines = text.splitlines()
    known = mark is not None and mark.line < len(lines)
    before = lines[mark.line][: mark.column + 1] if known else ""
    if "\t" in before:
        return mark, "a tab is used to indent; YAML indents with spaces"
    said = " ".join(f"{error.context or ''}: {error.problem or ''}".split())
    for sign, message in _OPENED:
        if sign in said:
            return error.context_mark or mark, message
    for sign, message in _CAUSES:
        if sign in said:
            return mark, message
    if "mapping values are not allowed" in said:
        if ": " in before:
            return mark, "a second colon in one line; put text with a colon in quotes"
        return mark, f"{_INDENTED}, or the one above it lacks a colon"
    return mark, f"is not YAML: {said.strip(': ') or 'cannot be parsed'}"
