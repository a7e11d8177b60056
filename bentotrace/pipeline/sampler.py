"""The sampler, which decides by rate and by URL which traces are recorded.

It runs for every span of a service, so it does in one call what the SDK's samplers do in three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import sampling
from opentelemetry.trace import SpanContext, SpanKind, get_current_span

from bentotrace.config.options import TracingOptions
from bentotrace.config.rates import RouteRate
from bentotrace.pipeline.urls import URLPatterns
from bentotrace.spans import LeanSampler, is_asgi_message

__all__ = ["RequestSampler", "WithoutMessages", "make_sampler"]

_DROP = sampling.Decision.DROP
_DROPPED = sampling.SamplingResult(_DROP)
_LOW_64_BITS = sampling.TraceIdRatioBased.TRACE_ID_LIMIT
_bound_of = sampling.TraceIdRatioBased.get_bound_for_rate


def make_sampler(options: TracingOptions) -> RequestSampler:
    """Create the sampler of a configuration, which names a built-in one."""
    return RequestSampler(
        options.effective_rate,
        parent_based=options.sampler.startswith("parentbased_"),
        excluded_urls=options.excluded_urls,
        sample_rates=options.effective_sample_rates,
    )


class RequestSampler(LeanSampler):
    """Records a share of the traces, and drops requests whose URL is excluded.

    It selects the same traces as the SDK's ``TraceIdRatioBased``, alone or within ``ParentBased``.
    Spans below an excluded request are not recorded either. Client spans are never matched.

    Attributes:
        needs_url: whether it needs the URL of a request, not only the path.
    """

    def __init__(
        self,
        rate: float,
        *,
        parent_based: bool = True,
        excluded_urls: Sequence[str] = (),
        sample_rates: Sequence[RouteRate] = (),
    ) -> None:
        """Create a sampler.

        Args:
            rate: the share of traces that is recorded.
            parent_based: whether a span with a parent is recorded if the parent is.
            excluded_urls: patterns of requests that are not recorded.
            sample_rates: rates of requests that start a trace; the first match applies.
        """
        self._bound = _bound_of(rate)
        self._parent_based = parent_based
        self._excluded = URLPatterns(excluded_urls) if excluded_urls else None
        self._routes = URLPatterns([item.match for item in sample_rates]) if sample_rates else None
        self.needs_url = any(urls.need_url for urls in (self._excluded, self._routes) if urls)
        self._route_rates = [item.rate for item in sample_rates]
        self._route_bounds = [_bound_of(rate) for rate in self._route_rates]

    @property
    def rate(self) -> float:
        """The share of traces that is recorded, except for requests with their own rate."""
        return self._bound / (_LOW_64_BITS + 1)

    @rate.setter
    def rate(self, rate: float) -> None:
        # One assignment, so that other threads see either the old or the new value.
        self._bound = _bound_of(rate)

    def samples(
        self,
        parent: SpanContext | None,
        trace_id: int,
        kind: SpanKind | None,
        attributes: Mapping[str, Any] | None,
    ) -> bool:
        """Decide by the parent if there is one and it applies, else by the trace id."""
        request = attributes if kind is SpanKind.SERVER else None
        bound = self._bound
        if parent is not None:
            sampled = parent.trace_flags & 1
            # Below a local span that was dropped, also where the sampler ignores parents.
            below = self._excluded is not None and not parent.is_remote and not sampled
            if self._parent_based or below:
                bound = _LOW_64_BITS + 1 if sampled else 0
        elif request and self._routes is not None:
            route = self._routes.find(request)
            if route is not None:
                bound = self._route_bounds[route]
        # The URL last: most spans that are not recorded need no match.
        return trace_id & _LOW_64_BITS < bound and not (
            request and self._excluded is not None and self._excluded.find(request) is not None
        )

    @property
    def drops_requests(self) -> bool:
        """Whether a request without a caller may be dropped for any trace id."""
        return not self._bound or self._excluded is not None or self._routes is not None

    def drops(self, context: Context, request: Mapping[str, Any]) -> bool:
        """Return whether a request, by its span's first attributes, is dropped for any trace id."""
        # Every rate but zero selects the trace id zero.
        trace_id = get_current_span(context).get_span_context().trace_id
        result = self.should_sample(context, trace_id, "", SpanKind.SERVER, request)
        return result.decision is _DROP

    def get_description(self) -> str:
        """Describe the sampler, with its rates and patterns."""
        parts = [f"rate {self.rate:g}"]
        if self._routes is not None:
            routes = zip(self._routes.patterns, self._route_rates, strict=True)
            parts += [f"rate {rate:g} of {pattern}" for pattern, rate in routes]
        if self._excluded is not None:
            parts.append(f"without {', '.join(self._excluded.patterns)}")
        kind = "parent-based, " if self._parent_based else ""
        return f"RequestSampler{{{kind}{'; '.join(parts)}}}"


class WithoutMessages(sampling.Sampler):
    """Drops the spans of single ASGI messages, and leaves all others to another sampler.

    OpenTelemetry's middleware has an option for this, which BentoML and the instrumentation of
    FastAPI do not set.
    """

    def __init__(self, sampler: sampling.Sampler) -> None:
        self._sampler = sampler

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> sampling.SamplingResult:
        """Decide as the other sampler does, unless the name is that of a message."""
        if is_asgi_message(name, kind):
            state = get_current_span(parent_context).get_span_context().trace_state
            return sampling.SamplingResult(_DROP, None, state) if state else _DROPPED
        return self._sampler.should_sample(parent_context, trace_id, name, kind, *args, **kwargs)

    def get_description(self) -> str:
        """Return the description of the other sampler."""
        return self._sampler.get_description()
