from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bentotrace.config.load import load_config
from bentotrace.exceptions import ConfigError

Load = Callable[..., Any]
Problems = Callable[..., list[str]]


def test_a_variable_stands_for_a_whole_option_and_is_read_as_variables_are(load: Load) -> None:
    text = """
        tracing:
          exporter_type: {env: EXPORTERS}
          sample_rate: {env: RATE}
          timeout: {env: TIMEOUT}
          disabled: {env: OFF}
    """

    options = load(
        text, {"EXPORTERS": "otlp,console", "RATE": "0.5", "TIMEOUT": "3", "OFF": "true"}
    ).options

    assert options.exporter_type == ("otlp", "console")
    assert options.sample_rate == 0.5
    assert options.timeout == 3.0
    assert options.disabled is True


def test_a_file_stands_for_a_secret(load: Load, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("open sesame\n", encoding="utf-8")
    text = """
        tracing:
          exporter_type: jaeger
          jaeger:
            collector_endpoint: http://localhost:14268
            username: {env: WHO}
            password: {file: password}
    """

    options = load(text, {"WHO": "ali"}).exporters[0].options

    assert (options.username, options.password) == ("ali", "open sesame")


@pytest.mark.parametrize(
    "headers", ["{Authorization: {env: TOKEN}}", "[[Authorization, {env: TOKEN}]]"]
)
def test_a_header_takes_its_value_from_a_variable_as_text(headers: str, load: Load) -> None:
    text = f"tracing:\n  exporter_type: otlp\n  otlp:\n    grpc:\n      headers: {headers}\n"

    options = load(text, {"TOKEN": "123"}).exporters[0].options

    assert options.grpc.headers == {"Authorization": "123"}


def test_a_header_or_attribute_that_is_called_env_is_no_reference(load: Load) -> None:
    text = """
        tracing:
          exporter_type: otlp
          resource:
            attributes: {env: production}
          otlp:
            grpc:
              headers: {env: production}
    """

    config = load(text)

    assert config.options.resource.attributes == {"env": "production"}
    assert config.exporters[0].options.grpc.headers == {"env": "production"}


def test_what_is_brought_is_not_read_again(load: Load) -> None:
    text = "tracing:\n  resource:\n    attributes:\n      key: {env: KEY}\n"

    attributes = load(text, {"KEY": "${HOME} {env: X}"}).options.resource.attributes

    assert attributes == {"key": "${HOME} {env: X}"}


def test_code_may_refer_too() -> None:
    config = load_config(
        {"sample_rate": {"env": "RATE"}},
        environ={"RATE": "0.25", "LONG": "7"},
        overrides={"max_tag_value_length": {"env": "LONG"}},
    )

    assert config.options.sample_rate == 0.25
    assert config.options.max_tag_value_length == 7


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{env: NOPE}", "env: variable NOPE is not set; set it, or leave the option out"),
        ("{env: BLANK}", "env: variable BLANK is not set; set it, or leave the option out"),
        ("{env: 5}", "env: expected text; write {env: NAME}"),
        ("{file: nope}", "file: no such file: nope"),
        ("{file: .}", "file: . cannot be read: Is a directory"),
        ("{file: empty}", "file: empty is empty; it should hold one value"),
        ("{file: binary}", "file: binary is not text in UTF-8"),
        ("{file: large}", "file: large is larger than 64 KiB; it should hold one value"),
        ('{file: "a\\0b"}', "file: a\0b cannot be read: it is no path"),
    ],
)
def test_what_brings_nothing_is_a_problem_with_its_place(
    written: str, message: str, problems: Problems, tmp_path: Path
) -> None:
    (tmp_path / "empty").write_bytes(b" \n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    text = f"tracing:\n  exporter_type: console\n  sample_rate: {written}\n"
    column = 16 + written.index(":") + 2

    assert problems(text, {"BLANK": " "}) == [f"3:{column}: tracing.sample_rate.{message}"]


def test_a_wrong_value_from_elsewhere_is_told_without_the_value(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("marker", encoding="utf-8")
    source = {"sample_rate": {"file": str(tmp_path / "secret")}}

    with pytest.raises(ConfigError) as caught:
        load_config(source, environ={})

    assert str(caught.value) == "<mapping>: sample_rate: expected a number"
