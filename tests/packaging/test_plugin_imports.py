"""A built-in plugin could leave for a distribution of its own: it imports public names only."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PUBLIC_MODULES = (
    "bentotrace",
    "bentotrace.encoding",
    "bentotrace.exceptions",
    "bentotrace.hookspecs",
    "bentotrace.plugin",
    "bentotrace.redaction",
)
PUBLIC_PACKAGES = ("bentotrace.transport",)
ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "plugins").rglob("*.py"))


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


def _is_public(module: str) -> bool:
    inside = any(module == p or module.startswith(f"{p}.") for p in PUBLIC_PACKAGES)
    private = any(part.startswith("_") for part in module.split("."))
    return (module in PUBLIC_MODULES or inside) and not private


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_builtin_plugin_imports_only_public_modules(path: Path) -> None:
    assert [module for module, _ in _imports(path) if not _is_public(module)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_builtin_plugin_imports_only_names_that_are_exported(path: Path) -> None:
    for module, name in _imports(path):
        if name is None or not _is_public(module):
            continue
        loaded = importlib.import_module(module)
        assert name in loaded.__all__, f"{path.name} imports {name}, which {module} keeps private"


def test_there_are_plugins_to_check() -> None:
    assert len(FILES) > 3
    assert sys.modules.get("plugins") is None
