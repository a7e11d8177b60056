"""The regular expressions of the package, found in its source, with how each is used."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path for folder in ("bentotrace", "plugins") for path in (ROOT / folder).rglob("*.py")
)
_USES = {"search", "match", "fullmatch", "split", "findall", "finditer", "sub", "subn"}


@frozen
class Use:
    """One use of one pattern.

    Attributes:
        source: the module's path.
        pattern: its text; source code in angle brackets where it is made while running.
        method: how it is used; "search", the costliest, where that cannot be seen.
    """

    source: str
    pattern: str
    method: str


def find_uses() -> list[Use]:
    return [use for path in SOURCES for use in _uses_in(path)]


def _uses_in(path: Path) -> Iterator[Use]:
    tree = ast.parse(path.read_text("utf-8"))
    source = path.relative_to(ROOT).as_posix()
    constants = {
        name: statement.value
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        for name in _names(statement)
    }
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        assert not (isinstance(node, ast.ImportFrom) and node.module == "re"), source
        if not (isinstance(node, ast.Call) and _is_re(node.func)):
            continue
        assert isinstance(node.func, ast.Attribute)
        if node.func.attr in _USES:
            yield Use(source, _text(node.args[0], constants), node.func.attr)
        elif node.func.attr == "compile":
            for method in _methods(node, parents, tree):
                yield Use(source, _text(node.args[0], constants), method)
        else:
            assert node.func.attr == "escape", (source, node.func.attr)


def _is_re(function: ast.expr) -> bool:
    value = function.value if isinstance(function, ast.Attribute) else None
    return isinstance(value, ast.Name) and value.id == "re"


def _text(argument: ast.expr, constants: dict[str, ast.expr]) -> str:
    if isinstance(argument, ast.Name):
        argument = constants.get(argument.id, argument)
    if isinstance(argument, ast.Constant):
        value = argument.value
        return value.decode() if isinstance(value, bytes) else str(value)
    return f"<{ast.unparse(argument)}>"


def _methods(node: ast.Call, parents: dict[ast.AST, ast.AST], tree: ast.Module) -> set[str]:
    parent = parents[node]
    if isinstance(parent, ast.Attribute):
        return {parent.attr}
    names = set(_names(parent)) if isinstance(parent, ast.Assign) else set()
    used = {
        found.attr
        for found in ast.walk(tree)
        if isinstance(found, ast.Attribute)
        and isinstance(found.value, ast.Name)
        and found.value.id in names
    }
    return used & _USES or {"search"}


def _names(statement: ast.Assign) -> Iterator[str]:
    for target in statement.targets:
        if isinstance(target, ast.Name):
            yield target.id
