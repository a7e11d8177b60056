"""A plugin of this repository imports public names only, so it may be a distribution of its own.

Which modules it may import is checked in ``tests/lint``.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "plugins").rglob("*.py"), *(ROOT / "contrib").glob("*/src/**/*.py")])


def _imports(path: Path) -> Iterator[tuple[str, str | None]]:
    """Yield module and name of every import of bentotrace in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            if node.module.split(".")[0] == "bentotrace":
                yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "bentotrace":
                    yield alias.name, None


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_plugin_imports_only_names_that_are_exported(path: Path) -> None:
    for module, name in _imports(path):
        if name is None:
            continue
        loaded = importlib.import_module(module)
        assert name in loaded.__all__, f"{path.name} imports {name}, which {module} keeps private"


def test_there_are_plugins_to_check() -> None:
    assert len(FILES) > 3
    assert any("contrib" in path.parts for path in FILES)
    assert sys.modules.get("plugins") is None
