"""The sampler: which traces are recorded, and which requests never are.

It decides for every span of a service, most of all for those that nobody will see, so it does in
one call what the SDK's samplers do in three.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import sampling
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span

from bentotrace.config.options import TracingOptions
from bentotrace.config.rates import RouteRate
from bentotrace.config.schema import Leaf, section_of
from bentotrace.exceptions import SampleRateError
from bentotrace.pipeline.urls import URLPatterns

__all__ = ["RequestSampler", "change_rate", "make_sampler"]

_logger = logging.getLogger("bentotrace")
_DROP = sampling.Decision.DROP
_SAMPLE = sampling.Decision.RECORD_AND_SAMPLE
_DROPPED = sampling.SamplingResult(_DROP)
_LOW_64_BITS = sampling.TraceIdRatioBased.TRACE_ID_LIMIT
_bound_of = sampling.TraceIdRatioBased.get_bound_for_rate


def make_sampler(options: TracingOptions) -> RequestSampler:
    """Make the sampler of a configuration."""
    return RequestSampler(
        options.effective_rate,
        parent_based=options.sampler.startswith("parentbased_"),
        excluded_urls=options.excluded_urls,
        sample_rates=options.effective_sample_rates,
    )


def change_rate(sampler: RequestSampler | None, options: TracingOptions, rate: float) -> None:
    """Set the rate of a running sampler.

    Args:
        sampler: None when the pipeline's provider was there before it.
        options: what the sampler was made from.
        rate: the share of traces that is recorded from now on.

    Raises:
        ValueError: it is no rate.
        SampleRateError: there is nothing that takes one.
    """
    leaf = section_of(TracingOptions).child("sample_rate")
    assert isinstance(leaf, Leaf)
    try:
        rate = leaf.check(rate)
    except ValueError as error:
        raise ValueError(f"sample_rate: {error}") from None
    if options.disabled:
        raise SampleRateError("tracing is disabled; enable it and start again")
    if sampler is None:
        raise SampleRateError(
            "the provider was there before and keeps its own sampler; change that one"
        )
    if not options.takes_rate:
        raise SampleRateError(
            f"the sampler is {options.sampler}; set sampler: parentbased_traceidratio"
        )
    before, sampler.rate = sampler.rate, rate
    _logger.info("sample_rate is %g from now on; it was %g", rate, before)


class RequestSampler(sampling.Sampler):
    """Records a share of the traces, and drops requests whose URL is excluded.

    It takes the same traces as the SDK's ``TraceIdRatioBased``, or the one within its
    ``ParentBased``. Nothing below an excluded request is recorded either. Client spans are never
    matched: what a service calls is not what it serves.

    Attributes:
        needs_url: whether a request's path is not enough to decide.
    """

    def __init__(
        self,
        rate: float,
        *,
        parent_based: bool = True,
        excluded_urls: Sequence[str] = (),
        sample_rates: Sequence[RouteRate] = (),
    ) -> None:
        """Make a sampler.

        Args:
            rate: the share of traces that is recorded.
            parent_based: whether a span that has a parent is recorded if the parent is.
            excluded_urls: patterns of the requests that are not.
            sample_rates: the rates of requests that begin a trace; the first that matches counts.
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
        """The share of traces that is recorded; what begins from now on has the one it is set to.

        Requests that have a rate of their own keep it.
        """
        return self._bound / (_LOW_64_BITS + 1)

    @rate.setter
    def rate(self, rate: float) -> None:
        # One assignment, so that other threads see the one or the other.
        self._bound = _bound_of(rate)

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
        """Decide by the parent, where there is one that counts, else by the trace id."""
        parent = get_current_span(parent_context).get_span_context()
        state = None
        request = attributes if kind is SpanKind.SERVER else None
        bound = self._bound
        if parent.is_valid:
            state = parent.trace_state
            sampled = parent.trace_flags & 1
            # Below a local span that was dropped, also where the sampler ignores parents.
            below = self._excluded is not None and not parent.is_remote and not sampled
            if self._parent_based or below:
                bound = _LOW_64_BITS + 1 if sampled else 0
        elif request and self._routes is not None:
            route = self._routes.find(request)
            if route is not None:
                bound = self._route_bounds[route]
        # Last, since most of what is not recorded needs no look at its URL.
        if trace_id & _LOW_64_BITS >= bound or (
            request and self._excluded is not None and self._excluded.find(request) is not None
        ):
            return sampling.SamplingResult(_DROP, None, state) if state else _DROPPED
        return sampling.SamplingResult(_SAMPLE, attributes, state)

    @property
    def drops_by_path_only(self) -> bool:
        """Whether, of requests that begin a trace, the excluded paths are all that is dropped."""
        return self._bound > _LOW_64_BITS and self._routes is None and not self.needs_url

    def excludes_path(self, path: str) -> bool:
        """Tell whether its path excludes a request; where it does not, the URL may."""
        return self._excluded is not None and self._excluded.match_path(path)

    def drops(self, context: Context, request: Mapping[str, Any], trace_id: int) -> bool:
        """Tell whether a request is dropped.

        Args:
            context: the context of its caller.
            request: the attributes that its server span would begin with.
            trace_id: what it gets where it begins a trace. With zero, which every rate but zero
                takes, the answer is whether the request is dropped whatever its id.
        """
        parent = get_current_span(context).get_span_context()
        if parent.is_valid:
            trace_id = parent.trace_id
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
