from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bentotrace.config.report import Position
from bentotrace.config.yaml import read, resolve_scalar
from bentotrace.exceptions import ConfigError

Problems = Callable[..., list[str]]
Write = Callable[..., str]


def test_keys_and_values_know_their_positions(write: Write) -> None:
    document = read(write("a: 1\nb:\n  - x\n  - c: y\n"))

    assert document.root == {"a": 1, "b": ["x", {"c": "y"}]}
    assert document.keys["b",] == Position("f.yaml", 2, 1)
    assert document.values["a",] == Position("f.yaml", 1, 4)
    assert document.values["b", 1, "c"] == Position("f.yaml", 4, 8)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("yes", "yes"),
        ("on", "on"),
        ("12", 12),
        ("-7", -7),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("1_000", "1_000"),
        ("2026-01-01", "2026-01-01"),
        ("9" * 1000, "9" * 1000),
    ],
)
def test_an_unquoted_scalar_has_the_type_of_yaml_1_2(
    text: str, value: object, write: Write
) -> None:
    assert resolve_scalar(text) == value
    assert type(resolve_scalar(text)) is type(value)
    assert read(write(f"a: {text}\n")).root["a"] == value


def test_a_quoted_scalar_and_a_tagged_one_stay_text(write: Write) -> None:
    assert read(write("a: '5'\nb: \"true\"\nc: !!str 5\n")).root == {
        "a": "5",
        "b": "true",
        "c": "5",
    }


def test_a_mapping_is_copied() -> None:
    source: dict[str, Any] = {"a": {"b": [1]}}
    document = read(source)
    source["a"]["b"].append(2)

    assert document.root == {"a": {"b": [1]}}
    assert str(document.position(("a",))) == "<mapping>"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; write a tracing: block"),
        (b"# nothing\n", "is empty; write a tracing: block"),
        (b"a: \0", "is a binary file; YAML is text in UTF-8"),
        (b"a: 1\nb: \xff\n", "2:4: byte 0xff is not UTF-8; save the file as UTF-8"),
        (b"a: " + b"x" * 1024 * 1024, "is larger than 1 MiB; a configuration is not"),
        (b"- a\n", "1:1: a list stands at the root"),
        (b"hello\n", "1:1: a single value stands at the root"),
        (b"a:\n\tb: 1\n", "2:1: a tab is used to indent; YAML indents with spaces"),
        (b"a: [1\n", "1:4: a [ is opened here and not closed with a ]"),
        (b"a: *b\n", "1:4: a * begins an alias, and no anchor has that name; put text in quotes"),
        (b"a: 1\n---\nb: 2\n", "2:1: a second document begins here; keep one, without ---"),
        (b"a: &x [*x]\n", "is nested too deeply, or an alias holds itself"),
        (b"[" * 5000, "is nested too deeply"),
    ],
    ids=lambda value: str(value[:20]),
)
def test_a_file_that_is_no_configuration_is_explained(
    content: bytes, message: str, write: Write
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(write(content))

    assert len(caught.value.problems) == 1
    assert message in str(caught.value)
    assert str(caught.value).startswith("f.yaml:")


def test_an_alias_bomb_is_refused(write: Write) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]

    with pytest.raises(ConfigError, match="holds more than 5000 values once its aliases"):
        read(write("\n".join(lines)))


def test_a_byte_order_mark_is_no_part_of_the_text(write: Write) -> None:
    assert read(write(b"\xef\xbb\xbfa: 1\n")).root == {"a": 1}


def test_a_missing_file_and_a_directory_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such file$"):
        read(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="the name of the file is empty; is the variable set"):
        read("")
    with pytest.raises(ConfigError, match="-: no such file; standard input is /dev/stdin"):
        read("-")
    with pytest.raises(ConfigError, match="is a directory; name a YAML file"):
        read(tmp_path)


def test_a_merge_key_fills_in_what_is_not_given(write: Write) -> None:
    text = "base: &base {a: 1, b: 2}\nuse:\n  <<: *base\n  b: 3\nmany:\n  <<: [{a: 5}, *base]\n"

    document = read(write(text))

    assert document.root["use"] == {"a": 1, "b": 3}
    assert document.root["many"] == {"a": 5, "b": 2}
    assert document.values["use", "a"] == Position("f.yaml", 1, 17)


def test_an_anchor_may_be_given_again(write: Write) -> None:
    assert read(write("a: &x 1\nb: &x 2\nc: *x\n")).root == {"a": 1, "b": 2, "c": 2}


def test_a_duplicate_key_in_the_block_names_both_lines(problems: Problems) -> None:
    text = "tracing:\n  exporter_type: none\n  timeout: 1\n  timeout: 2\n"

    assert problems(text) == [
        "4:3: tracing.timeout: is given twice, first in line 3; keep one of them"
    ]


def test_a_second_tracing_block_is_a_duplicate(problems: Problems) -> None:
    text = "tracing: {exporter_type: none}\ntracing: {exporter_type: console}\n"

    assert problems(text) == ["2:1: tracing: is given twice, first in line 1; keep one of them"]


def test_a_tag_in_the_block_is_refused(problems: Problems) -> None:
    text = "tracing:\n  exporter_type: !env NAME\n"

    message = "a ! begins a tag, and none is known; remove it, or put text in quotes"
    assert f"2:18: tracing.exporter_type: {message}" in problems(text)


def test_other_sections_of_a_file_are_left_alone(load: Callable[..., Any]) -> None:
    text = """
        runners:
          iris: !custom {a: 1, a: 2}
          iris: 5
        tracing:
          exporter_type: none
    """

    assert load(text).options.exporter_type == ("none",)
