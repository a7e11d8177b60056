from __future__ import annotations

import enum
import os
import re
from pathlib import Path
from typing import Any, Literal

import pytest

from bentotrace.config.kinds import (
    DURATION,
    HEADERS,
    NAMES,
    PATTERNS,
    PEM_FILE,
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
        (kind_of(bool), "yes", "expected true or false, found text; write true"),
        (kind_of(bool), "Off", "expected true or false, found text; write false"),
        (kind_of(int), True, "expected a whole number, found true or false"),
        (kind_of(int), "5", "expected a whole number, found text; remove the quotes"),
        (kind_of(int), 5.5, "expected a whole number, found a fraction"),
        (kind_of(int), 5.0, "expected a whole number, found a fraction; write 5"),
        (kind_of(float), True, "expected a number, found true or false"),
        (kind_of(float), "0.5", "expected a number, found text; remove the quotes"),
        (kind_of(float), "0,5", "expected a number, found text; write 0.5"),
        (kind_of(float), "50%", "expected a number, found text; write 0.5"),
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
        (DURATION, "5", "500ms, 10s or 2m; remove the quotes, or write 5s"),
        (DURATION, "5 seconds", "expected seconds, or text such as 500ms, 10s or 2m"),
        (DURATION, True, "found true or false"),
        (HEADERS, "a=b", "expected a mapping of names to values, or a list of pairs, found text"),
        (HEADERS, {"a b": "c"}, "letters, digits and dashes; change what follows 'a'"),
        (HEADERS, {" a": "c"}, "a header's name is made of letters, digits and dashes"),
        (HEADERS, {"a: b": None}, "header a: its colon is part of the name; write the name, a"),
        (HEADERS, {5: "c"}, "a header's name: expected text, found a number"),
        (HEADERS, {"a": None}, "header a: has no value; write one, or leave the header out"),
        (HEADERS, {"a": 5}, "header a: expected text, found a number; put it in quotes"),
        (HEADERS, {"a": "b\nc"}, "header a: its value holds a line break"),
        (HEADERS, [["a"]], "[0]: expected a pair of name and value"),
        (HEADERS, [{"a": "b"}], "[0]: expected a pair of name and value; leave out the dash"),
        (NAMES, ["a", "a"], "a name is given twice"),
        (NAMES, "a,b", "several names are a list; write [a, b]"),
        (NAMES, 5, "expected a name, or a list of names, found a number"),
        (PATTERNS, "([", "is not a regular expression: "),
        (PATTERNS, "/a,([", "[1] is not a regular expression: "),
        (PATTERNS, "*.html", "nothing to repeat at position 0; write .* for anything"),
        (PEM_FILE, 5, "expected text, found a number; put it in quotes"),
        (PEM_FILE, " ", "is empty; name a PEM file, or leave it out"),
        (PEM_FILE, "/nowhere/ca.pem", "no such file"),
        (PEM_FILE, "nowhere.pem", "no such file; a relative path starts where the service is"),
        (PEM_FILE, "~/ca.pem", "no such file; ~ is not expanded, so write the whole path"),
        (PEM_FILE, "/", "is a directory; name a PEM file"),
        (PEM_FILE, "a\0b", "the file cannot be read: it is no path"),
        (PEM_FILE, "/" + "a" * 5000, "the file cannot be read: File name too long"),
        (PEM_FILE, "-----BEGIN PRIVATE KEY-----", "holds what should be in a file; write it into"),
    ],
)
def test_a_bad_value_is_explained(kind: Kind, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        kind.convert(value)


def test_a_pem_file_is_one_that_can_be_read_and_holds_pem(tmp_path: Path) -> None:
    good, other, unreadable = tmp_path / "ca.pem", tmp_path / "ca.der", tmp_path / "key.pem"
    good.write_text("a comment\n-----BEGIN CERTIFICATE-----\n")
    other.write_bytes(b"\x30\x82\x01")
    unreadable.write_text("-----BEGIN PRIVATE KEY-----\n")
    unreadable.chmod(0)

    assert PEM_FILE.convert(f" {good} ") == str(good)
    with pytest.raises(ValueError, match="is no PEM file: no line in it begins with -----BEGIN"):
        PEM_FILE.convert(str(other))
    if os.access(unreadable, os.R_OK):
        pytest.skip("root reads every file")
    with pytest.raises(ValueError, match="the file cannot be read: Permission denied"):
        PEM_FILE.convert(str(unreadable))


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
