from __future__ import annotations

import re

import pytest

from bentotrace.config.header_kind import HEADERS


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
        ({"a b": "c"}, "letters, digits and dashes; change what follows 'a'"),
        ({" a": "c"}, "a header's name is made of letters, digits and dashes"),
        ({"a: b": None}, "header a: its colon is part of the name; write the name, a"),
        ({5: "c"}, "a header's name: expected text, found a number"),
        ({"a": None}, "header a: has no value; write one, or leave the header out"),
        ({"a": 5}, "header a: expected text, found a number; put it in quotes"),
        ({"a": "b\nc"}, "header a: its value holds a line break"),
        ({"a": "b", "A": "c"}, "header A: is given twice; capitals make no difference, so keep"),
        ([["a", "b"], ["a", "c"]], "header a: is given twice; capitals make no difference"),
        ([["a"]], "[0]: expected a pair of name and value"),
        ([{"a": "b"}], "[0]: expected a pair of name and value; leave out the dash"),
    ],
)
def test_a_bad_value_is_explained(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        HEADERS.convert(value)


def test_headers_in_a_variable_are_percent_encoded() -> None:
    assert HEADERS.parse("a=b%20c, d=e=f,") == {"a": "b c", "d": "e=f"}
