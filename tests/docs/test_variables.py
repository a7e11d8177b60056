"""The page of variables has every variable of the installed packages of OpenTelemetry."""

from __future__ import annotations

import ast
import re
from fnmatch import fnmatchcase
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from bentotrace.config.options import TracingOptions
from bentotrace.schema.tree import section_of

PAGE = Path(__file__).parents[2] / "docs" / "variables.md"
PACKAGES = ["api", "sdk", "instrumentation", "util-http"]
ROWS = [line.split("|")[1:-1] for line in PAGE.read_text("utf-8").splitlines() if "`OTEL_" in line]
NAMES = {
    name: row for row in ROWS if len(row) == 3 for name in re.findall(r"`(OTEL_[A-Z_*]+)`", row[0])
}


def row_of(variable: str) -> list[str] | None:
    """Return the row with the longest pattern that a variable matches."""
    found = [name for name in NAMES if fnmatchcase(variable, name)]
    return NAMES[max(found, key=len)] if found else None


@pytest.mark.parametrize("package", PACKAGES)
def test_every_variable_in_the_sources_of_opentelemetry_is_on_the_page(package: str) -> None:
    try:
        files = distribution(f"opentelemetry-{package}").files or []
    except PackageNotFoundError:
        pytest.skip(f"opentelemetry-{package} is not installed")
    variables = {
        node.value
        for file in files
        if file.suffix == ".py"
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if re.fullmatch("OTEL_[A-Z_]+", node.value)
    }

    assert len(variables) >= 4
    assert {name for name in variables if row_of(name) is None} == set()


def test_the_options_are_on_the_page_as_options() -> None:
    leaves = [leaf for _, leaf in section_of(TracingOptions).leaves()]
    variables = {variable.name for leaf in leaves for variable in leaf.record.env}
    otel = {name for name in variables if name.startswith("OTEL_")}

    said = {name: row_of(name) for name in otel}
    assert otel
    assert {name for name, row in said.items() if not row or "option" not in row[2]} == set()
