"""The sampler: which traces are recorded, and which requests never are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.sdk.trace import sampling
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span

from bentotrace.config.options import TracingOptions

__all__ = ["ExcludedURLSampler", "make_sampler"]


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


class ExcludedURLSampler(sampling.Sampler):
    """Drops server spans whose URL matches, and all that happens below them.

    A pattern is searched in the URL; one that starts with ``/`` matches from the start of the
    path. Client spans are never matched: what a service calls is not what it serves.
    """

    def __init__(self, sampler: sampling.Sampler, patterns: Sequence[str]) -> None:
        self._sampler = sampler
        self._patterns = tuple(patterns)
        # Not joined to one pattern: a flag such as (?i) must stand at the start of its own.
        compiled = [re.compile(pattern) for pattern in patterns]
        self._in_path = tuple(item for item in compiled if item.pattern.startswith("/"))
        self._in_url = tuple(item for item in compiled if not item.pattern.startswith("/"))

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
        if kind is SpanKind.SERVER and attributes and self._excludes(attributes):
            parent = get_current_span(parent_context).get_span_context()
            return sampling.SamplingResult(sampling.Decision.DROP, None, parent.trace_state)
        return self._below_excluded(parent_context) or self._sampler.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )

    def get_description(self) -> str:
        """Describe the sampler, with the patterns."""
        patterns = ", ".join(self._patterns)
        return f"ExcludedURLSampler{{{self._sampler.get_description()}, {patterns}}}"

    def _below_excluded(self, parent_context: Context | None) -> sampling.SamplingResult | None:
        """Drop below a local span that was dropped, also where the sampler ignores parents."""
        parent = get_current_span(parent_context)
        context = parent.get_span_context()
        if context.is_valid and not context.is_remote and not context.trace_flags.sampled:
            return sampling.SamplingResult(sampling.Decision.DROP, None, context.trace_state)
        return None

    def _excludes(self, attributes: Mapping[str, Any]) -> bool:
        path, url = _request_url(attributes)
        return any(pattern.match(path) for pattern in self._in_path) or any(
            pattern.search(url) for pattern in self._in_url
        )


def _request_url(attributes: Mapping[str, Any]) -> tuple[str, str]:
    """Find the path and the URL of a request in a server span's first attributes.

    Both the stable names of the semantic conventions (``url.path``) and the ones before them
    (``http.target``) are in use.
    """
    url = str(attributes.get("url.full") or attributes.get("http.url") or "")
    path = str(attributes.get("url.path") or attributes.get("http.target") or urlsplit(url).path)
    if not url:
        scheme = attributes.get("url.scheme") or attributes.get("http.scheme") or "http"
        host = attributes.get("server.address") or attributes.get("http.host") or ""
        query = attributes.get("url.query")
        url = f"{scheme}://{host}{path}" + (f"?{query}" if query else "")
    return path, url
