from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.trace import Link, SpanContext

from bentotrace.config.load import load_config
from bentotrace.config.options import LimitsOptions, TracingOptions
from bentotrace.pipeline import provider
from bentotrace.pipeline.provider import limit_repeats, make_limits

SDK_LOGGER = logging.getLogger("opentelemetry.attributes")


@pytest.fixture
def cuts() -> Iterator[SpanLimits]:
    limits = make_limits(TracingOptions(max_tag_value_length=5))
    undo = limit_repeats(limits)
    assert undo is not None
    yield limits
    undo()
    undo()


def ended(limits: SpanLimits) -> ReadableSpan:
    tracer = TracerProvider(span_limits=limits, shutdown_on_exit=False).get_tracer("test")
    links = [Link(SpanContext(1, 1, is_remote=True), {"text": "a link's value"})]
    span = tracer.start_span("span", links=links, attributes={"short": "four", "number": 123456})
    span.set_attribute("text", "a span's value")
    span.set_attribute("texts", ["first value", "two"])
    span.add_event("event", {"text": "an event's value"})
    span.end()
    assert isinstance(span, ReadableSpan)
    return span


def test_values_are_cut_everywhere(cuts: SpanLimits) -> None:
    span = ended(cuts)
    assert dict(span.attributes or {}) == {
        "short": "four",
        "number": 123456,
        "text": "a spa",
        "texts": ("first", "two"),
    }
    assert dict(span.events[0].attributes or {}) == {"text": "an ev"}
    assert dict(span.links[0].attributes or {}) == {"text": "a lin"}


def test_cuts_are_logged_once_a_minute_however_many_there_are(
    cuts: SpanLimits, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repeats,) = SDK_LOGGER.filters
    SDK_LOGGER.removeFilter(repeats)
    ended(cuts)
    # The SDK logs them from 1.44 on.
    logs = bool(caplog.records)
    caplog.clear()
    SDK_LOGGER.addFilter(repeats)
    for _ in range(100):
        ended(cuts)
    assert len(caplog.records) == logs
    monkeypatch.setattr(provider, "_REPEAT_SECONDS", 0.0)
    repeats._forget_at = 0.0  # type: ignore[union-attr]
    ended(cuts)
    assert (len(caplog.records) > 2) == logs


def test_the_messages_that_are_remembered_are_bounded(
    cuts: SpanLimits, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3000):
        SDK_LOGGER.warning("another message: %d", number)
    assert len(caplog.records) == 3000
    (repeats,) = SDK_LOGGER.filters
    assert len(repeats._passed) <= 1000  # type: ignore[union-attr]


def test_a_message_that_cannot_be_formatted_is_left_to_the_handlers(cuts: SpanLimits) -> None:
    record = SDK_LOGGER.makeRecord("", logging.WARNING, "", 1, "%d", ("no number",), None)
    assert SDK_LOGGER.filter(record)


def test_everything_else_that_the_sdk_says_of_attributes_is_logged(
    cuts: SpanLimits, caplog: pytest.LogCaptureFixture
) -> None:
    tracer = TracerProvider(span_limits=cuts, shutdown_on_exit=False).get_tracer("test")
    tracer.start_span("span", attributes={"": "no name"}).end()
    SDK_LOGGER.warning("String attribute value exceeds max length of %d, truncating.", 7)
    assert len(caplog.records) == 2


def test_the_sdk_logs_cuts_again_when_the_limit_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    before = list(SDK_LOGGER.filters)
    undo = limit_repeats(make_limits(TracingOptions(max_tag_value_length=5)))
    assert len(SDK_LOGGER.filters) == len(before) + 1
    assert undo is not None
    undo()
    assert SDK_LOGGER.filters == before
    SDK_LOGGER.warning("String attribute value exceeds max length of %d, truncating.", 5)
    assert len(caplog.records) == 1


def test_without_a_limit_nothing_is_cut_and_no_log_is_limited() -> None:
    limits = make_limits(TracingOptions())
    assert limit_repeats(limits) is None
    assert (ended(limits).attributes or {})["text"] == "a span's value"


def test_a_limit_that_the_options_do_not_have_is_not_read_from_the_environment_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3")
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3")
    limits = make_limits(TracingOptions())
    assert (limits.max_attribute_length, limits.max_span_attribute_length) == (None, None)


@pytest.mark.parametrize(
    ("variable", "attribute"),
    [
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "max_span_attributes"),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "max_event_attributes"),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "max_link_attributes"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "max_events"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "max_links"),
    ],
)
def test_counts_come_from_the_environment(variable: str, attribute: str) -> None:
    for text, count in [("7", 7), (" 0 ", 0), ("", 128), ("  ", 128)]:
        config = load_config({"exporter_type": "console"}, environ={variable: text})
        assert getattr(make_limits(config.options), attribute) == count
        assert config.notes == ()
    config = load_config({"exporter_type": "console"}, environ={variable: "many"})
    assert getattr(make_limits(config.options), attribute) == 128
    assert [f"{variable} is ignored: expected a whole number"] == [
        note.message for note in config.notes
    ]


def test_counts_come_from_the_file_below_the_environment() -> None:
    source = {"limits": {"attribute_count": 5, "event_count": 6}}
    config = load_config(source, environ={"OTEL_SPAN_EVENT_COUNT_LIMIT": "7"})
    limits = make_limits(config.options)
    assert (limits.max_span_attributes, limits.max_events) == (5, 7)


def test_the_count_for_all_attributes_is_the_default_of_the_others() -> None:
    environ = {
        "OTEL_ATTRIBUTE_COUNT_LIMIT": "9",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "",
        "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": "4",
    }
    limits = make_limits(load_config({}, environ=environ).options)
    assert limits.max_span_attributes == 9
    assert limits.max_event_attributes == 9
    assert limits.max_link_attributes == 4


def test_what_is_beyond_a_limit_is_counted() -> None:
    limits = make_limits(TracingOptions(limits=LimitsOptions(attribute_count=1)))
    span = ended(limits)
    assert len(span.attributes or {}) == 1
    assert span.dropped_attributes == 3
