from __future__ import annotations

import ast
import importlib
import types
from collections.abc import Callable
from pathlib import Path

import pytest

import bentotrace
from bentotrace import exceptions

RunPython = Callable[[str], str]
PACKAGE = Path(bentotrace.__file__).parent
INTEGRATIONS = {
    f"integrations.{path.stem}"
    for path in (PACKAGE / "integrations").iterdir()
    if path.is_dir() or path.suffix == ".py"
    if not path.stem.startswith("_")
}
PUBLIC = ["encoding", "exceptions", "hookspecs", "plugin", "redaction", "transport", "testing"]
TESTING = [
    f"testing.{path.stem}"
    for path in sorted((PACKAGE / "testing").iterdir())
    if "__" not in path.stem
]


def defined_in(module: types.ModuleType) -> set[str]:
    """Name what a module defines, or what a package imports from its own modules, for others."""
    names: set[str] = set()
    assert module.__file__ is not None
    is_package = hasattr(module, "__path__")
    for node in ast.parse(Path(module.__file__).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
        elif is_package and isinstance(node, ast.ImportFrom):
            ours = f"{node.module}.".startswith("bentotrace.")
            names |= {alias.asname or alias.name for alias in node.names if ours}
    return {name for name in names if not name.startswith("_")}


def test_every_public_name_is_there() -> None:
    for name in bentotrace.__all__:
        assert getattr(bentotrace, name).__doc__, name


def test_every_name_in_the_namespace_is_public_or_private_on_purpose() -> None:
    public = {
        name
        for name, value in vars(bentotrace).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }

    imported = {"annotations", "Iterable", "Mapping", "TYPE_CHECKING", "Any"}
    assert public - set(bentotrace.__all__) <= imported


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        bentotrace.nothing  # noqa: B018


@pytest.mark.parametrize("name", [*PUBLIC, *TESTING, "transport.udp", *sorted(INTEGRATIONS)])
def test_what_a_public_module_exports_is_what_it_has(name: str) -> None:
    try:
        module = importlib.import_module(f"bentotrace.{name}")
        missing = [name for name in module.__all__ if not hasattr(module, name)]
    except ImportError as error:
        pytest.skip(str(error))

    assert module.__doc__
    assert len(set(module.__all__)) == len(module.__all__)
    assert missing == []
    assert defined_in(module) - set(module.__all__) == set()


def test_every_error_is_in_the_tree_of_the_docstring() -> None:
    for name in exceptions.__all__:
        assert issubclass(getattr(exceptions, name), exceptions.BentotraceError)
        assert name in (exceptions.__doc__ or "")


def test_importing_bentotrace_imports_nothing_heavy(run_python: RunPython) -> None:
    said = run_python(
        """
        import sys
        import bentotrace
        heavy = {"grpc", "urllib3", "ssl", "requests", "google.protobuf", "pluggy", "cattrs"}
        print(sorted(heavy & set(sys.modules)))
        print([name for name in sys.modules if name.startswith("bentotrace_")])
        """
    )

    assert said.splitlines() == ["[]", "[]"]


def test_building_otlp_over_http_leaves_grpc_out(run_python: RunPython) -> None:
    said = run_python(
        """
        import sys
        import bentotrace
        with bentotrace.build({"exporter_type": "otlp", "otlp": {"protocol": "http"}}):
            print(sorted({"grpc", "google.protobuf", "requests"} & set(sys.modules)))
        """
    )

    assert said == "[]\n"


def test_none_builds_a_pipeline_without_an_exporter(run_python: RunPython) -> None:
    said = run_python(
        """
        import sys
        import bentotrace
        with bentotrace.build({"exporter_type": "none", "sample_rate": 1}) as tracing:
            tracing.provider.get_tracer("test").start_span("one").end()
            print(tracing.status())
        print([name for name in sys.modules if name.startswith("bentotrace_")])
        """
    )

    assert said.splitlines() == ["no destination", "[]"]
