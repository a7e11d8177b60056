from __future__ import annotations

from typing import Any

import pytest

from bentotrace.testing.receiver import take_fields


def test_tags_that_are_fields_are_taken_and_attributes_stay() -> None:
    tags: dict[str, Any] = {
        "http.route": "/",
        "otel.status_code": "ERROR",
        "otel.scope.name": "tracer",
        "otel.library.name": "tracer",
        "otel.scope.version": "1",
        "otel.library.version": "1",
        "otel.dropped_attributes_count": 1,
        "otel.dropped_events_count": "2",
        "otel.dropped_links_count": 3,
    }
    fields = take_fields(tags)
    assert tags == {"http.route": "/"}
    assert (fields["status"], fields["scope_name"], fields["scope_version"]) == (
        "error",
        "tracer",
        "1",
    )
    assert (fields["dropped_attributes"], fields["dropped_events"], fields["dropped_links"]) == (
        1,
        2,
        3,
    )


def test_the_deprecated_names_stand_in() -> None:
    fields = take_fields({"otel.library.name": "old", "otel.library.version": "0"})
    assert (fields["scope_name"], fields["scope_version"]) == ("old", "0")


def test_without_such_tags_the_fields_are_empty() -> None:
    fields = take_fields({})
    assert (fields["status"], fields["scope_name"], fields["dropped_links"]) == ("unset", "", 0)


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"otel.status_code": "UNSET"}, "otel.status_code is 'UNSET'"),
        ({"otel.status_code": 2}, "otel.status_code is 2"),
        ({"otel.scope.name": 1}, "expected a string"),
        ({"otel.scope.name": "a", "otel.library.name": "b"}, "but otel.library.name 'b'"),
        ({"otel.dropped_links_count": -1}, "expected a count"),
        ({"otel.dropped_links_count": True}, "expected a count"),
        ({"otel.dropped_links_count": "1.0"}, "expected a count"),
    ],
)
def test_an_impossible_value_is_an_error(tags: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        take_fields(tags)
