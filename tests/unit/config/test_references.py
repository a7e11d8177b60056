from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bentotrace.config.load import load_config
from bentotrace.exceptions import ConfigError

from ...golden import Golden

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


def test_an_attribute_that_is_called_env_is_no_reference(load: Load) -> None:
    config = load("tracing: {resource: {attributes: {env: production}}}\n")

    assert config.options.resource.attributes == {"env": "production"}


@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize("kind", ["env", "file"])
def test_all_headers_may_be_in_one_variable_or_file(
    kind: str, protocol: str, load: Load, tmp_path: Path
) -> None:
    (tmp_path / "NAMES").write_text("api-key=a%3Db, team = x y \n")
    text = f"tracing: {{exporter_type: otlp, otlp: {{protocol: {protocol}, {protocol}: "

    config = load(
        f"{text}{{headers: {{{kind}: NAMES}}}}}}}}\n", {"NAMES": "api-key=a%3Db, team = x y"}
    )

    section = getattr(config.exporters[0].options, protocol)
    assert section.headers == {"api-key": "a=b", "team": "x y"}


def test_a_secret_has_no_line_break_at_its_end(load: Load, tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(b"hunter2\r\n")
    start = "tracing:\n  exporter_type: jaeger\n  jaeger:\n    collector_endpoint: http://j\n"

    for reference in ("'${WORD}'", "${WORD}", "{env: WORD}", "{file: password}"):
        text = f"{start}    username: u\n    password: {reference}\n"
        config = load(text, {"WORD": "hunter2\n"})
        assert config.exporters[0].options.password == "hunter2"


@pytest.mark.parametrize(
    ("text", "value"), [("1.10", "1.10"), ("2", "2"), ("${NUMBER}", "1.10"), ("'1.10'", "1.10")]
)
def test_a_version_is_text(text: str, value: str, load: Load) -> None:
    names = {"service.version": text, "build": text, "rate": "0.5", "size": "0x10", "count": "3"}
    lines = "".join(f"      {name}: {written}\n" for name, written in names.items())

    found = load(f"tracing:\n  resource:\n    attributes:\n{lines}", {"NUMBER": "1.10"})

    expected = {"service.version": value, "rate": 0.5, "size": 16, "count": 3}
    expected["build"] = 2 if text == "2" else value
    assert found.options.resource.attributes == expected


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
    "written",
    [
        "{env: NOPE}",
        "{env: BLANK}",
        "{env: 5}",
        "{file: nope}",
        "{file: .}",
        "{file: empty}",
        "{file: binary}",
        "{file: large}",
        '{file: "a\\0b"}',
        "{env: Bearer eyJhbGciOi.SECRET}",
        "{env: eyJhbGciOi.SECRET}",
        "{file: Bearer eyJhbGciOi.SECRET}",
    ],
)
def test_what_brings_nothing_is_a_problem_with_its_place(
    written: str, problems: Problems, tmp_path: Path, golden: Golden
) -> None:
    (tmp_path / "empty").write_bytes(b" \n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    text = f"tracing:\n  exporter_type: console\n  sample_rate: {written}\n"

    found = problems(text, {"BLANK": " "})
    assert "SECRET" not in "\n".join(found)
    golden(found)


def test_a_wrong_value_from_elsewhere_is_told_without_the_value(
    tmp_path: Path, golden: Golden
) -> None:
    (tmp_path / "secret").write_text("marker", encoding="utf-8")
    source = {"sample_rate": {"file": str(tmp_path / "secret")}}

    with pytest.raises(ConfigError) as caught:
        load_config(source, environ={})

    golden(str(caught.value))
