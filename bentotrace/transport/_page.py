"""The words of a web page: what is left without its tags, scripts and styles.

A scanner rather than a regular expression: a page comes from outside, and patterns for tags
backtrack on one that is not HTML, for seconds and with the GIL held.
"""

from __future__ import annotations

__all__ = ["visible_text"]

_HIDDEN = ("script", "style", "head")
_LONGEST_NAME = max(map(len, _HIDDEN))


def visible_text(page: str) -> str:
    """Return the text of a page, with a blank for each tag, and its entities decoded.

    What follows an unclosed ``<script>``, ``<style>`` or ``<head>``, or a ``<`` of a tag without
    its ``>``, is hidden. The cost grows with the page's length.
    """
    import html  # here, for its table of entities is large

    text = " ".join(_visible_parts(page))
    try:
        return html.unescape(text)
    except ValueError:
        # A numeric entity of thousands of digits is an error of int().
        return text


def _visible_parts(page: str) -> list[str]:
    parts: list[str] = []
    done = at = 0
    while (start := page.find("<", at)) >= 0:
        if not _begins_tag(page, start):
            at = start + 1
            continue
        parts.append(page[done:start])
        hidden = _hidden_element(page, start + 1)
        end = page.find(">", start) + 1 if hidden is None else _end_of_element(page, start, hidden)
        if not end:
            return parts
        done = at = end
    return [*parts, page[done:]]


def _begins_tag(page: str, start: int) -> bool:
    """Return whether a ``<`` is one of HTML, and not a sign of comparison."""
    after = page[start + 1 : start + 2]
    return after.isalpha() or after in ("/", "!", "?")


def _hidden_element(page: str, at: int) -> str | None:
    """Return the name of an element whose content is not shown, None for any other tag."""
    opened = page[at : at + _LONGEST_NAME + 1].lower()
    for name in _HIDDEN:
        after = opened[len(name) : len(name) + 1]
        if opened.startswith(name) and not (after.isalnum() or after == "_"):
            return name
    return None


def _end_of_element(page: str, start: int, name: str) -> int:
    """Return where an element ends that starts there, 0 when it is not closed."""
    at = start
    while (at := page.find("</", at)) >= 0:
        at += len("</")
        if _hidden_element(page, at) == name:
            return page.find(">", at) + 1
    return 0
