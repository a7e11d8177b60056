"""Every installed option is in the schema, in ``explain``, in the page, and among the variables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bentotrace.config.diagnostics import Report
from bentotrace.config.explain import explain
from bentotrace.config.json_schema import json_schema
from bentotrace.config.load import load_config
from bentotrace.config.options import TracingOptions
from bentotrace.discovery import registry
from bentotrace.schema.tree import section_of

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
COMMON = "common"
INSTALLED = [name for name in registry.names() if name != registry.NONE]


def options() -> Iterator[tuple[str, tuple[str, ...], list[str]]]:
    """Return the table of each option, its path there, and the variables that override it."""
    for name in (COMMON, *INSTALLED):
        cls = TracingOptions if name == COMMON else registry.load(name).config
        for path, leaf in section_of(cls).leaves():
            variables = [variable.name for variable in leaf.record.env]
            if (name, path) == (COMMON, ("timeout",)):
                plugins = [registry.load(exporter) for exporter in INSTALLED]
                variables += [found.name for plugin in plugins for found in plugin.timeout_env]
            yield name, path, variables


ALL = list(options())
every_option = pytest.mark.parametrize(
    ("table", "path", "variables"), ALL, ids=[f"{table}-{'.'.join(path)}" for table, path, _ in ALL]
)


@pytest.fixture(scope="module")
def described() -> Mapping[str, Any]:
    report = Report()
    schema = json_schema(report)
    assert report.notes == []
    # Of another process it would come as text.
    block = json.loads(json.dumps(schema))["$defs"]["tracing"]
    found = {COMMON: block["properties"]}
    for condition in block["then"]["allOf"]:
        for name, section in condition["then"]["properties"].items():
            found[name] = section["properties"]
    return found


@pytest.fixture(scope="module")
def explained() -> frozenset[str]:
    # Of what is merged the names are explained, so there must be one.
    block = {"exporter_type": INSTALLED, "resource": {"attributes": {"name": "iris"}}}
    explanation = explain(load_config(block, environ={}))
    destinations = [option for found in explanation.destinations for option in found.options]
    shown = [option.path for option in (*explanation.options, *destinations)]
    return frozenset(path.removesuffix(".name") for path in shown)


@every_option
def test_an_option_is_in_the_schema(
    table: str, path: tuple[str, ...], variables: list[str], described: Mapping[str, Any]
) -> None:
    *above, last = path
    properties = described[table]
    for step in above:
        properties = properties[step]["properties"]

    assert [name for name in variables if name not in properties[last]["description"]] == []


@every_option
def test_an_option_is_explained(
    table: str, path: tuple[str, ...], variables: list[str], explained: frozenset[str]
) -> None:
    full = path if table == COMMON else (table, *path)

    assert ".".join(full) in explained


@every_option
def test_an_option_is_in_the_page_with_its_variables_or_with_none(
    table: str, path: tuple[str, ...], variables: list[str]
) -> None:
    found = re.search(f"<!-- options: {table} -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    assert found is not None
    (row,) = [line for line in found[1].splitlines() if line.startswith(f"| `{'.'.join(path)}` |")]
    *_, last, _ = row.split("|")

    assert re.findall(r"`([A-Z_]+)`", last) == variables
    assert variables or last.strip() == "none"
