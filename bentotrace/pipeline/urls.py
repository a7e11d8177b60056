"""Patterns that match the request of a server span by its path or URL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

__all__ = ["LONGEST_URL", "URLPatterns"]

LONGEST_URL = 2048
"""The number of characters that patterns are searched in; clients choose the rest too."""

_PATH_PATTERN = r"(?:\(\?[a-zA-Z]+\))?\^?/"
_DEFAULT_PORTS = {"http": "80", "https": "443"}


class URLPatterns:
    """An ordered list of regular expressions for requests, searched in their first 2048 characters.

    A pattern is searched in the URL; one that starts with ``/`` (or ``^/``) matches from the start
    of the path, which has no query. A gRPC method is the path ``/package.Service/Method``, and its
    URL is the same.

    Attributes:
        patterns: the expressions.
        need_url: whether one of them is searched in the URL, so that the path is not enough.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self.patterns = tuple(patterns)
        self._tests = tuple(_tests(self.patterns))
        self.need_url = not all(in_path for _, _, in_path, _ in self._tests)

    def find(self, attributes: Mapping[str, Any]) -> int | None:
        """Return the index of the first pattern that matches, by a server span's attributes.

        Both the stable names of the semantic conventions (``url.path``) and the older ones
        (``http.target``) are read. Clients choose the values, so this must not raise.
        """
        target = _target_of(attributes)
        url = None
        for first, joined, in_path, test in self._tests:
            if in_path:
                found = test(target.partition("?")[0][:LONGEST_URL])
            else:
                if url is None:
                    url = _url_of(attributes, target)[:LONGEST_URL]
                found = test(url)
            if found is not None:
                return first + found.lastindex - 1 if joined and found.lastindex else first
        return None


_Match = Callable[[str], "re.Match[str] | None"]


def _tests(patterns: Sequence[str]) -> Iterator[tuple[int, bool, bool, _Match]]:
    """Compile the patterns, joining neighbours into one where that does not change the result.

    Yields the index of the first pattern, whether several are joined (the group that matches is
    the offset), whether they match the path, and the compiled match function.
    """
    for (in_path, _), run in groupby(enumerate(patterns), _join_key):
        indexes, texts = zip(*run, strict=True)
        joined = len(texts) > 1
        compiled = re.compile("|".join(f"({text})" for text in texts) if joined else texts[0])
        yield indexes[0], joined, in_path, compiled.match if in_path else compiled.search


def _join_key(item: tuple[int, str]) -> tuple[bool, int]:
    """Return a key that is equal for neighbours that can be joined.

    Patterns with flags such as (?i), or with groups, cannot; nor can those searched in the URL,
    where a joined pattern finds the leftmost match instead of the first pattern.
    """
    index, pattern = item
    compiled = re.compile(pattern)
    in_path = re.match(_PATH_PATTERN, pattern) is not None
    joins = in_path and not compiled.groups and compiled.flags == re.UNICODE
    return in_path, -1 if joins else index


def _target_of(attributes: Mapping[str, Any]) -> str:
    """Return the path, which may have a query."""
    get = attributes.get
    target = str(get("url.path") or get("http.target") or "")
    if target.startswith("/"):
        return target
    # The target of a request to a proxy includes the host.
    url = target or str(get("url.full") or get("http.url") or "")
    if url:
        return _after_host(url)
    method = get("rpc.method")
    if not method:
        return ""
    service = get("rpc.service")
    return f"/{service}/{method}" if service else f"/{method}"


def _after_host(url: str) -> str:
    """Return the rest after the host; urllib.parse raises for some hosts."""
    rest = url.partition("://")[2]
    slash = rest.find("/")
    return rest[slash:] if slash >= 0 else "/"


def _url_of(attributes: Mapping[str, Any], target: str) -> str:
    """Return the URL, joined from its parts if necessary."""

    def first(*names: str) -> str:
        return next((str(attributes[name]) for name in names if attributes.get(name)), "")

    get = attributes.get
    url = get("url.full") or get("http.url") or get("url.path") or get("http.target")
    if url and not str(url).startswith("/"):
        return str(url)
    if "rpc.method" in attributes:
        return target
    scheme = first("url.scheme", "http.scheme") or "http"
    host = first("server.address", "http.host", "http.server_name", "net.host.name")
    port = first("server.port", "net.host.port")
    if port and port != _DEFAULT_PORTS.get(scheme) and not host.endswith(f":{port}"):
        host = f"{host}:{port}"
    query = first("url.query")
    if query and "?" not in target:
        target = f"{target}?{query}"
    return f"{scheme}://{host}{target}"
