"""A setting has the values of its option from all sources, the highest first."""

from __future__ import annotations

from pathlib import Path

from bentotrace.config.diagnostics import Report
from bentotrace.config.load import load_config
from bentotrace.config.settings import Setting, with_variables
from bentotrace.schema.option import Variable

BLOCK = {"exporter_type": "none", "timeout": 5}


def timeout(**overrides: object) -> Setting:
    return load_config(BLOCK, environ={}, overrides=overrides).setting("timeout")


def values(setting: Setting) -> list[object]:
    return [candidate.value for candidate in setting.candidates]


def test_variables_are_put_below_code_and_above_the_file() -> None:
    environ = {"FIRST": "2", "SECOND": "3"}
    variables = [Variable("FIRST"), Variable("SECOND")]
    found = with_variables(timeout(timeout=1), variables, environ, Report())
    assert values(found) == [1, 2, 3, 5, 10]
    assert (found.value, found.explicit) == (1, found.candidates[0])
    assert values(with_variables(timeout(), variables, environ, Report())) == [2, 3, 5, 10]


def test_a_default_is_not_explicit() -> None:
    found = load_config({"exporter_type": "none"}, environ={}).setting("timeout")
    assert (found.value, found.explicit) == (10, None)


def test_a_merged_value_is_of_all_sources(tmp_path: Path) -> None:
    file = tmp_path / "tracing.yaml"
    file.write_text(
        "tracing:\n  exporter_type: none\n  resource: {attributes: {a: file, b: file}}\n"
    )
    config = load_config(file, environ={"OTEL_RESOURCE_ATTRIBUTES": "b=variable"})
    (found,) = (each for each in config.settings if each.path == ("resource", "attributes"))
    assert found.merged == {"a": "file", "b": "variable"}
    assert config.setting("timeout").merged == 10
