"""Check which modules import what, beyond the contracts of import-linter in ``pyproject.toml``.

``python tests/lint/imports.py`` prints every violation, a line each, and exits with 1 if there are
any. Imports for type checkers only count, and those within functions.
"""

from __future__ import annotations

import ast
import configparser
import re
import sys
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

PUBLIC = ("encoding", "exceptions", "hookspecs", "plugin", "redaction", "transport")
"""The modules of bentotrace that a plugin of this repository may import."""

CONFINED = ("_bentoml_impl", "_bentoml_sdk", "bentoml", "opentelemetry.instrumentation", "wrapt")
"""What only the integrations may import."""

MODULES = {
    "anyio": ("anyio",),
    "attrs": ("attrs",),
    "bentoml": ("bentoml", "_bentoml_impl", "_bentoml_sdk", "psutil", "pydantic"),
    "cattrs": ("cattrs",),
    "click": ("click",),
    "grpcio": ("grpc",),
    "h11": ("h11",),
    "hypothesis": ("hypothesis",),
    "jinja2": ("jinja2",),
    "opentelemetry-instrumentation": ("opentelemetry.instrumentation",),
    "opentelemetry-instrumentation-asgi": ("opentelemetry.instrumentation.asgi",),
    "opentelemetry-instrumentation-grpc": ("opentelemetry.instrumentation.grpc",),
    "opentelemetry-instrumentation-wsgi": ("opentelemetry.instrumentation.wsgi",),
    "opentelemetry-proto": ("opentelemetry.proto",),
    "opentelemetry-sdk": ("opentelemetry",),
    "pluggy": ("pluggy",),
    "protobuf": ("google.protobuf",),
    "pytest": ("pytest",),
    "rich": ("rich",),
    "ruamel.yaml": ("ruamel.yaml",),
    "starlette": ("starlette",),
    "thrift": ("thrift",),
    "trustme": ("trustme",),
    "uvicorn": ("uvicorn",),
    "wrapt": ("wrapt",),
}
"""The modules that each requirement brings; opentelemetry-sdk brings opentelemetry-api."""


class Import(NamedTuple):
    """One name that a module imports.

    Attributes:
        importer: the module.
        imported: the module that it imports, or a name in another project's module.
        place: file and line.
    """

    importer: str
    imported: str
    place: str


def read_imports(root: Path, *bases: Path) -> list[Import]:
    """Read the imports of every module of a distribution below a checkout's root.

    Args:
        root: the checkout's root.
        bases: the directories that have its packages; by default those of bentotrace.
    """
    modules = {
        ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__"): path
        for base in bases or (root, root / "plugins")
        for top in base.glob("bentotrace*")
        for path in sorted(top.rglob("*.py"))
    }
    return [
        Import(importer, _module_of(name, modules), f"{path.relative_to(root)}:{line}")
        for importer, path in modules.items()
        for name, line in _names(ast.parse(path.read_text(encoding="utf-8")))
    ]


def _names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # Relative imports are not used here; import-linter would read them.
            assert node.level == 0, ast.unparse(node)
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def _module_of(name: str, modules: Iterable[str]) -> str:
    """Strip the attribute from what is imported from a module of ours."""
    above = name.rpartition(".")[0]
    return above if name not in modules and above in modules else name


def _within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def find_circles(imports: Iterable[Import]) -> Iterator[str]:
    """Find a circle of modules, also one that passes through a package's ``__init__``."""
    graph: dict[str, set[str]] = {}
    for importer, imported, _ in imports:
        if imported != importer and imported.startswith("bentotrace"):
            graph.setdefault(importer, set()).add(imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield f"a circle of imports: {' <- '.join(error.args[1])}"


def find_private_imports_of_plugins(imports: Iterable[Import]) -> Iterator[str]:
    """Find what a plugin imports that is not public."""
    public = [f"bentotrace.{name}" for name in PUBLIC]
    for importer, imported, place in imports:
        if importer.startswith("bentotrace_") and _within(imported, "bentotrace"):
            private = any(part.startswith("_") for part in imported.split("."))
            if private or not _within(imported, *public):
                yield f"{place}: a plugin imports {imported}"


def find_confined_imports(imports: Iterable[Import]) -> Iterator[str]:
    """Find imports of what only the integrations may import."""
    for importer, imported, place in imports:
        if _within(imported, *CONFINED) and not _within(importer, "bentotrace.integrations"):
            yield f"{place}: {imported} is imported outside of bentotrace.integrations"


def find_slow_values(imports: Iterable[Import]) -> Iterator[str]:
    """Find classes whose decorator makes starting slower; the testing kit never starts."""
    others = ("bentotrace.values", "bentotrace.testing")
    for importer, imported, place in imports:
        of_ours = _within(importer, "bentotrace") and not _within(importer, *others)
        if of_ours and imported == "attrs.frozen":
            yield f"{place}: attrs.frozen is imported instead of bentotrace.values.frozen"


# In the standard library from Python 3.14 on; runs the hook that imports it.
NOT_INSTALLED = ("annotationlib", "PyInstaller")


def find_undeclared(imports: Iterable[Import], root: Path) -> Iterator[str]:
    """Find imports that no requirement declares, and requirements that nothing imports."""
    parser = configparser.ConfigParser()
    parser.read(root / "setup.cfg", encoding="utf-8")
    required = _requirements(parser["options"]["install_requires"])
    extras = {
        name for text in parser["options.extras_require"].values() for name in _requirements(text)
    }
    used = set()
    for _, imported, place in imports:
        top = imported.split(".")[0]
        if top.startswith("bentotrace") or top in {*sys.stdlib_module_names, *NOT_INSTALLED}:
            continue
        known = [
            (len(module), requirement)
            for requirement, modules in MODULES.items()
            for module in modules
            if _within(imported, module)
        ]
        requirement = max(known)[1] if known else imported
        used.add(requirement)
        if requirement not in required | extras:
            yield f"{place}: {imported} is imported, and setup.cfg does not declare {requirement}"
    for requirement in sorted(required - used):
        yield f"setup.cfg: {requirement} is required, and nothing imports it"


def _requirements(text: str) -> set[str]:
    return set(re.findall(r"^[\w.-]+", text, re.MULTILINE))


def violations(root: Path = ROOT) -> list[str]:
    """List every violation below a checkout's root."""
    imports = read_imports(root)
    # Distributions of their own.
    contributed = [each for base in root.glob("contrib/*/src") for each in read_imports(root, base)]
    return [
        *find_circles([*imports, *contributed]),
        *find_private_imports_of_plugins([*imports, *contributed]),
        *find_confined_imports(imports),
        *find_slow_values(imports),
        *find_undeclared(imports, root),
    ]


if __name__ == "__main__":
    sys.exit("\n".join(violations()) or None)
