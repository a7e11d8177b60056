from __future__ import annotations

import re
from typing import Any

import pytest
from attrs import frozen, validators

from bentotrace.plugin import option
from bentotrace.schema.tree import Leaf, section_of


@frozen
class Options:
    name: str = option(default="", validator=validators.matches_re("[a-z]*"), help="A name.")
    level: str = option(default="a", validator=validators.in_(["a", "b"]), help="A level.")
    token: str = option(
        default="", secret=True, validator=validators.matches_re("[a-z]*"), help="A secret."
    )
    number: Any = option(default=1, validator=validators.instance_of(int), help="A number.")


def leaf(name: str) -> Leaf:
    found = section_of(Options).child(name)
    assert isinstance(found, Leaf)
    return found


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("name", "HUNTER2", "'name' must match regex '[a-z]*' ('HUNTER2' doesn't)"),
        ("level", "c", "'level' must be in ['a', 'b'] (got 'c')"),
        ("token", "HUNTER2", "is not valid; the reason is hidden because it contains the value"),
        ("token", 5, "expected text, found a number; put it in quotes"),
    ],
)
def test_a_validator_of_attrs_is_told_by_its_message_alone(
    name: str, value: object, message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        leaf(name).check(value)


def test_a_validator_that_raises_another_error_is_told_as_well() -> None:
    with pytest.raises(ValueError, match=r"^'number' must be <class 'int'>"):
        leaf("number").check("a")
