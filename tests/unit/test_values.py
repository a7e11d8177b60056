"""The methods of values: the same results as those that attrs generates."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import attrs
import pytest

from bentotrace.transport.endpoint import Endpoint, parse_endpoint
from bentotrace.values import frozen


class Plain:
    number: int
    text: str = "two"
    unseen: object = attrs.field(default=None, repr=False, eq=False)
    secret: str = attrs.field(default="password", repr=lambda _: "***")


class Empty:
    pass


class Written:
    number: int = 1

    def __repr__(self) -> str:
        return "written"


GENERATED, SHARED = attrs.frozen(Plain), frozen(Plain)


@pytest.mark.parametrize("arguments", [(1,), (1, "three"), ("x", "", object(), "other")])
def test_a_value_is_described_as_attrs_describes_it(arguments: tuple[Any, ...]) -> None:
    assert repr(SHARED(*arguments)) == repr(GENERATED(*arguments))


@pytest.mark.parametrize("plain", [Empty, Written])
def test_a_class_without_fields_or_with_its_own_description_is_no_exception(plain: Any) -> None:
    assert repr(frozen(plain)()) == repr(attrs.frozen(plain)())
    assert frozen(plain)() != attrs.frozen(plain)()
    assert (frozen(plain)() == frozen(plain)()) is False, "these are two classes"


def test_a_nested_class_is_described_without_the_function_around_it() -> None:
    @frozen
    class Inner:
        values: tuple[object, ...] = ()

    assert repr(Inner((1,))) == "Inner(values=(1,))"


def test_a_value_that_contains_itself_is_described() -> None:
    @frozen
    class Node:
        children: list[object]

    node = Node([])
    node.children.append(node)
    assert repr(node) == "Node(children=[...])"


@pytest.mark.parametrize(
    ("one", "other"),
    [((1,), (1,)), ((1,), (2,)), ((1, "a"), (1, "b")), ((1, "a", 3), (1, "a", 4)), ((1,), (1.0,))],
)
def test_values_are_equal_as_those_of_attrs_are(one: Any, other: Any) -> None:
    equal = GENERATED(*one) == GENERATED(*other)
    assert (SHARED(*one) == SHARED(*other)) is equal
    assert (SHARED(*one) != SHARED(*other)) is not equal
    assert (hash(SHARED(*one)) == hash(SHARED(*other))) is equal


def test_values_of_two_classes_are_not_equal() -> None:
    @frozen
    class Derived(SHARED):  # type: ignore[misc, valid-type]
        pass

    assert SHARED(1) != Derived(1)
    assert SHARED(1) != 1
    assert Derived(1) == Derived(1)


def test_a_value_without_a_hash_inside_has_none() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(SHARED([1]))


def test_a_value_can_be_copied_pickled_and_not_be_changed() -> None:
    endpoint = parse_endpoint("http://localhost:4318/v1/traces")
    assert copy.deepcopy(endpoint) == pickle.loads(pickle.dumps(endpoint)) == endpoint
    assert isinstance(endpoint, Endpoint)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        endpoint.host = "other"  # type: ignore[misc]
