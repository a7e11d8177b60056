from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision, Sampler
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, TraceState

from bentotrace.config.options import SamplerName, TracingOptions
from bentotrace.pipeline.sampler import ExcludedURLs, ExcludedURLSampler, make_sampler

LOW, HIGH = 1, 2**64 - 1
"""Trace ids that a ratio of one half takes and leaves."""


def parent(*, sampled: bool, remote: bool = True) -> Context:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    span_context = SpanContext(5, 5, remote, flags, TraceState([("vendor", "1")]))
    return trace.set_span_in_context(NonRecordingSpan(span_context), Context())


def takes(sampler: Sampler, context: Context, trace_id: int = LOW, **more: Any) -> bool:
    result = sampler.should_sample(context, trace_id, "span", **more)
    return result.decision is Decision.RECORD_AND_SAMPLE


def excludes(patterns: list[str], attributes: Mapping[str, Any], **more: Any) -> bool:
    sampler = ExcludedURLSampler(ALWAYS_ON, patterns)
    more = {"kind": SpanKind.SERVER, **more}
    return not takes(sampler, Context(), attributes=attributes, **more)


@pytest.mark.parametrize(
    ("name", "low", "high", "below_sampled", "below_unsampled"),
    [
        ("always_on", True, True, True, True),
        ("always_off", False, False, False, False),
        ("traceidratio", True, False, True, True),
        ("parentbased_always_on", True, True, True, False),
        ("parentbased_always_off", False, False, True, False),
        ("parentbased_traceidratio", True, False, True, False),
    ],
)
def test_every_sampler_decides_as_its_name_says(
    name: SamplerName, low: bool, high: bool, below_sampled: bool, below_unsampled: bool
) -> None:
    sampler = make_sampler(TracingOptions(sampler=name, sample_rate=0.5))
    assert takes(sampler, Context(), LOW) is low
    assert takes(sampler, Context(), HIGH) is high
    assert takes(sampler, parent(sampled=True)) is below_sampled
    assert takes(sampler, parent(sampled=False)) is below_unsampled


@pytest.mark.parametrize(("rate", "taken"), [(0.0, False), (1.0, True)])
def test_the_ends_of_the_rate_are_exact(rate: float, taken: bool) -> None:
    sampler = make_sampler(TracingOptions(sample_rate=rate))
    assert takes(sampler, Context(), 0) is taken
    assert takes(sampler, Context(), 2**128 - 1) is taken


STABLE = {"url.scheme": "http", "server.address": "shop.test", "server.port": 8080}
OLD = {"http.scheme": "http", "http.host": "shop.test:8080", "http.target": "/healthz?deep=1"}
OLD_PARTS = {"http.scheme": "http", "net.host.name": "shop.test", "net.host.port": 8080}
OLD_URL = {"http.url": "http://shop.test:8080/healthz?deep=1", "http.target": "/healthz"}


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({**STABLE, "url.path": "/healthz", "url.query": "deep=1"}, id="stable"),
        pytest.param(OLD, id="old"),
        pytest.param({**OLD_PARTS, "http.target": "/healthz?deep=1"}, id="old in parts"),
        pytest.param(OLD_URL, id="old with a URL"),
        pytest.param({"http.url": "http://shop.test:8080/healthz?deep=1"}, id="a URL alone"),
    ],
)
@pytest.mark.parametrize(
    ("pattern", "excluded"),
    [
        ("healthz", True),
        ("health.$", False),
        ("deep=1$", True),
        ("shop\\.test:8080/", True),
        ("^http://shop", True),
        ("/healthz", True),
        ("/health", True),
        ("^/healthz", True),
        ("(?i)/HEALTHZ", True),
        ("(?i)HEALTHZ", True),
        ("HEALTHZ", False),
        ("/ealthz", False),
        ("/z", False),
        ("/shop", False),
        ("other", False),
    ],
)
def test_a_pattern_is_searched_in_the_url_and_a_path_matched_from_its_start(
    attributes: Mapping[str, Any], pattern: str, excluded: bool
) -> None:
    assert excludes([pattern], attributes) is excluded


def test_a_path_pattern_does_not_match_further_down_the_path() -> None:
    assert not excludes(["/healthz"], {"url.path": "/api/healthz"})
    assert excludes(["healthz"], {"url.path": "/api/healthz"})


def test_a_usual_port_is_not_part_of_the_url() -> None:
    stable = {"url.scheme": "https", "server.address": "shop.test", "server.port": 443}
    assert excludes(["https://shop.test/x"], {**stable, "url.path": "/x"})


def test_each_pattern_has_its_own_flags() -> None:
    patterns = ["metrics", "(?i)healthz", "(?x) re ady"]
    assert excludes(patterns, {"url.path": "/HealthZ"})
    assert excludes(patterns, {"url.path": "/ready"})
    assert not excludes(patterns, {"url.path": "/METRICS"})


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"url.path": None},
        {"http.url": "http://[half/healthz"},
        {"http.url": "not a url"},
        {"http.host": "[", "http.target": "//["},
        {"url.path": 5, "server.port": "x"},
        {"url.full": "http://host"},
    ],
)
def test_no_url_that_a_client_can_send_makes_the_sampler_raise(
    attributes: Mapping[str, Any],
) -> None:
    assert not excludes(["nowhere", "/nowhere"], attributes)


@pytest.mark.parametrize(
    "kind", [SpanKind.CLIENT, SpanKind.INTERNAL, SpanKind.PRODUCER, SpanKind.CONSUMER, None]
)
def test_only_server_spans_are_matched(kind: SpanKind | None) -> None:
    assert not excludes(["healthz"], {"url.full": "http://host/healthz"}, kind=kind)


def test_a_server_span_without_attributes_is_not_matched() -> None:
    assert takes(ExcludedURLSampler(ALWAYS_ON, [".*"]), Context(), kind=SpanKind.SERVER)


def test_an_excluded_request_is_dropped_although_its_caller_samples() -> None:
    sampler = make_sampler(TracingOptions(sample_rate=1.0, excluded_urls=("/healthz",)))
    result = sampler.should_sample(
        parent(sampled=True), 5, "GET", SpanKind.SERVER, {"url.path": "/healthz"}
    )
    assert result.decision is Decision.DROP
    assert result.trace_state == TraceState([("vendor", "1")])


@pytest.mark.parametrize("name", ["always_on", "traceidratio", "parentbased_always_on"])
def test_what_happens_below_an_excluded_request_is_dropped_whatever_the_sampler(
    name: SamplerName,
) -> None:
    options = TracingOptions(sampler=name, sample_rate=1.0, excluded_urls=("/healthz",))
    provider = TracerProvider(sampler=make_sampler(options), shutdown_on_exit=False)
    tracer = provider.get_tracer("test")

    def recorded_below(path: str) -> list[bool]:
        with (
            tracer.start_as_current_span(
                "GET", kind=SpanKind.SERVER, attributes={"url.path": path}
            ) as server,
            tracer.start_as_current_span("child") as child,
            tracer.start_as_current_span("call", kind=SpanKind.CLIENT) as call,
        ):
            return [span.is_recording() for span in (server, child, call)]

    assert recorded_below("/healthz") == [False] * 3
    assert recorded_below("/predict") == [True] * 3


def test_a_caller_that_does_not_sample_is_left_to_the_sampler() -> None:
    options = TracingOptions(sampler="always_on", excluded_urls=("/healthz",))
    assert takes(make_sampler(options), parent(sampled=False, remote=True))


def test_the_description_names_the_patterns() -> None:
    options = TracingOptions(sample_rate=1.0, excluded_urls=("/healthz", "metrics"))
    description = make_sampler(options).get_description()
    assert "/healthz, metrics" in description
    assert "ParentBased" in description


def test_the_pattern_that_excludes_a_request_is_found() -> None:
    excluded = ExcludedURLs(["other", "healthz", "/health"])
    assert excluded.find({"url.path": "/healthz"}) == "/health"
    assert excluded.find({"url.path": "/api/healthz"}) == "healthz"
    assert excluded.find({"url.path": "/predict"}) is None


def test_an_empty_pattern_excludes_every_request() -> None:
    assert excludes([""], {"url.path": "/predict"})
