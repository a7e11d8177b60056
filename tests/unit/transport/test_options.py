from __future__ import annotations

import re

import pytest

from bentotrace.transport.options import HEADERS


@pytest.mark.parametrize(
    ("value", "typed"),
    [
        ({"A": "b"}, {"A": "b"}),
        ([["A", "b"], ["C", "d"]], {"A": "b", "C": "d"}),
    ],
)
def test_a_good_value_is_typed(value: object, typed: object) -> None:
    assert HEADERS.convert(value) == typed
    assert type(HEADERS.convert(value)) is type(typed)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("a=b", "expected a mapping of names to values, or a list of pairs, found text"),
        ({"a b": "c"}, "letters, digits, '-', '_' and '.'; change what follows 'a'"),
        ({" a": "c"}, "a header's name has only letters, digits, '-', '_' and '.'"),
        ({"a: b": None}, "a: its colon is part of the name; write the name, a"),
        ({5: "c"}, "a header's name must be text, in quotes"),
        ({"a": None}, "a: has no value; write one, or leave the header out"),
        ({"a": 5}, "a: expected text, found a number; put it in quotes"),
        ({"a": "b\nc"}, "a: its value contains a line break"),
        ({"a": "b", "A": "c"}, "A: is set twice (names ignore case); keep"),
        ([["a", "b"], ["a", "c"]], "[1]: header a: is set twice (names ignore case)"),
        ([["a"]], "[0]: expected a pair of name and value"),
        ([{"a": "b"}], "[0]: expected a pair of name and value; leave out the dash"),
    ],
)
def test_a_bad_value_is_explained(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        HEADERS.convert(value)


def test_headers_in_a_variable_are_percent_encoded() -> None:
    assert HEADERS.parse("a=b%20c, d=e=f,") == {"a": "b c", "d": "e=f"}
