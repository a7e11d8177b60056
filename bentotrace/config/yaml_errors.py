"""Explain syntax errors of YAML: the likely mistake, and where it is."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from ruamel.yaml.error import MarkedYAMLError

__all__ = ["BLANKS", "describe_blank", "explain", "find_blank", "lacks_space"]

# Characters that look like a space, and that YAML does not take for one.
BLANKS = ("\u00a0", "\u2007", "\u202f", "\u2003", "\u2002", "\u3000", "\u200b", "\ufeff")


def find_blank(line: str) -> int | None:
    """Return the index of the first character that only looks like a space."""
    return next((index for index, character in enumerate(line) if character in BLANKS), None)


def describe_blank(line: str) -> str:
    """Return the message for the first character that only looks like a space."""
    number = ord(next(character for character in line if character in BLANKS))
    return f"contains the character U+{number:04X}, which looks like a space; write spaces instead"


_INDENTED = "this line is not indented like the others of its block"

# A part of the parser's message, and the likely mistake; the first match is used.
_CAUSES = (
    ("undefined alias", "a * begins an alias, but no &anchor has this name; put text in quotes"),
    ("scanning an alias", "a * begins an alias; put text that begins with it in quotes"),
    ("scanning an anchor", "an & begins an anchor; put text that begins with it in quotes"),
    ("undefined tag handle", "a ! begins a tag; put text that begins with it in quotes"),
    ("a tag:", "a ! begins a tag; put text that begins with it in quotes"),
    ("unknown escape", "a backslash in double quotes is an escape; use single quotes"),
    ("cannot start any token", "text cannot begin with this character; put it in quotes"),
    ("incompatible YAML", "only YAML 1 is supported; write %YAML 1.2, or remove this line"),
    ("another document", "a second document begins here; keep one, and delete ---"),
    ("but found ','", 'a comma follows a value; remove it, or write a list: ["a", "b"]'),
    ("but found '}'", "this } has no opening {; remove it"),
    ("but found ']'", "this ] has no opening [; remove it"),
    ("<block end>", _INDENTED),
    ("found ('<block mapping start>'", _INDENTED),
)
# The same for messages whose context, not the problem, is at the mistake.
_OPENED = (
    ("a quoted scalar: found unexpected", "the quote that opens here is not closed"),
    ("could not find expected ':'", "this key has no colon; write key: value"),
)
_UNCLOSED = {
    "parsing a flow sequence": "the [ that opens here is not closed; add a ]",
    "parsing a flow mapping": "the { that opens here is not closed; add a }",
}
_NO_SPACE = "a space is missing after the colon; write key: value"
_QUOTED = "text follows a closed quote; put all of it in one pair of quotes"
_SECOND_COLON = 'put text with a colon in quotes, as in key: "a: b"'


def lacks_space(line: str) -> bool:
    """Return whether a line begins with an option whose colon no space follows."""
    key, _, rest = line.strip().removeprefix("- ").partition(":")
    return (
        bool(rest)
        and not rest[0].isspace()
        # A URL.
        and not rest.startswith("//")
        and bool(key)
        and all(character.isalnum() or character in "_-." for character in key.rstrip())
    )


def explain(error: MarkedYAMLError, text: str) -> tuple[Any, str]:
    """Return the parser's mark of a syntax error, if any, and a message without any of the text."""
    mark = error.problem_mark or error.context_mark
    opened = error.context_mark or mark
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith(("<<<<<<< ", ">>>>>>> ")):
            message = "a merge conflict is not resolved; keep one version, and delete this line"
            return _place(number), message
    known = mark is not None and mark.line < len(lines)
    before = lines[mark.line][: mark.column + 1] if known else ""
    if "\t" in before:
        return mark, "the indentation has a tab; indent with spaces"
    for number in range(max(mark.line - 1, 0), mark.line + 1) if known else ():
        found = find_blank(lines[number])
        if found is not None:
            return _place(number, found), describe_blank(lines[number])
    near = lines[max(opened.line - 1, 0) : mark.line + 1] if opened is not None else []
    for number, line in enumerate(near, max(opened.line - 1, 0) if near else 0):
        if line.lstrip().startswith(("//", "/*")):
            return _place(number, _indentation(line)), "a comment begins with #, not with // or /*"
    reason = " ".join(f"{error.context or ''}: {error.problem or ''}".split())
    for sign, unclosed in _UNCLOSED.items():
        if sign in reason:
            return _explain_flow(error, lines, unclosed)
    for sign, message in _OPENED:
        if sign in reason:
            if opened is not None and lacks_space(_line(lines, opened.line)[opened.column :]):
                return opened, _NO_SPACE
            return opened, message
    if "but found '<scalar>'" in reason:
        return mark, _QUOTED if before[:-1].rstrip().endswith(("'", '"')) else _INDENTED
    for sign, message in _CAUSES:
        if sign in reason:
            return mark, message
    if "mapping values are not allowed" in reason:
        if ": " in before:
            return mark, f"the line has a second colon; {_SECOND_COLON}"
        first = mark.line
        while first > 0 and lacks_space(_line(lines, first - 1)):
            first -= 1
        if first < mark.line:
            return _place(first, _indentation(lines[first])), _NO_SPACE
        return mark, f"{_INDENTED}, or the line above has no colon"
    return mark, f"is not YAML: {reason.strip(': ') or 'cannot be parsed'}"


def _explain_flow(error: MarkedYAMLError, lines: Sequence[str], unclosed: str) -> tuple[Any, str]:
    """Explain what follows a value in brackets or braces where a comma or the end is expected."""
    mark = error.problem_mark or error.context_mark
    opened = error.context_mark or mark
    if any("{{" in line for line in lines[opened.line : mark.line + 1]):
        message = "{{ is a placeholder of a template; fill in the template first, or use ${NAME}"
        return opened, message
    line = _line(lines, mark.line)
    before = line[: mark.column]
    found = (error.problem or "").partition("but got ")[2].strip("'\"")
    item = before[max(before.rfind(sign) for sign in "{[,") + 1 :]
    if found == ":" and ":" in item:
        return mark, f"the value has a second colon; {_SECOND_COLON}, or add the missing comma"
    if found in ("{", "[") and before.endswith(":"):
        return mark, _NO_SPACE
    if found == "<scalar>" and before.rstrip().endswith(("'", '"')):
        return mark, f"{_QUOTED}, or add the missing comma"
    rest = "\n".join([line[mark.column :], *lines[mark.line + 1 :]])
    bracket = next((character for character in rest if character in "{}[]"), "")
    if found in (":", "<scalar>", "{", "[") and bracket in ("}", "]"):
        at = mark if found != ":" else _place(mark.line, _indentation(line))
        return at, "a comma is missing before this value"
    return opened, unclosed


def _place(line: int, column: int = 0) -> SimpleNamespace:
    return SimpleNamespace(line=line, column=column)


def _line(lines: Sequence[str], number: int) -> str:
    return lines[number] if number < len(lines) else ""


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())
