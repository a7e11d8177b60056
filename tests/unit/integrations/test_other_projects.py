"""What of other projects is used, and where: their insides in one file each."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

import pytest

from bentotrace.integrations.bentoml import hooks

ROOT = Path(__file__).parents[3]
LISTED = {
    "bentotrace/integrations/bentoml/hooks.py": hooks.PRIVATE_NAMES,
    "bentotrace/integrations/otel.py": ("opentelemetry.sdk._configuration:_OTelSDKConfigurator",),
}
# No public way exists: threads are joined before atexit hooks run, and accept() would return a socket
# that gevent has patched.
STANDARD = {
    "bentotrace/threads.py": ["threading:_register_atexit"],
    "bentotrace/testing/http_server.py": ["socket:socket._accept"],
}
NOT_THEIRS = ("__future__", "_thread")
FOR_INTEGRATIONS = (
    "bentoml",
    "_bentoml_impl",
    "_bentoml_sdk",
    "wrapt",
    "opentelemetry.instrumentation",
)


def imported(path: Path) -> Iterator[str]:
    """Return the dotted name of everything that a file imports of other projects."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name for name in names if not name.startswith("bentotrace"))


def sources() -> dict[str, set[str]]:
    """Return what each file of bentotrace and its plugins imports."""
    paths = [*(ROOT / "bentotrace").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]
    found = {str(path.relative_to(ROOT)): set(imported(path)) for path in paths}
    assert {*LISTED, *STANDARD, *CHECKED} <= found.keys()
    return found


def is_private(name: str) -> bool:
    parts = name.split(".")
    return parts[0] not in NOT_THEIRS and any(part.startswith("_") for part in parts)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("name", [name for names in LISTED.values() for name in names])
def test_a_private_name_that_is_used_is_there(name: str) -> None:
    module, _, attribute = name.partition(":")
    project = module.partition(".")[0]
    pytest.importorskip(project, reason=f"it is a name of {project}")
    try:
        attrgetter(attribute)(importlib.import_module(module))
    except (ImportError, AttributeError) as error:
        pytest.fail(f"{name} is gone: {error}")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("name", hooks.PRIVATE_ATTRIBUTES)
def test_a_private_attribute_that_is_read_is_declared(name: str) -> None:
    module, _, attribute = name.partition(":")
    pytest.importorskip("bentoml", reason="it is an attribute of BentoML's")
    class_name, _, attribute = attribute.partition(".")
    owner = getattr(importlib.import_module(module), class_name)
    declared = {name for each in owner.__mro__ for name in getattr(each, "__annotations__", ())}
    # Or it has the name of the argument that becomes it.
    declared.update(inspect.signature(owner.__init__).parameters)

    assert attribute in declared, f"{name} is gone"


@pytest.mark.one_python
def test_private_names_of_other_projects_are_imported_in_their_listed_file_only() -> None:
    for file, names in sources().items():
        listed = [name.replace(":", ".") for name in LISTED.get(file, ())]
        for name in filter(is_private, names):
            assert any(each == name or each.startswith(f"{name}.") for each in listed), (file, name)


@pytest.mark.one_python
def test_frameworks_are_imported_by_integrations_only() -> None:
    for file, names in sources().items():
        if not file.startswith("bentotrace/integrations/"):
            for name in names:
                assert not f"{name}.".startswith(tuple(f"{each}." for each in FOR_INTEGRATIONS)), (
                    file,
                    name,
                )


@pytest.mark.parametrize("name", [name for names in STANDARD.values() for name in names])
def test_a_private_name_of_the_standard_library_that_is_used_is_there(name: str) -> None:
    module, _, attribute = name.partition(":")
    assert callable(attrgetter(attribute)(importlib.import_module(module)))


# Besides the public ones with an underscore.
PUBLIC = {"_asdict", "_exit", "_replace", "_fields"}
# Names of the SDK's spans, which bentotrace/spans/check.py checks, and of servers, without which a
# process ends as it does without bentotrace.
CHECKED = {
    "bentotrace/integrations/bentoml/hooks.py": {"_make_client"},
    "bentotrace/spans/tracer.py": {"_tracer_metrics", "_span_limits", "_on_ending"},
    "bentotrace/spans/processors.py": {"_on_ending"},
    "bentotrace/delivery/process.py": {"_captured_signals"},
}


def read_and_defined(path: Path) -> tuple[set[str], set[str]]:
    """Return the private attributes that a file reads, and the names that it defines."""
    read, defined = set(), set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            defined.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            defined.add(node.id)
        elif isinstance(node, ast.Attribute):
            (read if isinstance(node.ctx, ast.Load) else defined).add(node.attr)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "getattr":
            read.update(str(each.value) for each in node.args if isinstance(each, ast.Constant))
    return {name for name in read if re.match("_[a-z]", name)} - PUBLIC, defined


@pytest.mark.one_python
def test_private_attributes_of_others_are_read_in_their_listed_file_only() -> None:
    found = {file: read_and_defined(ROOT / file) for file in sources()}
    ours = set().union(*(defined for _, defined in found.values()))
    allowed = {
        **CHECKED,
        **{file: {name.rpartition(":")[2] for name in names} for file, names in STANDARD.items()},
    }
    others = {file: read - ours for file, (read, _) in found.items() if read - ours}
    for file, names in others.items():
        assert names <= allowed.get(file, set()), (file, names)
    assert "_register_atexit" in others["bentotrace/threads.py"]


def test_the_private_attribute_of_uvicorn_is_there() -> None:
    uvicorn = pytest.importorskip("uvicorn", reason="it is a name of uvicorn")
    if tuple(map(int, uvicorn.__version__.split(".")[:2])) < (0, 29):
        pytest.skip("older ones do not raise the signal again")
    server = uvicorn.Server(uvicorn.Config(lambda: None))

    assert server._captured_signals == []
