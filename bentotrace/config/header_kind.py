"""The kind of headers: names and values, as a mapping, a list of pairs, or a variable's text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from bentotrace.config.hint_kind import strict_str
from bentotrace.config.kind import Kind, unexpected

__all__ = ["HEADERS"]


def _headers(value: object) -> dict[str, str]:
    if isinstance(value, (list, tuple)):
        pairs = []
        for index, pair in enumerate(value):
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                hint = "; leave out the dash" if isinstance(pair, Mapping) else ""
                raise ValueError(f"[{index}]: expected a pair of name and value{hint}")
            pairs.append((pair[0], pair[1]))
    elif isinstance(value, Mapping):
        pairs = list(value.items())
    else:
        hint = "; write name: value" if isinstance(value, str) else ""
        raise unexpected("a mapping of names to values, or a list of pairs", value, hint)
    headers: dict[str, str] = {}
    for name, content in pairs:
        if not isinstance(name, str):
            raise ValueError(f"a header's name: {unexpected('text', name)}")
        if not re.fullmatch(_HEADER_NAME, name):
            raise ValueError(_bad_name(name))
        if content is None:
            raise ValueError(f"header {name}: has no value; write one, or leave the header out")
        try:
            strict_str(content)
        except ValueError as error:
            raise ValueError(f"header {name}: {error}") from None
        if re.search(r"[\r\n\0]", content):
            hint = "write it in one line, in quotes"
            raise ValueError(f"header {name}: its value holds a line break; {hint}")
        if name.lower() in map(str.lower, headers):
            raise ValueError(
                f"header {name}: is given twice; capitals make no difference, so keep one"
            )
        headers[name] = content
    return headers


_HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"


def _bad_name(name: str) -> str:
    """Say what is wrong with a header's name; what follows its colon may be a secret."""
    good = re.match(_HEADER_NAME, name)
    if good is None:
        return "a header's name is made of letters, digits and dashes"
    if name[good.end()] == ":":
        hint = "write the name, a colon, a space, the value"
        return f"header {good[0]}: its colon is part of the name; {hint}"
    return f"a header's name is made of letters, digits and dashes; change what follows {good[0]!r}"


def _parse_headers(text: str) -> dict[str, str]:
    """Parse ``name=value,name=value`` with percent-encoded values, as W3C Baggage writes them."""
    headers = {}
    for part in text.split(","):
        if not part.strip():
            continue
        name, separator, content = part.partition("=")
        if not separator:
            raise ValueError("expected name=value,name=value")
        headers[unquote(name.strip())] = unquote(content.strip())
    return headers


_NAME = {"pattern": f"^{_HEADER_NAME}$"}
_LINE = {"type": "string", "pattern": r"^[^\r\n\0]*$"}
_PAIR = {"type": "array", "items": _LINE, "minItems": 2, "maxItems": 2}

HEADERS = Kind(
    "headers",
    _headers,
    _parse_headers,
    takes_mapping=True,
    json_schema={
        "anyOf": [
            {"type": "object", "propertyNames": _NAME, "additionalProperties": _LINE},
            {"type": "array", "items": _PAIR},
        ]
    },
)
"""Header names and values, as a mapping or a list of pairs; typed as ``dict[str, str]``."""
