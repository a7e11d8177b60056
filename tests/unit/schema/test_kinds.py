from __future__ import annotations

import re
from pathlib import Path

import pytest

from bentotrace.plugin import exporter_timeout
from bentotrace.schema.kinds import DURATION, NAMES, PATTERNS, Kind, milliseconds
from bentotrace.transport.options import PEM_FILE

from ...permissions import obeyed_permissions


@pytest.mark.parametrize(
    ("kind", "value", "typed"),
    [
        (DURATION, 2, 2.0),
        (DURATION, "500ms", 0.5),
        (DURATION, "2m", 120.0),
        (NAMES, "otlp", ("otlp",)),
        (NAMES, ["otlp", "console"], ("otlp", "console")),
        (PATTERNS, "/a, b.*", ("/a", "b.*")),
        (PATTERNS, ["/a", "b.*"], ("/a", "b.*")),
        (PATTERNS, " /a,, b.*,", ("/a", "b.*")),
        (PATTERNS, [" /a", "", "b.* "], ("/a", "b.*")),
        (PATTERNS, ["/a{1,2}"], ("/a{1,2}",)),
    ],
)
def test_a_good_value_is_typed(kind: Kind, value: object, typed: object) -> None:
    assert kind.convert(value) == typed
    assert type(kind.convert(value)) is type(typed)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (DURATION, -1, "must not be negative"),
        (DURATION, "5", "500ms, 10s or 2m; remove the quotes, or write 5s"),
        (DURATION, "5 seconds", "expected seconds, or text such as 500ms, 10s or 2m"),
        (DURATION, True, "found true or false"),
        (NAMES, ["a", "a"], "a name appears twice"),
        (NAMES, "a,b", "for several names, write a list: [a, b]"),
        (NAMES, 5, "expected a name, or a list of names, found a number"),
        (PATTERNS, "([", "is not a regular expression: "),
        (PATTERNS, "/a,([", "[1]: is not a regular expression: "),
        (PATTERNS, ["/a", 5], "[1]: expected text, found a number; put it in quotes"),
        (PATTERNS, "/a{1,3}", "the comma in {1,3} would separate patterns; write a list instead"),
        (PATTERNS, "*.html", "nothing to repeat at position 0; write .* for anything"),
        (PEM_FILE, 5, "expected text, found a number; put it in quotes"),
        (PEM_FILE, " ", "is empty; name a PEM file, or leave it out"),
        (PEM_FILE, "/nowhere/ca.pem", "no such file: /nowhere/ca.pem"),
        (
            PEM_FILE,
            "nowhere.pem",
            "no such file: nowhere.pem; a relative path starts where the service is",
        ),
        (
            PEM_FILE,
            "~/ca.pem",
            "no such file: ~/ca.pem; ~ is not expanded, so write the whole path",
        ),
        (PEM_FILE, "/", "is a directory; name a PEM file"),
        (PEM_FILE, "a\0b", "the file cannot be read: not a valid path"),
        (PEM_FILE, "/" + "a" * 5000, "the file cannot be read: File name too long"),
        (
            PEM_FILE,
            "-----BEGIN PRIVATE KEY-----",
            "contains the PEM text itself; save it to a file",
        ),
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
    with pytest.raises(ValueError, match="is not a PEM file: no line in it begins with -----BEGIN"):
        PEM_FILE.convert(str(other))
    with (
        obeyed_permissions(),
        pytest.raises(ValueError, match="the file cannot be read: Permission denied"),
    ):
        PEM_FILE.convert(str(unreadable))


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


@pytest.mark.parametrize(
    "pattern",
    ["a{1,9999999999}", "(" * 5000 + ")" * 5000],
    ids=["a large repetition", "many groups"],
)
def test_a_pattern_that_cannot_be_compiled_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="is too large a regular expression"):
        PATTERNS.convert([pattern])
