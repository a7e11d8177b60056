from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage
from opentelemetry import context as context_api
from opentelemetry import trace as trace_api
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from bentotrace.integrations._requests import (
    ExcludedURLs,
    before_end,
    extract_caller,
    serve_in,
    with_non_recording_span,
)
from bentotrace.pipeline.urls import URLPatterns

# Sampled, and with the flag of the W3C's level 2 that says that the id is random.
PARENT = SpanContext(
    0x5555,
    0x7777,
    is_remote=True,
    trace_flags=TraceFlags(3),
    trace_state=TraceState([("shop", "1")]),
)


def unrecorded(context: Context) -> SpanContext:
    span = trace_api.get_current_span(with_non_recording_span(context))
    assert not span.is_recording()
    return span.get_span_context()


class TestASpanThatIsNotRecorded:
    def test_continues_its_parents_trace(self) -> None:
        context = unrecorded(trace_api.set_span_in_context(NonRecordingSpan(PARENT)))

        assert context.is_valid
        assert context.trace_id == PARENT.trace_id
        assert context.span_id != PARENT.span_id
        assert (context.is_remote, context.trace_flags) == (False, 2)
        assert context.trace_state == PARENT.trace_state

    def test_may_be_the_first_of_a_trace(self) -> None:
        contexts = [unrecorded(Context()) for _ in range(100)]

        assert all(context.is_valid for context in contexts)
        assert len({context.trace_id for context in contexts}) == 100
        assert len({context.span_id for context in contexts}) == 100
        assert max(context.trace_id for context in contexts) >= 1 << 64

    def test_has_the_flags_that_the_sdk_gives_it(self) -> None:
        theirs = TracerProvider(sampler=ALWAYS_OFF).get_tracer("test").start_span("dropped")

        assert unrecorded(Context()).trace_flags == theirs.get_span_context().trace_flags

    def test_has_its_context_as_an_attribute(self) -> None:
        span: Any = trace_api.get_current_span(with_non_recording_span(Context()))

        assert span.context is span.get_span_context()

    def test_leaves_what_else_is_in_the_context(self) -> None:
        context = with_non_recording_span(baggage.set_baggage("customer", "7"))

        assert baggage.get_all(context) == {"customer": "7"}


def test_a_caller_is_known_by_its_headers() -> None:
    headers = [
        (b"traceparent", f"00-{5:032x}-{7:016x}-01".encode()),
        (b"baggage", b"a=1"),
        (b"baggage", b"b=2"),
        (b"other", b"\xff"),
    ]

    context = extract_caller({"type": "http", "headers": headers})

    caller = trace_api.get_current_span(context).get_span_context()
    assert (caller.trace_id, caller.span_id, caller.is_remote) == (5, 7, True)
    assert baggage.get_all(context)["a"] == "1"


@pytest.mark.parametrize("scope", [{}, {"headers": None}, {"headers": [(b"a", b"b")]}])
def test_a_request_without_a_caller_has_an_empty_context(scope: dict[str, Any]) -> None:
    assert extract_caller(scope) == {}


def test_an_application_that_raises_leaves_no_context() -> None:
    async def failing(*_arguments: Any) -> None:
        assert trace_api.get_current_span().get_span_context().is_valid
        raise RuntimeError("failed")

    async def serve() -> None:
        nothing: Any = None
        with pytest.raises(RuntimeError, match="failed"):
            await serve_in(with_non_recording_span(Context()), failing, {}, nothing, nothing)
        assert context_api.get_current() == {}

    asyncio.run(serve())


@pytest.mark.parametrize(
    ("kind", "called"),
    [
        ("lifespan.startup.complete", False),
        ("lifespan.startup.failed", True),
        ("lifespan.shutdown.complete", True),
        ("lifespan.shutdown.failed", True),
    ],
)
def test_the_end_is_sent_when_the_function_was_called(kind: str, called: bool) -> None:
    done: list[str] = []

    async def send(message: Any) -> None:
        done.append(message["type"])

    asyncio.run(before_end(send, lambda: done.append("called"))({"type": kind}))  # type: ignore[arg-type]

    assert done == (["called", kind] if called else [kind])


HOST = "https://iris.test:81"
PATTERNS = ["/healthz", "/a$", "^/$", "healthz", "iris.test:81/a", "https", r"\.test", "z$", "a\\b"]


@pytest.mark.parametrize(
    ("pattern", "path", "excluded"),
    [
        ("/healthz", "/healthz/live", True),
        ("/a$", "/a", True),
        ("/a$", "/ab", False),
        ("/b", "/a/b", False),
        ("/b", "/a", False),
        ("^/$", "/a", False),
        ("iris.test:81/a", "/a", True),
        ("iris.test/b", "/a", False),
        ("https", "/a", True),
        # With a query it would not match.
        ("z$", "/healthz", False),
    ],
)
def test_a_url_is_excluded_where_its_query_does_not_matter(
    pattern: str, path: str, excluded: bool
) -> None:
    urls = ExcludedURLs([pattern])

    for _ in range(2):
        assert urls.url_disabled(HOST + path) is excluded
        assert urls.found() is excluded


@given(st.lists(st.sampled_from(PATTERNS)), st.text("abhelthz/%?", max_size=8))
def test_the_path_decides_as_the_url_does_where_it_is_enough(
    patterns: Sequence[str], path: str
) -> None:
    urls = ExcludedURLs(patterns)

    if not urls.needs_url:
        assert urls.url_disabled(f"/{path}") is ExcludedURLs(patterns).url_disabled(
            f"{HOST}/{path}"
        )


@given(
    st.lists(st.sampled_from(PATTERNS)),
    st.text("abhelthz/", max_size=8),
    st.text("abz?=/$", max_size=4),
)
def test_what_is_excluded_the_sampler_would_drop(
    patterns: Sequence[str], path: str, query: str
) -> None:
    if ExcludedURLs(patterns).url_disabled(f"{HOST}/{path}"):
        request = {"url.full": f"{HOST}/{path}?{query}", "url.path": f"/{path}"}
        assert URLPatterns(patterns).find(request) is not None


def test_urls_are_decided_whenever_they_are_asked_for_and_few_are_kept_for_that() -> None:
    urls = ExcludedURLs(["/a"])
    asked = [HOST + "/a", HOST + "/a" * 300, *(f"{HOST}/a/{number}" for number in range(1000))]

    for _ in range(2):
        assert all(map(urls.url_disabled, asked))
        assert not urls.url_disabled(HOST + "/b")

    kept = vars(urls)["_decided"]
    assert len(kept) == 128
    assert max(map(len, kept)) <= 512


def test_what_was_found_is_of_the_request_that_is_served() -> None:
    urls = ExcludedURLs(["/a"])

    async def serve(path: str) -> bool:
        urls.url_disabled(HOST + path)
        await asyncio.sleep(0)
        return urls.found()

    async def both() -> list[bool]:
        return await asyncio.gather(serve("/a"), serve("/b"))

    assert asyncio.run(both()) == [True, False]
    assert not urls.found()
