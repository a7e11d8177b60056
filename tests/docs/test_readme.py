"""What the README says is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import bentotrace
from bentotrace.config.options import TracingOptions
from bentotrace.config.schema import section_of
from bentotrace.registry import load

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def _cells() -> str:
    return "\n".join(line for line in README.splitlines() if line.startswith("|"))


@pytest.mark.parametrize("text", _blocks("yaml"))
def test_a_configuration_in_the_readme_is_good(text: str, tmp_path: Path) -> None:
    file = tmp_path / "tracing.yaml"
    file.write_text(text, encoding="utf-8")

    config = bentotrace.load_config(file)

    assert config.exporters
    assert not config.notes


def test_the_python_in_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (yaml, *_) = _blocks("yaml")
    (tmp_path / "tracing.yaml").write_text(yaml, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bentotrace, "configure", bentotrace.build)

    names: dict[str, object] = {}
    for block in _blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
        tracing = names["tracing"]
        assert isinstance(tracing, bentotrace.Tracing)
        tracing.shutdown()


def test_every_common_option_is_in_the_readme_with_its_variables() -> None:
    cells = _cells()
    for path, leaf in section_of(TracingOptions).leaves():
        assert f"`{'.'.join(path)}`" in cells
        for variable in leaf.record.env:
            assert f"`{variable.name}`" in cells


@pytest.mark.parametrize("name", ["jaeger", "otlp", "zipkin"])
def test_every_option_of_an_exporter_is_in_the_readme_with_its_variables(name: str) -> None:
    (cells,) = re.findall(rf"The section `{name}`;.*?\n\n(\|.*?)\n\n", README, re.DOTALL)
    for path, leaf in section_of(load(name).config).leaves():
        assert f"`{'.'.join(path)}`" in cells
        for variable in leaf.record.env:
            suffix = re.sub(f"OTEL_EXPORTER_{name.upper()}_(TRACES_)?", "", variable.name)
            assert f"`…{suffix}`" in cells


@pytest.mark.parametrize("name", ["jaeger", "otlp", "zipkin"])
def test_the_timeouts_of_the_exporters_are_in_the_readme(name: str) -> None:
    for variable in load(name).timeout_env:
        assert f"`{variable.name}`" in _cells()


def test_every_extra_is_in_the_readme() -> None:
    from importlib.metadata import metadata

    cells = _cells()
    for extra in metadata("bentotrace").get_all("Provides-Extra") or ():
        assert f"`{extra}`" in cells
