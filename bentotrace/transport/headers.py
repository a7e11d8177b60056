"""What a header may be; a problem with one is reported without its value."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["checked_headers", "checked_metadata"]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_METADATA_KEY = re.compile(r"[0-9a-z_.-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PRINTABLE_ASCII = re.compile(r"[\x20-\x7e]*")

# What frames a request belongs to the transport: a second value would let one request pass as two.
_FRAMING = frozenset(
    (
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
_RESERVED_METADATA = frozenset(("content-type", "te"))


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return HTTP headers, their values stripped.

    Raises:
        ValueError: a name or value cannot be sent; the message has the name, never the value.
    """
    checked: dict[str, str] = {}
    seen: set[str] = set()
    for name, value in headers.items():
        if not isinstance(name, str) or _TOKEN.fullmatch(name) is None:
            raise ValueError(f"{name!r} is no header name")
        if not isinstance(value, str):
            raise ValueError(f"header {name!r}: the value must be a string")
        if name.lower() in _FRAMING:
            raise ValueError(f"header {name!r} is set by the transport")
        if name.lower() in seen:
            raise ValueError(f"header {name!r} is given twice")
        seen.add(name.lower())
        stripped = value.strip(" \t")
        if _CONTROL.search(stripped):
            raise ValueError(
                f"header {name!r}: the value has a line break or another control character"
            )
        if any(ord(character) > 0xFF for character in stripped):
            raise ValueError(f"header {name!r}: the value has characters beyond Latin-1")
        checked[name] = stripped
    return checked


def checked_metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """Return gRPC metadata: names in lower case, values stripped.

    Raises:
        ValueError: a name or value cannot be sent; the message has the name, never the value.
    """
    checked: dict[str, str] = {}
    for name, value in headers.items():
        key = name.lower() if isinstance(name, str) else ""
        if _METADATA_KEY.fullmatch(key) is None:
            raise ValueError(f"{name!r} is no metadata name: use letters, digits, '-', '_' and '.'")
        if key in _RESERVED_METADATA or key.startswith("grpc-"):
            raise ValueError(f"metadata {name!r} is set by gRPC")
        if key.endswith("-bin"):
            raise ValueError(f"metadata {name!r}: binary metadata (-bin) is not supported")
        if not isinstance(value, str):
            raise ValueError(f"metadata {name!r}: the value must be a string")
        if key in checked:
            raise ValueError(f"metadata {name!r} is given twice")
        stripped = value.strip(" \t")
        if _PRINTABLE_ASCII.fullmatch(stripped) is None:
            raise ValueError(
                f"metadata {name!r}: the value has characters other than printable ASCII"
            )
        checked[key] = stripped
    return checked
