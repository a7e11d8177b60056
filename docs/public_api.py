"""The public API: its modules, its signatures as text, and what differs from the last release.

``python docs/public_api.py --release`` writes the signatures of this version into
``tests/data/public_api/``, ``python docs/public_api.py`` prints what differs from the last ones.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import griffe

ROOT = Path(__file__).parents[1]
RELEASES = Path("tests", "data", "public_api")

PUBLIC = (
    "bentotrace",
    "bentotrace.plugin",
    "bentotrace.hookspecs",
    "bentotrace.exceptions",
    "bentotrace.redaction",
    "bentotrace.encoding",
    "bentotrace.transport",
    "bentotrace.transport.basic_auth",
    "bentotrace.transport.endpoint",
    "bentotrace.transport.exporter",
    "bentotrace.transport.grpc",
    "bentotrace.transport.headers",
    "bentotrace.transport.http",
    "bentotrace.transport.options",
    "bentotrace.transport.splitting",
    "bentotrace.transport.udp",
    "bentotrace.testing",
    "bentotrace.testing.certificates",
    "bentotrace.testing.contract",
    "bentotrace.testing.faults",
    "bentotrace.testing.fixtures",
    "bentotrace.testing.grpc_server",
    "bentotrace.testing.http_server",
    "bentotrace.testing.jaeger_protobuf",
    "bentotrace.testing.jaeger_thrift",
    "bentotrace.testing.otlp",
    "bentotrace.testing.receiver",
    "bentotrace.testing.spans",
    "bentotrace.testing.strategies",
    "bentotrace.testing.udp_server",
    "bentotrace.integrations.asgi",
    "bentotrace.integrations.bentoml",
    "bentotrace.integrations.grpc",
    "bentotrace.integrations.logs",
    "bentotrace.integrations.otel_exporters",
    "bentotrace.integrations.wsgi",
)
"""The modules whose ``__all__`` is public."""

RETURNED = {
    "bentotrace": (
        "bentotrace.delivery.status.Status",
        "bentotrace.delivery.status.DestinationStatus",
        "bentotrace.delivery.status.ErrorStatus",
    ),
    "bentotrace.exceptions": ("bentotrace.problems.Problem", "bentotrace.problems.Position"),
    "bentotrace.testing.fixtures": ("bentotrace.testing.collected.CollectedSpans",),
}
"""Classes of values that the modules return: their attributes and methods are public."""

# Only bentotrace creates these.
_NOT_CREATED = {"Config", "Tracing"}
# What the pipelines of a process call on each other.
_INTERNAL = {
    "after_fork",
    "begin_flush",
    "begin_shutdown",
    "end_flush",
    "end_shutdown",
    "replace_by",
    "sdk_metrics",
}
_NAME = re.compile(r"[\w.]+")


class Entry(NamedTuple):
    """A name of the public API.

    Attributes:
        name: the dotted name by which it is imported, or is an attribute of a class.
        object: the function, class or attribute.
        home: the name of the same object in the module that documents it.
        created: whether users create instances, if it is a class.
    """

    name: str
    object: griffe.Object
    home: str
    created: bool = True

    @property
    def short(self) -> str:
        """The last part of the name."""
        return self.name.rpartition(".")[2]


def load(root: Path = ROOT) -> griffe.Module:
    """Read the package without importing it."""
    loader = griffe.GriffeLoader(
        search_paths=[root], docstring_parser="google", allow_inspection=False
    )
    package = loader.load("bentotrace")
    loader.resolve_aliases(implicit=True, external=False)
    assert isinstance(package, griffe.Module)
    return package


def find(package: griffe.Module, name: str) -> griffe.Object:
    """Return what a dotted name stands for."""
    found = package[name.removeprefix("bentotrace.")] if name != "bentotrace" else package
    return found.final_target if isinstance(found, griffe.Alias) else found


def entries(package: griffe.Module) -> dict[str, list[Entry]]:
    """Return the public names of each module, and the classes of what it returns."""
    found: dict[str, list[Entry]] = {}
    homes: dict[str, str] = {}
    for module in PUBLIC:
        names = [f"{module}.{name}" for name in find(package, module).exports or ()]
        names += RETURNED.get(module, ())
        found[module] = [_entry(package, module, name) for name in names]
        for entry in found[module]:
            if entry.object.path == entry.name or entry.object.path not in homes:
                homes[entry.object.path] = entry.name
    return {
        module: [entry._replace(home=homes[entry.object.path]) for entry in listed]
        for module, listed in found.items()
    }


def _entry(package: griffe.Module, module: str, name: str) -> Entry:
    found = find(package, name)
    short = name.rpartition(".")[2]
    created = not (short in _NOT_CREATED or name in RETURNED.get(module, ()))
    return Entry(f"{module}.{short}", found, f"{module}.{short}", created)


def members(entry: Entry, public: frozenset[str]) -> list[Entry]:
    """Return the public attributes and methods of a class.

    Those of a base class are among them, unless the base class is public itself.

    Args:
        entry: the class.
        public: the paths of the public classes.
    """
    if not isinstance(entry.object, griffe.Class):
        return []
    found = []
    for name, member in entry.object.all_members.items():
        created = name == "__init__" and entry.created
        if (name.startswith("_") or name in _INTERNAL) and not created:
            continue
        target = member.final_target if isinstance(member, griffe.Alias) else member
        if target.parent is not entry.object and target.parent and target.parent.path in public:
            continue
        if isinstance(target, (griffe.Function, griffe.Attribute)):
            path = f"{entry.name}.{name}"
            found.append(Entry(path, target, path))
    return found


def signature(entry: Entry) -> str:
    """Return the dotted name with the signature, in one line."""
    found = entry.object
    if entry.home != entry.name:
        return f"{entry.name} is {entry.home}"
    if isinstance(found, griffe.Function):
        return " ".join(found.signature(return_type=True, name=entry.name).split())
    if isinstance(found, griffe.Class):
        return f"{entry.name} class({', '.join(str(base) for base in found.bases)})"
    annotation = f": {found.annotation}" if found.annotation is not None else ""
    value = "" if found.value is None else " = ..."
    is_short = found.value is not None and len(str(found.value)) <= 80
    if is_short and (isinstance(found.value, str) or (found.parent and found.parent.is_module)):
        value = f" = {found.value}"
    return f"{entry.name}{annotation}{value}"


def signatures(package: griffe.Module) -> list[str]:
    """Return the lines of the whole public API, sorted."""
    listed = [entry for each in entries(package).values() for entry in each]
    public = frozenset(entry.object.path for entry in listed)
    found = set()
    for entry in listed:
        found.add(signature(entry))
        if entry.home == entry.name:
            found |= {signature(member) for member in members(entry, public)}
    return sorted(found)


def last_release(root: Path = ROOT) -> Path:
    """Return the file of the newest version whose signatures were kept."""
    files = (root / RELEASES).glob("*.txt")
    return max(files, key=lambda path: [int(part) for part in path.stem.split(".")])


def differences(before: list[str], now: list[str]) -> dict[str, str]:
    """Return what was added, removed or changed: a line for each dotted name."""
    old, new = _by_name(before), _by_name(now)
    found = {}
    for name in sorted({*old, *new}):
        if name not in new:
            found[name] = f"removed: {old[name]}"
        elif name not in old:
            found[name] = f"added: {new[name]}"
        elif old[name] != new[name]:
            found[name] = f"changed: {old[name]}\n     to: {new[name]}"
    return found


def _by_name(lines: list[str]) -> dict[str, str]:
    return {line[: _NAME.match(line).end()]: line for line in lines}  # type: ignore[union-attr]


def unmentioned(found: dict[str, str], changelog: str) -> Iterator[str]:
    """Yield the differences that the newest part of the changelog does not name.

    A difference is named by its dotted name, or by that of the class or module that it is in.
    """
    newest = re.split(r"^## ", changelog, flags=re.MULTILINE)[1]
    mentioned = {name.rstrip(".") for name in re.findall(r"bentotrace(?:\.\w+)+", newest)}
    for name, line in found.items():
        parts = name.split(".")
        within = {".".join(parts[:length]) for length in range(2, len(parts) + 1)}
        # A change within a module is not named by the module, unless the module is new.
        within -= {module for module in PUBLIC if not line.startswith("added")}
        if not within & mentioned:
            yield line


def version(root: Path = ROOT) -> str:
    """Return the version of a checkout."""
    text = (root / "bentotrace" / "_version.py").read_text(encoding="utf-8")
    return re.findall(r'"(\d[^"]*)"', text)[0]


def _main() -> int:
    now = signatures(load())
    if "--release" in sys.argv[1:]:
        path = ROOT / RELEASES / f"{version()}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join([*now, ""]), encoding="utf-8")
        return 0
    before = last_release().read_text(encoding="utf-8").splitlines()
    print("\n".join(differences(before, now).values()))  # noqa: T201 - a command
    return 0


if __name__ == "__main__":
    sys.exit(_main())
