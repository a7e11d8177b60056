"""The page of all options is true."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

import bentotrace
from bentotrace.config.options import TracingOptions
from bentotrace.discovery import registry
from bentotrace.schema.tree import section_of

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "configuration.md").read_text(encoding="utf-8")
EXPORTERS = ["console", "jaeger", "otlp", "zipkin"]


@pytest.fixture
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tables", DOCS / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def table(name: str) -> str:
    found = re.search(f"<!-- options: {name} -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_tables_are_what_the_code_says(tables: ModuleType) -> None:
    assert tables.page_of(PAGE) == PAGE, "run python docs/tables.py"


@pytest.mark.parametrize("name", ["common", *EXPORTERS])
def test_every_option_is_there_with_its_variables_and_what_it_says(name: str) -> None:
    cls = TracingOptions if name == "common" else registry.load(name).config
    rows = [line for line in table(name).splitlines() if line.startswith("| `")]
    leaves = list(section_of(cls).leaves())
    assert len(rows) == len(leaves)
    for row, (path, leaf) in zip(rows, leaves, strict=True):
        assert f"`{'.'.join(path)}`" in row
        assert leaf.record.help
        for variable in leaf.record.env:
            assert f"`{variable.name}`" in row


def test_every_installed_exporter_has_its_table() -> None:
    ours = [claim.name for claim in registry.find() if claim.distribution == "bentotrace"]

    assert ours == EXPORTERS
    for name in ours:
        for variable in registry.load(name).timeout_env:
            assert f"`{variable.name}`" in table("common")


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_a_configuration_in_the_page_is_good(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTLP_TOKEN", "Bearer marker")
    file = tmp_path / "tracing.yaml"
    file.write_text(text, encoding="utf-8")

    assert bentotrace.load_config(file).exporters
