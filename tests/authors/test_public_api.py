"""The public API: its differences are in the changelog, its reference is complete and up to date."""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
API = ROOT / "docs" / "public_api.py"


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


api = _load("public_api")
reference = _load("reference")


@pytest.fixture(scope="module")
def now() -> list[str]:
    """The signatures of the checkout."""
    found: list[str] = api.signatures(api.load())
    return found


def test_every_difference_from_the_last_release_is_in_the_changelog(now: list[str]) -> None:
    before = api.last_release().read_text(encoding="utf-8").splitlines()
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    missing = list(api.unmentioned(api.differences(before, now), changelog))
    assert not missing, "name these in the newest part of CHANGELOG.md:\n" + "\n".join(missing)


CHANGES = {
    "an argument is renamed": (
        "plugin.py",
        "def exporter_timeout(text: str)",
        "def exporter_timeout(value: str)",
        "bentotrace.plugin.exporter_timeout",
        "changed",
    ),
    "a field is removed": (
        "plugin.py",
        '    endpoint: str = ""\n',
        "",
        "bentotrace.plugin.BuildContext.endpoint",
        "removed",
    ),
    "a default is removed": (
        "plugin.py",
        "    extra: str | None = None",
        "    extra: str | None",
        "bentotrace.plugin.ExporterPlugin.extra",
        "changed",
    ),
    "an option of a base class is added": (
        "transport/options.py",
        "    headers: dict[str, str] = option(\n        factory=dict, kind=HTTP",
        '    proxy: str = option(default="", help="The proxy.")\n'
        "    headers: dict[str, str] = option(\n        factory=dict, kind=HTTP",
        "bentotrace.transport.options.HTTPClientOptions.proxy",
        "added",
    ),
    "a name is no longer exported": (
        "encoding/__init__.py",
        '    "to_bytes",\n',
        "",
        "bentotrace.encoding.to_bytes",
        "removed",
    ),
    "an attribute of a returned record is renamed": (
        "delivery/status.py",
        "    spooled: int = 0",
        "    on_disk: int = 0",
        "bentotrace.DestinationStatus.spooled",
        "removed",
    ),
    "a duty is renamed": (
        "testing/contract/closing.py",
        "def test_shutdown_twice_is_safe",
        "def test_shutdown_three_times_is_safe",
        "bentotrace.testing.contract.ExporterContract.test_shutdown_twice_is_safe",
        "removed",
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_that_is_not_in_the_changelog_is_found(
    change: tuple[str, str, str, str, str], now: list[str], tmp_path: Path
) -> None:
    file, old, new, name, what = change
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "bentotrace", tmp_path / "bentotrace", ignore=ignored)
    path = tmp_path / "bentotrace" / file
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    found = api.differences(now, api.signatures(api.load(tmp_path)))

    assert found[name].startswith(f"{what}: {name}")
    unmentioned = list(api.unmentioned(found, "# Changelog\n\n## 9.9\n\n- Something else.\n"))
    assert found[name] in unmentioned
    mentioned = f"# Changelog\n\n## 9.9\n\n- `{name}` differs.\n\n## 9.8\n\n- Older.\n"
    assert found[name] not in list(api.unmentioned(found, mentioned))
    # An older part does not count, and neither does the module's name.
    older = f"# Changelog\n\n## 9.9\n\n- `bentotrace.plugin`\n\n## 9.8\n\n- `{name}`\n"
    assert found[name] in list(api.unmentioned(found, older))


def test_the_command_prints_the_differences(now: list[str], tmp_path: Path) -> None:
    for name in ("docs", "bentotrace"):
        ignored = shutil.ignore_patterns("__pycache__", "images")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    folder = tmp_path / api.RELEASES
    folder.mkdir(parents=True)
    (folder / "0.0.9.txt").write_text("bentotrace.gone() -> None\n")
    (folder / "0.0.10.txt").write_text("\n".join(now[1:]))

    done = subprocess.run(
        [sys.executable, tmp_path / "docs" / "public_api.py"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == f"added: {now[0]}\n"


def test_the_reference_is_up_to_date(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        reference.write()
    pages = reference.pages()
    for path, text in pages.items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, (
            f"{path}: --update-golden writes it"
        )
    assert {path.relative_to(ROOT) for path in (ROOT / "docs" / "reference").iterdir()} < set(pages)


def test_every_name_in_the_reference_is_described() -> None:
    attribute = r"^- `\w+`( \(.*\))?$"
    entry = r"^##+ .*\n\n```\w+\n(?:(?!```).*\n)+```\n+(?=#|\Z)"
    bare = re.compile(f"{attribute}|{entry}", re.MULTILINE)
    found = {
        path.name: [each[0] for each in bare.finditer(text)]
        for path, text in reference.pages().items()
    }
    assert not any(found.values()), {name: texts for name, texts in found.items() if texts}


def _imported_names(text: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "bentotrace":
            yield from ((str(node.module), alias.name) for alias in node.names)


def _sources() -> Iterator[tuple[str, str]]:
    """Yield what an author reads: plugins, what ``new-exporter`` writes, examples and pages."""
    for folder in ("plugins", "contrib", "examples"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
    from bentotrace.cli.new_exporter import render_exporter

    for transport in ("http", "grpc", "udp", "none"):
        for name, text in render_exporter("acme", transport, extension=True):
            if str(name).endswith(".py"):
                yield f"{transport}: {name}", text
    for path in sorted((ROOT / "docs").glob("*.md")):
        for number, block in enumerate(re.findall(r"```python\n(.*?)```", path.read_text(), re.S)):
            yield f"{path.name}, block {number}", block


# The commands are public by their names, and main() is how a program runs one.
_ALSO = {("bentotrace.cli", "main")}


def test_authors_need_public_names_only(now: list[str]) -> None:
    public = {re.split(r"[^\w.]", line, maxsplit=1)[0] for line in now}
    checked = 0
    for place, text in _sources():
        for module, name in _imported_names(text):
            checked += 1
            known = module in api.PUBLIC and f"{module}.{name}" in public
            known = known or f"{module}.{name}" in api.PUBLIC or (module, name) in _ALSO
            assert known, f"{place} imports {name} of {module}"
    assert checked > 50
