"""Which request a server span is about, and which of some patterns matches it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

__all__ = ["URLPatterns"]

_PATH_PATTERN = r"(?:\(\?[a-zA-Z]+\))?\^?/"
# Health checks ask for the same few; a client that makes paths up fills no more than this.
_KEPT_PATHS = 128
_KEPT_LENGTH = 512
_DEFAULT_PORTS = {"http": "80", "https": "443"}


class URLPatterns:
    """Regular expressions for requests, in their order.

    A pattern is searched in the URL; one that starts with ``/`` (or ``^/``) matches from the start
    of the path, which has no query. A gRPC method is the path ``/package.Service/Method``, and its
    URL is no more than that.

    Attributes:
        patterns: what they are.
        need_url: whether one of them is searched in the URL, so that a path is not enough.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self.patterns = tuple(patterns)
        self._tests = tuple(_tests(self.patterns))
        self.need_url = not all(in_path for _, _, in_path, _ in self._tests)
        self._path_tests = [test for _, _, in_path, test in self._tests if in_path]
        self._matched: set[str] = set()

    def match_path(self, path: str) -> bool:
        """Tell whether one of those for paths matches; where none does, :meth:`find` may yet."""
        if path in self._matched:
            return True
        if not path.startswith("/"):
            return False
        before_query = path.partition("?")[0]
        for test in self._path_tests:
            if test(before_query) is not None:
                if len(self._matched) < _KEPT_PATHS and len(path) <= _KEPT_LENGTH:
                    self._matched.add(path)
                return True
        return False

    def find(self, attributes: Mapping[str, Any]) -> int | None:
        """Give the index of the first that matches the request in a server span's first attributes.

        Both the stable names of the semantic conventions (``url.path``) and the ones before them
        (``http.target``) are in use. A client decides what is in them, so nothing here may raise.
        """
        target = _target_of(attributes)
        url = None
        for first, joined, in_path, test in self._tests:
            if in_path:
                found = test(target.partition("?")[0])
            else:
                if url is None:
                    url = _url_of(attributes, target)
                found = test(url)
            if found is not None:
                return first + found.lastindex - 1 if joined and found.lastindex else first
        return None


_Match = Callable[[str], "re.Match[str] | None"]


def _tests(patterns: Sequence[str]) -> Iterator[tuple[int, bool, bool, _Match]]:
    """Compile the patterns, those that follow each other to one as far as that means the same.

    Gives the index of the first of them, whether they are several, so that the group that matches
    counts from there, whether they are for the path, and what tries them.
    """
    for (in_path, _), run in groupby(enumerate(patterns), _alike):
        indexes, texts = zip(*run, strict=True)
        joined = len(texts) > 1
        compiled = re.compile("|".join(f"({text})" for text in texts) if joined else texts[0])
        yield indexes[0], joined, in_path, compiled.match if in_path else compiled.search


def _alike(item: tuple[int, str]) -> tuple[bool, int]:
    """Tell apart what can be one pattern.

    A flag such as (?i), or a group, needs one of its own; and of what is searched, one pattern
    finds not the first that matches, but the one that matches furthest to the left.
    """
    index, pattern = item
    compiled = re.compile(pattern)
    in_path = re.match(_PATH_PATTERN, pattern) is not None
    joins = in_path and not compiled.groups and compiled.flags == re.UNICODE
    return in_path, -1 if joins else index


def _target_of(attributes: Mapping[str, Any]) -> str:
    """Find the path, which may have a query."""
    get = attributes.get
    target = str(get("url.path") or get("http.target") or "")
    if target.startswith("/"):
        return target
    # What a proxy is sent names the host, too.
    url = target or str(get("url.full") or get("http.url") or "")
    if url:
        return _after_host(url)
    method = get("rpc.method")
    if not method:
        return ""
    service = get("rpc.service")
    return f"/{service}/{method}" if service else f"/{method}"


def _after_host(url: str) -> str:
    """Give what follows the host, which urllib.parse refuses to find for some hosts."""
    rest = url.partition("://")[2]
    slash = rest.find("/")
    return rest[slash:] if slash >= 0 else "/"


def _url_of(attributes: Mapping[str, Any], target: str) -> str:
    """Find the URL, or put it together."""

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
