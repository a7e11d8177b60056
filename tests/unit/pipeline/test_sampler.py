from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import (
    Decision,
    ParentBased,
    Sampler,
    TraceIdRatioBased,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, TraceState

import bentotrace
from bentotrace.config.options import SamplerName, TracingOptions
from bentotrace.config.rates import RouteRate
from bentotrace.exceptions import SampleRateError
from bentotrace.pipeline.sampler import RequestSampler, make_sampler

from ...golden import Golden

LOW, HIGH = 1, 2**64 - 1
"""Trace ids that a ratio of one half takes and leaves."""


def parent(*, sampled: bool, remote: bool = True) -> Context:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    span_context = SpanContext(5, 5, remote, flags, TraceState([("vendor", "1")]))
    return trace.set_span_in_context(NonRecordingSpan(span_context), Context())


def takes(sampler: Sampler, context: Context, trace_id: int = LOW, **more: Any) -> bool:
    result = sampler.should_sample(context, trace_id, "span", **more)
    return result.decision is Decision.RECORD_AND_SAMPLE


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


@pytest.mark.parametrize(
    "kind", [SpanKind.CLIENT, SpanKind.INTERNAL, SpanKind.PRODUCER, SpanKind.CONSUMER, None]
)
def test_only_server_spans_are_matched(kind: SpanKind | None) -> None:
    sampler = RequestSampler(
        1.0, excluded_urls=["healthz"], sample_rates=[RouteRate("predict", 0.0)]
    )
    for path in ("/healthz", "/predict"):
        attributes = {"url.full": f"http://host{path}"}
        assert takes(sampler, Context(), kind=kind, attributes=attributes)
        assert not takes(sampler, Context(), kind=SpanKind.SERVER, attributes=attributes)


def test_a_server_span_without_attributes_is_not_matched() -> None:
    sampler = RequestSampler(1.0, excluded_urls=[".*"], sample_rates=[RouteRate(".*", 0.0)])
    assert takes(sampler, Context(), kind=SpanKind.SERVER)


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


@pytest.mark.parametrize("rate", [0.0, 1e-9, 0.1, 1 / 3, 0.5, 0.999, 1.0])
def test_it_takes_the_same_traces_as_the_sampler_of_the_sdk(rate: float) -> None:
    ours, theirs = RequestSampler(rate), ParentBased(TraceIdRatioBased(rate))
    numbers = random.Random(5)
    ids = [numbers.getrandbits(128) for _ in range(500)]
    ids += [TraceIdRatioBased(rate).bound + offset for offset in (-1, 0, 1)]
    parents = [
        Context(),
        *(parent(sampled=s, remote=r) for s in (True, False) for r in (True, False)),
    ]
    for context in parents:
        for trace_id in map(abs, ids):
            mine = ours.should_sample(context, trace_id, "span", attributes={"a": 1})
            other = theirs.should_sample(context, trace_id, "span", attributes={"a": 1})
            assert (mine.decision, mine.attributes) == (other.decision, other.attributes)
            assert (mine.trace_state or None) == (other.trace_state or None)


RATES = (RouteRate("/predict/slow", 0.0), RouteRate("/predict", 1.0), RouteRate("beta", 0.0))


@pytest.mark.parametrize(
    ("path", "low", "high"),
    [
        ("/predict", True, True),
        ("/predict/slow", False, False),
        ("/predict/beta", True, True),
        ("/beta", False, False),
        ("/", True, False),
    ],
)
def test_the_first_rate_that_matches_a_request_counts(path: str, low: bool, high: bool) -> None:
    sampler = make_sampler(TracingOptions(sample_rate=0.5, sample_rates=RATES))
    request = {"kind": SpanKind.SERVER, "attributes": {"url.path": path}}

    assert takes(sampler, Context(), LOW, **request) is low
    assert takes(sampler, Context(), HIGH, **request) is high


@pytest.mark.parametrize("sampled", [True, False])
@pytest.mark.parametrize("path", ["/predict", "/predict/slow"])
def test_a_request_of_a_caller_that_has_decided_keeps_the_decision(
    sampled: bool, path: str
) -> None:
    sampler = make_sampler(TracingOptions(sample_rate=0.5, sample_rates=RATES))
    request = {"kind": SpanKind.SERVER, "attributes": {"url.path": path}}

    assert takes(sampler, parent(sampled=sampled), LOW, **request) is sampled
    assert takes(sampler, parent(sampled=sampled), HIGH, **request) is sampled


def test_what_is_below_a_request_follows_its_rate() -> None:
    options = TracingOptions(sample_rate=0.0, sample_rates=RATES)
    provider = TracerProvider(sampler=make_sampler(options), shutdown_on_exit=False)
    tracer = provider.get_tracer("test")
    with (
        tracer.start_as_current_span(
            "POST", kind=SpanKind.SERVER, attributes={"url.path": "/predict"}
        ),
        tracer.start_as_current_span("child") as child,
    ):
        assert child.is_recording()


def test_an_excluded_request_has_no_rate() -> None:
    options = TracingOptions(sample_rate=1.0, sample_rates=RATES, excluded_urls=("beta",))
    request = {"kind": SpanKind.SERVER, "attributes": {"url.path": "/predict/beta"}}

    assert not takes(make_sampler(options), Context(), **request)


def test_the_description_names_rates_and_patterns(golden: Golden) -> None:
    options = TracingOptions(
        sample_rate=0.5, sample_rates=RATES[1:2], excluded_urls=("/healthz", "metrics")
    )
    golden(make_sampler(options).get_description())


@pytest.fixture
def tracing() -> Iterator[bentotrace.Tracing]:
    with bentotrace.build(
        {
            "exporter_type": "none",
            "sample_rate": 0.0,
            "excluded_urls": "/healthz",
            "sample_rates": [{"match": "/predict", "rate": 1}, {"match": "/quiet", "rate": 0}],
        }
    ) as made:
        yield made


def recorded(tracing: bentotrace.Tracing, path: str = "/") -> bool:
    tracer = tracing.provider.get_tracer("test")
    attributes = {"url.path": path}
    return tracer.start_span("GET", kind=SpanKind.SERVER, attributes=attributes).is_recording()


def test_the_rate_changes_while_the_pipeline_runs(
    tracing: bentotrace.Tracing, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "bentotrace")
    assert not recorded(tracing)

    tracing.set_sample_rate(1)

    assert recorded(tracing)
    assert caplog.messages[-1] == "sample_rate changed from 0 to 1"
    tracing.set_sample_rate(0.0)
    assert not recorded(tracing)


def test_what_is_excluded_or_has_a_rate_of_its_own_keeps_it(tracing: bentotrace.Tracing) -> None:
    for rate in (0.0, 1.0):
        tracing.set_sample_rate(rate)

        assert not recorded(tracing, "/healthz")
        assert not recorded(tracing, "/quiet")
        assert recorded(tracing, "/predict")


def test_a_trace_that_has_begun_keeps_its_decision(tracing: bentotrace.Tracing) -> None:
    tracer = tracing.provider.get_tracer("test")
    with tracer.start_as_current_span("begun before"):
        tracing.set_sample_rate(1.0)
        with tracer.start_as_current_span("child") as child:
            assert not child.is_recording()


def test_threads_that_change_the_rate_leave_one_of_theirs(tracing: bentotrace.Tracing) -> None:
    rates = [index / 8 for index in range(8)]
    threads = [threading.Thread(target=tracing.set_sample_rate, args=(rate,)) for rate in rates]
    for thread in threads:
        thread.start()
    for _ in range(1000):
        recorded(tracing)
    for thread in threads:
        thread.join()

    assert isinstance(tracing.provider, TracerProvider)
    assert isinstance(tracing.provider.sampler, RequestSampler)
    assert tracing.provider.sampler.rate in rates


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        (2, "sample_rate: must be between 0"),
        (-0.1, "sample_rate: must be between 0"),
        (float("nan"), "sample_rate: expected a finite number"),
        (True, "sample_rate: expected a number, found true or false"),
        ("0.5", "sample_rate: expected a number, found text"),
        (None, "sample_rate: expected a number, found nothing"),
    ],
)
def test_what_is_no_rate_is_refused(rate: Any, message: str, tracing: bentotrace.Tracing) -> None:
    with pytest.raises(ValueError, match=message):
        tracing.set_sample_rate(rate)
    assert not recorded(tracing)


@pytest.mark.parametrize(
    "options",
    [
        {"sampler": "parentbased_always_on"},
        {"disabled": True},
    ],
)
def test_a_pipeline_that_uses_no_rate_says_so(options: dict[str, Any], golden: Golden) -> None:
    with bentotrace.build({"exporter_type": "none", **options}) as tracing:
        with pytest.raises(SampleRateError) as caught:
            tracing.set_sample_rate(0.5)
        golden(str(caught.value))


def test_a_pipeline_that_a_fault_disabled_says_so_too() -> None:
    options = {"exporter_type": "oltp", "on_error": "disable"}
    with (
        bentotrace.build(options) as tracing,
        pytest.raises(SampleRateError, match="tracing is disabled; enable it and start again"),
    ):
        tracing.set_sample_rate(0.5)


def test_a_pipeline_that_was_shut_down_says_so_too() -> None:
    tracing = bentotrace.build({"exporter_type": "none"})
    tracing.shutdown()
    with pytest.raises(SampleRateError, match="the pipeline was shut down; start another"):
        tracing.set_sample_rate(0.5)


def test_a_provider_that_was_there_before_keeps_its_rate(run_python: Callable[[str], str]) -> None:
    said = run_python(
        """
        import bentotrace
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider

        trace.set_tracer_provider(TracerProvider())
        for if_exists in ("keep", "attach"):
            with bentotrace.configure({"exporter_type": "none"}, if_exists=if_exists) as tracing:
                try:
                    tracing.set_sample_rate(0.5)
                except bentotrace.SampleRateError as error:
                    print(error)
        """
    )
    assert said.splitlines() == 2 * [
        "the sample rate cannot be changed: the existing provider keeps its own sampler; "
        "change that one"
    ]


@pytest.mark.parametrize(
    ("rate", "context", "dropped"),
    [
        (0, Context(), True),
        (1e-6, Context(), False),
        (1, Context(), False),
        (1, parent(sampled=False), True),
        (0, parent(sampled=True), False),
    ],
)
def test_a_request_is_dropped_for_sure_only_where_no_trace_id_saves_it(
    rate: float, context: Context, dropped: bool
) -> None:
    sampler = RequestSampler(rate, excluded_urls=["/healthz"])

    assert sampler.drops(context, {"url.path": "/predict"}) is dropped
    assert sampler.drops(context, {"url.path": "/healthz"})
