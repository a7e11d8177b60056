from __future__ import annotations

import enum
import re
from typing import Any, Literal

import pytest
from attrs import frozen

from bentotrace.schema.kinds import Kind
from bentotrace.schema.tree import kind_of


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
    ],
)
def test_a_bad_value_is_explained(kind: Kind, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        kind.convert(value)


def test_a_member_whose_value_is_a_number_goes_by_its_name() -> None:
    class Compression(enum.IntEnum):
        NoCompression = 0
        Gzip = 2

    assert kind_of(Compression).convert("gzip") is Compression.Gzip
    with pytest.raises(ValueError, match="must be one of nocompression, gzip; did you mean gzip"):
        kind_of(Compression).convert("gzp")


@frozen
class Pair:
    name: str
    weight: float


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "a"}, "[1].weight: is required but missing"),
        (
            {"name": "a", "weight": "1"},
            "[1].weight: expected a number, found text; remove the quotes",
        ),
        (
            {"name": "a", "weight": 1, "b": 2},
            "[1].b: unknown option; valid are name, weight",
        ),
    ],
)
def test_a_class_in_a_list_is_read_strictly_too(wrong: object, message: str) -> None:
    kind = kind_of(list[Pair])
    good = {"name": "a", "weight": 1}

    assert kind.convert([good]) == [Pair("a", 1.0)]
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        kind.convert([good, wrong])
