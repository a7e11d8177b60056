"""What the README says is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import bentotrace

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def _cells() -> str:
    return "\n".join(line for line in README.splitlines() if line.startswith("|"))


@pytest.mark.parametrize("text", _blocks("yaml"))
def test_a_configuration_in_the_readme_is_good(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTLP_TOKEN", "Bearer marker")
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
    blocks = _blocks("python")
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
        tracing = names["tracing"]
        assert isinstance(tracing, bentotrace.Tracing)
        tracing.shutdown()


def test_every_extra_is_in_the_readme() -> None:
    from importlib.metadata import metadata

    extras = metadata("bentotrace").get_all("Provides-Extra")
    assert extras

    cells = _cells()
    assert [extra for extra in extras if f"`{extra}`" not in cells] == []
