"""The sampler: which traces are recorded, and which requests never are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import sampling
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span

from bentotrace.config.options import TracingOptions

__all__ = ["ExcludedURLSampler", "ExcludedURLs", "make_sampler"]

_PATH_PATTERN = re.compile(r"(?:\(\?[a-zA-Z]+\))?\^?/")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def make_sampler(options: TracingOptions) -> sampling.Sampler:
    """Make the sampler of a configuration."""
    sampler: sampling.Sampler
    name = options.sampler
    if name.endswith("always_on"):
        sampler = sampling.ALWAYS_ON
    elif name.endswith("always_off"):
        sampler = sampling.ALWAYS_OFF
    else:
        sampler = sampling.TraceIdRatioBased(options.sample_rate)
    if name.startswith("parentbased_"):
        sampler = sampling.ParentBased(sampler)
    if options.excluded_urls:
        sampler = ExcludedURLSampler(sampler, options.excluded_urls)
    return sampler


class ExcludedURLs:
    """Patterns of the URLs that are not traced.

    A pattern is searched in the URL; one that starts with ``/`` (or ``^/``) matches from the start
    of the path.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self.patterns = tuple(patterns)
        # Not joined to one pattern: a flag such as (?i) must stand at the start of its own.
        compiled = [(re.compile(pattern), _PATH_PATTERN.match(pattern)) for pattern in patterns]
        self._in_path = tuple(pattern for pattern, path in compiled if path)
        self._in_url = tuple(pattern for pattern, path in compiled if not path)

    def find(self, attributes: Mapping[str, Any]) -> str | None:
        """Find the pattern that matches the request in a server span's first attributes.

        Those of the path come first.
        """
        path, url = _request_url(attributes)
        for pattern in self._in_path:
            if pattern.match(path):
                return pattern.pattern
        for pattern in self._in_url:
            if pattern.search(url):
                return pattern.pattern
        return None


class ExcludedURLSampler(sampling.Sampler):
    """Drops server spans whose URL is excluded, and all that happens below them.

    Client spans are never matched: what a service calls is not what it serves.
    """

    def __init__(self, sampler: sampling.Sampler, patterns: Sequence[str]) -> None:
        self._sampler = sampler
        self._excluded = ExcludedURLs(patterns)

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> sampling.SamplingResult:
        """Drop an excluded request, and leave everything else to the sampler within."""
        parent = get_current_span(parent_context).get_span_context()
        excluded = (
            kind is SpanKind.SERVER and attributes and self._excluded.find(attributes) is not None
        )
        # Below a local span that was dropped, also where the sampler ignores parents.
        below = parent.is_valid and not parent.is_remote and not parent.trace_flags.sampled
        if excluded or below:
            return sampling.SamplingResult(sampling.Decision.DROP, None, parent.trace_state)
        return self._sampler.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )

    def get_description(self) -> str:
        """Describe the sampler, with the patterns."""
        patterns = ", ".join(self._excluded.patterns)
        return f"ExcludedURLSampler{{{self._sampler.get_description()}, {patterns}}}"


def _request_url(attributes: Mapping[str, Any]) -> tuple[str, str]:
    """Find the path and the URL of a request in a server span's first attributes.

    Both the stable names of the semantic conventions (``url.path``) and the ones before them
    (``http.target``) are in use. A client decides what is in them, so nothing here may raise.
    """

    def first(*names: str) -> str:
        return next((str(attributes[name]) for name in names if attributes.get(name)), "")

    url = first("url.full", "http.url")
    path = first("url.path", "http.target") or _path_of(url)
    if url:
        return path, url
    scheme = first("url.scheme", "http.scheme") or "http"
    host = first("server.address", "http.host", "http.server_name", "net.host.name")
    port = first("server.port", "net.host.port")
    if port and port != _DEFAULT_PORTS.get(scheme) and not host.endswith(f":{port}"):
        host = f"{host}:{port}"
    query = first("url.query")
    if query and "?" not in path:
        path = f"{path}?{query}"
    return path, f"{scheme}://{host}{path}"


def _path_of(url: str) -> str:
    """Give what follows the host, which urllib.parse refuses to find for some hosts."""
    rest = url.partition("://")[2]
    slash = rest.find("/")
    return rest[slash:] if slash >= 0 else "/"
