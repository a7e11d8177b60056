from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bentotrace.config.load import load_config
from bentotrace.config.yaml import read, resolve_scalar
from bentotrace.exceptions import ConfigError
from bentotrace.problems import Position

from ...golden import Golden

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


@pytest.mark.few_pythons
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; write a tracing: block"),
        (b"# nothing\n", "is empty; write a tracing: block"),
        (b"a: \0", "is a binary file; expected YAML text in UTF-8"),
        (b"a: 1\nb: \xff\n", "2:4: byte 0xff is not UTF-8; save the file as UTF-8"),
        (b"a: " + b"x" * 1024 * 1024, "is larger than 1 MiB, the limit for a configuration"),
        (b"- a\n", "1:1: the top level is a list"),
        (b"hello\n", "1:1: the top level is a single value"),
        (b"a:\n\tb: 1\n", "2:1: the indentation has a tab; indent with spaces"),
        (b"a: [1\n", "1:4: the [ that opens here is not closed; add a ]"),
        (b"a: *b\n", "1:4: a * begins an alias, but no &anchor has this name; put text in quotes"),
        (b"a: 1\n---\nb: 2\n", "2:1: a second document begins here; keep one, and delete ---"),
        (b"a: &x [*x]\n", "is nested too deeply, or an alias contains itself"),
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

    with pytest.raises(ConfigError, match="has more than 5000 values once its aliases"):
        read(write("\n".join(lines)))


def test_a_byte_order_mark_is_no_part_of_the_text(write: Write) -> None:
    assert read(write(b"\xef\xbb\xbfa: 1\n")).root == {"a": 1}


def test_a_missing_file_and_a_directory_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such file$"):
        read(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="the file name is empty; set the variable"):
        read("")
    with pytest.raises(ConfigError, match="-: no such file; standard input is /dev/stdin"):
        read("-")
    with pytest.raises(ConfigError, match="is a directory; name a YAML file"):
        read(tmp_path)


def test_a_missing_file_is_reported_with_the_variable_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    for name in ("BENTOTRACE_CONFIG", "BENTOML_CONFIG"):
        with pytest.raises(ConfigError) as caught:
            load_config(environ={name: "conf/none.yaml"})
        assert str(caught.value) == (
            f"conf/none.yaml: no such file; {name} names it, relative to {tmp_path}"
        )
    with pytest.raises(ConfigError, match=r"no such file; BENTOTRACE_CONFIG names it$"):
        load_config(environ={"BENTOTRACE_CONFIG": str(tmp_path / "none.yaml")})


def test_a_merge_key_fills_in_what_is_not_given(write: Write) -> None:
    text = "base: &base {a: 1, b: 2}\nuse:\n  <<: *base\n  b: 3\nmany:\n  <<: [{a: 5}, *base]\n"

    document = read(write(text))

    assert document.root["use"] == {"a": 1, "b": 3}
    assert document.root["many"] == {"a": 5, "b": 2}
    assert document.values["use", "a"] == Position("f.yaml", 1, 17)


def test_an_anchor_may_be_given_again(write: Write) -> None:
    assert read(write("a: &x 1\nb: &x 2\nc: *x\n")).root == {"a": 1, "b": 2, "c": 2}


def test_a_duplicate_key_in_the_block_names_both_lines(problems: Problems, golden: Golden) -> None:
    text = "tracing:\n  exporter_type: none\n  timeout: 1\n  timeout: 2\n"

    golden(problems(text))


def test_a_second_tracing_block_is_a_duplicate(problems: Problems, golden: Golden) -> None:
    text = "tracing: {exporter_type: none}\ntracing: {exporter_type: console}\n"

    golden(problems(text))


def test_a_tag_in_the_block_is_refused(problems: Problems) -> None:
    text = "tracing:\n  exporter_type: !env NAME\n"

    message = "a ! begins a tag, which is not supported; remove it, or put text in quotes"
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


@pytest.mark.parametrize(
    "text",
    [
        "%YAML 1.3\n---\na: 1\n",
        "# first\n%YAML 1.2\n---\na: 1\n",
        "---\na: 1\n---\n",
        "---\n---\na: 1\n...\n",
        "a: 1\u00a0\n",
        '{"a": 1}',
        "b: &b {a: 1}\n<<: *b\n",
    ],
)
def test_unusual_forms_of_a_file_are_read_as_meant(text: str, write: Write) -> None:
    assert read(write(text.encode())).root["a"] == 1


@pytest.mark.parametrize("text", ['"\\ud83d\\ude80"', "🚀", '"\\U0001f680"'])
def test_two_escapes_of_json_are_one_character(text: str, write: Write) -> None:
    document = read(write(f"{{{text}: {text}}}".encode()))

    assert (document.root, document.faults) == ({"🚀": "🚀"}, ())


def test_a_mapping_that_merges_itself_is_a_fault_at_its_place(write: Write) -> None:
    texts = ("a: &a\n  <<: *a\n", "a: &a\n  b: 1\n  <<: [{c: 1}, *a]\n")

    for text, position in zip(texts, ((1, 4), (1, 4)), strict=True):
        (fault,) = read(write(text)).faults
        assert fault.problem.position[1:] == position
        assert "merges a mapping into itself" in fault.problem.message


def test_a_long_chain_of_merges_is_refused(write: Write) -> None:
    links = "".join(f"a{n}: &a{n} {{<<: *a{n - 1}}}\n" for n in range(1, 300))

    with pytest.raises(ConfigError, match="<< is nested too deeply"):
        read(write(f"a0: &a0 {{b: 1}}\n{links}"))


def test_a_scalar_without_quotes_keeps_its_text(write: Write) -> None:
    assert read(write("a: 1.10\nb: '2'\n")).plain == {("a",): "1.10"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("-", "no such file; standard input is /dev/stdin"),
        ("--", "no such file"),
        ("~/tracing.yaml", "no such file; ~ is not expanded here; write the whole path"),
        ("https://h/t.yaml", "no such file; URLs are not read; download the file"),
        ("file:///tracing.yaml", "no such file; URLs are not read; write a path"),
    ],
)
def test_a_name_that_is_not_read_is_explained(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as raised:
        read(name)
    assert str(raised.value) == f"{name}: {message}"
