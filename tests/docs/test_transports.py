"""The table of docs/transports.md has a row for each test of the promises, and no others."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import bentotrace

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "transports.md").read_text(encoding="utf-8")
NODES = [
    node
    for file in ("test_promises.py", "test_promises_tls.py")
    for node in ast.walk(ast.parse((ROOT / "tests" / "faults" / file).read_text(encoding="utf-8")))
]
TESTS = {
    node.name: node
    for node in NODES
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
}


def test_every_row_is_a_test_and_every_test_has_a_row() -> None:
    table = PAGE.partition("<!-- promises -->")[2].partition("<!-- end -->")[0]
    rows = [line.split("|") for line in table.splitlines()[3:] if line]
    assert {len(row) for row in rows} == {6}
    assert sorted(row[4].strip(" `") for row in rows) == sorted(TESTS)


@pytest.mark.parametrize("name", TESTS)
def test_every_promise_is_tried_on_every_transport(name: str) -> None:
    assert "transport" in [argument.arg for argument in TESTS[name].args.args]


def test_only_client_certificates_are_tried_on_some_transports_only() -> None:
    narrowed = [
        node.name
        for node in NODES
        if isinstance(node, (ast.ClassDef, ast.FunctionDef))
        and any("transport'" in ast.unparse(decorator) for decorator in node.decorator_list)
    ]
    assert narrowed == ["TestClientCertificates"]


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_a_configuration_in_the_page_is_valid(text: str, tmp_path: Path) -> None:
    file = tmp_path / "tracing.yaml"
    file.write_text(text, encoding="utf-8")
    assert bentotrace.load_config(file).exporters
