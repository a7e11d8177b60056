from __future__ import annotations

import enum
import re
from typing import Any, Literal

import pytest

from bentotrace.config.kinds import (
    DURATION,
    HEADERS,
    NAMES,
    PATTERNS,
    Kind,
    kind_of,
    milliseconds,
)
from bentotrace.plugin import exporter_timeout


class Color(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("kind", "value", "typed"),
    [
        (kind_of(bool), True, True),
        (kind_of(int), 5, 5),
        (kind_of(float), 5, 5.0),
        (kind_of(str), "a", "a"),
        (kind_of(int | None), 5, 5),
        (kind_of(str | int), 5, 5),
        (kind_of(Literal["a", "b"]), "b", "b"),
        (kind_of(Color), "red", Color.RED),
        (kind_of(list[int]), [1, 2], [1, 2]),
        (kind_of(tuple[str, ...]), ["a"], ("a",)),
        (kind_of(dict[str, int]), {"a": 1}, {"a": 1}),
        (kind_of(Any), {"a": 1}, {"a": 1}),
        (DURATION, 2, 2.0),
        (DURATION, "500ms", 0.5),
        (DURATION, "2m", 120.0),
        (HEADERS, {"A": "b"}, {"A": "b"}),
        (HEADERS, [["A", "b"], ["C", "d"]], {"A": "b", "C": "d"}),
        (NAMES, "otlp", ("otlp",)),
        (NAMES, ["otlp", "console"], ("otlp", "console")),
        (PATTERNS, "/a, b.*", ("/a", "b.*")),
        (PATTERNS, ["/a{1,2}"], ("/a{1,2}",)),
    ],
)
def test_a_good_value_is_typed(kind: Kind, value: object, typed: object) -> None:
    assert kind.convert(value) == typed
    assert type(kind.convert(value)) is type(typed)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (kind_of(bool), "false", "expected true or false, found text; remove the quotes"),
        (kind_of(bool), 1, "expected true or false, found a number"),
        (kind_of(int), True, "expected a whole number, found true or false"),
        (kind_of(int), "5", "expected a whole number, found text"),
        (kind_of(int), 5.0, "expected a whole number, found a fraction; write 5"),
        (kind_of(float), True, "expected a number, found true or false"),
        (kind_of(float), float("nan"), "expected a finite number"),
        (kind_of(float), 10**400, "the number is too large"),
        (kind_of(str), 5, "expected text, found a number; put it in quotes"),
        (kind_of(str), None, "expected text, found nothing"),
        (kind_of(Literal["grpc", "http"]), "htpp", "must be one of grpc, http; did you mean http?"),
        (kind_of(Literal["grpc", "http"]), 7, "must be one of grpc, http"),
        (kind_of(Color), "blue", "must be one of red"),
        (kind_of(list[int]), [1, "a"], "[1]: expected a whole number, found text"),
        (kind_of(list[int]), "a", "expected a list, found text"),
        (kind_of(dict[str, int]), {"a": "b"}, "a: expected a whole number, found text"),
        (DURATION, -1, "must not be negative"),
        (DURATION, "5", "expected seconds, or text such as 500ms, 10s or 2m"),
        (DURATION, True, "found true or false"),
        (HEADERS, "a=b", "expected a mapping of names to values, or a list of pairs, found text"),
        (HEADERS, {"a b": "c"}, "a header's name is made of letters, digits and dashes"),
        (HEADERS, {"a": 5}, "header a: expected text, found a number; put it in quotes"),
        (HEADERS, {"a": "b\nc"}, "header a: its value holds a line break"),
        (HEADERS, [["a"]], "[0]: expected a pair of name and value"),
        (NAMES, ["a", "a"], "a name is given twice"),
        (NAMES, 5, "expected a name, or a list of names, found a number"),
        (PATTERNS, "([", "[0] is not a regular expression: "),
    ],
)
def test_a_bad_value_is_explained(kind: Kind, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        kind.convert(value)


def test_headers_in_a_variable_are_percent_encoded() -> None:
    assert HEADERS.parse("a=b%20c, d=e=f,") == {"a": "b c", "d": "e=f"}


def test_a_member_whose_value_is_a_number_goes_by_its_name() -> None:
    class Compression(enum.IntEnum):
        NoCompression = 0
        Gzip = 2

    assert kind_of(Compression).convert("gzip") is Compression.Gzip
    with pytest.raises(ValueError, match="must be one of nocompression, gzip; did you mean gzip"):
        kind_of(Compression).convert("gzp")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10", 10.0), ("99.5", 99.5), ("100", 0.1), ("10000", 10.0), ("500ms", 0.5), ("120s", 120.0)],
)
def test_an_exporters_timeout_is_seconds_under_100_and_milliseconds_above(
    text: str, seconds: float
) -> None:
    assert exporter_timeout(text) == seconds


def test_milliseconds_become_seconds() -> None:
    assert milliseconds("1500") == 1.5
