from __future__ import annotations

from typing import Any

import pytest

from bentotrace.testing import ReceivedEvent, ReceivedLink, ReceivedSpan
from bentotrace.testing.jaeger import JaegerProcess, JaegerReference, jaeger_span
from bentotrace.testing.receiver import identifier

TRACE, OTHER = "1" * 32, "2" * 32


def received(**changes: Any) -> ReceivedSpan:
    values = {
        "trace_id": TRACE,
        "span_id": "a" * 16,
        "name": "span",
        "start_ns": 1000,
        "duration_ns": 500,
        "process": JaegerProcess("shop", [("host", "h")]),
        **changes,
    }
    return jaeger_span(**values)


def test_tags_become_the_fields_they_came_from() -> None:
    span = received(
        tags=[
            ("n", 1),
            ("span.kind", "producer"),
            ("otel.status_code", "ERROR"),
            ("otel.status_description", "broken"),
            ("error", True),
            ("w3c.tracestate", "a=b"),
        ]
    )
    assert span.attributes == {"n": 1}
    assert (span.kind, span.status, span.status_description) == ("producer", "error", "broken")
    assert span.trace_state == "a=b"
    assert (span.start_ns, span.end_ns) == (1000, 1500)
    assert span.resource == {"host": "h", "service.name": "shop"}


def test_an_error_without_the_status_is_an_attribute() -> None:
    span = received(tags=[("error", True), ("span.kind", "odd")])
    assert (span.status, span.kind) == ("unset", "internal")
    assert span.attributes == {"error": True, "span.kind": "odd"}


def test_the_last_of_two_tags_of_a_key_counts() -> None:
    assert received(tags=[("a", 1), ("a", 2)]).attributes == {"a": 2}


def test_the_first_reference_to_a_parent_in_the_trace_is_the_parent() -> None:
    span = received(
        references=[
            JaegerReference(True, OTHER, "b" * 16),
            JaegerReference(False, TRACE, "c" * 16),
            JaegerReference(True, TRACE, "d" * 16),
            JaegerReference(True, TRACE, "e" * 16),
        ]
    )
    assert span.parent_id == "d" * 16
    assert [link.span_id[0] for link in span.links] == ["b", "c", "e"]


def test_a_reference_to_the_parent_that_a_field_names_too_is_no_link() -> None:
    references = [
        JaegerReference(True, TRACE, "c" * 16),
        JaegerReference(True, TRACE, "b" * 16),
    ]
    span = received(parent_id="b" * 16, references=references)
    assert span.parent_id == "b" * 16
    assert span.links == (ReceivedLink(TRACE, "c" * 16),)


@pytest.mark.parametrize(
    ("fields", "name", "attributes"),
    [
        ([("event", "fell"), ("height", 3)], "fell", {"height": 3}),
        ([("height", 3), ("event", "fell")], "fell", {"height": 3}),
        ([("event", "fell"), ("event", "again")], "fell", {"event": "again"}),
        ([("event", 5)], "", {"event": 5}),
        ([], "", {}),
    ],
)
def test_a_log_is_an_event(fields: Any, name: str, attributes: dict[str, Any]) -> None:
    span = received(logs=[(7, fields)])
    assert span.events == (ReceivedEvent(name, 7, attributes),)


def test_an_identifier_has_its_size_and_is_not_zero() -> None:
    assert identifier(b"\0\1", 2, "id") == "0001"
    for wrong in (b"", b"\1", b"\0\0"):
        with pytest.raises(ValueError, match="id is "):
            identifier(wrong, 2, "id")
