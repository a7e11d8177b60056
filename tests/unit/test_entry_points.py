from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bentotrace.entry_points import EntryPoint, read_entry_points

GROUPS = ("acme.exporters", "acme.extensions")
Triple = tuple[str, str, str]


def ours(groups: Iterable[str] = GROUPS) -> list[Triple]:
    return [(point.name, point.value, point.group) for point in read_entry_points(tuple(groups))]


def theirs(groups: Iterable[str] = GROUPS) -> list[Triple]:
    found = importlib.metadata.distributions()
    seen: dict[str, Any] = {}
    for distribution in found:
        seen.setdefault(distribution.metadata["Name"].lower().replace("_", "-"), distribution)
    return [
        (point.name, point.value, point.group)
        for distribution in seen.values()
        for point in distribution.entry_points
        if point.group in groups
    ]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes directories of ``sys.path``, the later ones behind the earlier ones."""
    monkeypatch.setattr(sys, "path", [os.path.dirname(os.__file__)])

    def place(name: str) -> Path:
        directory = tmp_path / name
        directory.mkdir()
        # Before the standard library.
        sys.path.insert(len(sys.path) - 1, str(directory))
        return directory

    return place


def register(
    directory: Path,
    text: str | bytes = "[acme.exporters]\nink = acme_ink:plugin\n",
    folder: str = "acme_ink-1.0.dist-info",
) -> Path:
    info = directory / folder
    info.mkdir()
    name = Path(folder).stem.partition("-")[0]
    file = "METADATA" if folder.endswith(".dist-info") else "PKG-INFO"
    (info / file).write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    return info


def test_the_entry_points_of_the_groups_are_read(place: Any) -> None:
    register(
        place("site"),
        "# written by a tool\n[console_scripts]\nink = acme.cli:main\n\n"
        "[acme.exporters]\n ink=acme_ink : plugin [grpc, http]\n# old = acme_old\nInk.Dry-2 = a.b\n"
        "not an entry point\n[acme.extensions]\nwrap = acme_wrap\n",
    )
    assert (
        ours()
        == theirs_without_broken_lines()
        == [
            ("ink", "acme_ink : plugin [grpc, http]", "acme.exporters"),
            ("Ink.Dry-2", "a.b", "acme.exporters"),
            ("wrap", "acme_wrap", "acme.extensions"),
        ]
    )


def theirs_without_broken_lines() -> list[Triple]:
    """What the standard library reads when the line that it cannot read is gone."""
    (file,) = Path(sys.path[0]).glob("*/entry_points.txt")
    file.write_text(file.read_text().replace("not an entry point\n", ""))
    return theirs()


def test_the_first_distribution_of_a_name_counts(place: Any) -> None:
    register(place("checkout"), "[acme.exporters]\nink = new\n", "Acme.Ink.egg-info")
    register(place("site"), "[acme.exporters]\nink = old\n", "acme_ink-1.0.dist-info")
    register(Path(sys.path[1]), "[acme.exporters]\npen = pen\n", "pen-1.0.dist-info")
    assert ours() == [("ink", "new", "acme.exporters"), ("pen", "pen", "acme.exporters")]


def test_one_without_entry_points_hides_one_of_its_name_all_the_same(place: Any) -> None:
    (register(place("checkout"), "", "acme_ink.egg-info") / "entry_points.txt").unlink()
    register(place("site"))
    assert ours() == theirs() == []


def test_the_current_directory_is_read_where_the_path_has_it(
    place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place("here"))
    sys.path[0] = ""
    register(Path())
    (point,) = read_entry_points(GROUPS)
    assert point.value == "acme_ink:plugin"
    assert point.dist.metadata["Name"] == "acme_ink"


@pytest.mark.parametrize(
    "text", [b"[acme.exporters]\npen = \xff\xfe\n", b"\xff[acme.exporters]\npen", b"[[[\n=\n]"]
)
def test_a_broken_file_hides_no_other(place: Any, text: bytes) -> None:
    site = place("site")
    register(site, text, "acme_broken-1.0.dist-info")
    register(site)
    (site / "acme_file-1.0.egg-info").write_text("Name: acme_file\n")
    (site / "acme_empty-1.0.dist-info").mkdir()
    sys.path.append(str(site / "missing"))
    assert ("ink", "acme_ink:plugin", "acme.exporters") in ours()


def test_what_is_no_directory_of_the_path_is_passed_over(place: Any) -> None:
    register(place("site"))
    sys.path[:0] = [None, b"/bytes", "a\0b", "/missing"]  # type: ignore[list-item]
    assert ours() == [("ink", "acme_ink:plugin", "acme.exporters")]


def test_what_is_not_in_directories_is_left_to_the_standard_library(
    place: Any, tmp_path: Path
) -> None:
    register(place("site"))
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.writestr("pen-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: pen\n")
        archive.writestr("pen-1.0.dist-info/entry_points.txt", "[acme.exporters]\npen = pen\n")
    sys.path.append(str(tmp_path / "app.zip"))
    egg = tmp_path / "quill-1.0-py3.11.egg"
    egg.mkdir()
    register(egg, "[acme.exporters]\nquill = quill\n", "EGG-INFO")
    (egg / "EGG-INFO" / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: quill\n")
    sys.path.append(str(egg))
    assert sorted(ours()) == [
        ("ink", "acme_ink:plugin", "acme.exporters"),
        ("pen", "pen", "acme.exporters"),
        ("quill", "quill", "acme.exporters"),
    ]


def test_another_finder_of_distributions_is_asked(
    place: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(place("site"))
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    register(hidden, "[acme.exporters]\npen = pen\n", "pen-1.0.dist-info")

    class Finder(importlib.metadata.DistributionFinder):
        def find_spec(self, *_: Any) -> None:
            return None

        def find_distributions(self, *_: Any) -> Any:
            return [importlib.metadata.Distribution.at(hidden / "pen-1.0.dist-info")]

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    points = read_entry_points(GROUPS)
    assert [point.name for point in points] == ["ink", "pen"]
    assert [point.dist.metadata["Name"] for point in points] == ["acme_ink", "pen"]


def test_loading_imports_the_module_and_finds_the_attribute() -> None:
    def load(value: str) -> object:
        return EntryPoint("ink", value, "acme.exporters", "").load()

    assert load("os.path") is os.path
    assert load("os : path.join [extra]") is os.path.join
    with pytest.raises(ModuleNotFoundError, match="No module named 'acme_missing'"):
        load("acme_missing:plugin")
    with pytest.raises(AttributeError, match="has no attribute 'missing'"):
        load("os:missing")
    with pytest.raises(ValueError, match="Empty module name"):
        load(":plugin")


def test_this_environment_is_read_as_the_standard_library_reads_it() -> None:
    groups = sorted(
        {point.group for point in importlib.metadata.distribution("pytest").entry_points}
    )
    groups += ["bentotrace.exporters", "opentelemetry_traces_exporter", "opentelemetry_propagator"]
    found = [(*triple,) for triple in ours(groups)]
    assert sorted(found) == sorted(theirs(groups))
    assert ("otlp", "bentotrace_otlp", "bentotrace.exporters") in found


lines = st.one_of(
    st.sampled_from(
        ["[acme.exporters]", "[acme.extensions]", "[console_scripts]", "[ acme ]", "# x"]
    ),
    st.builds("{}{}={}{}".format, *[st.text(" \tab._-[]:#é", max_size=8)] * 4),
)


@given(st.lists(lines, max_size=12), st.sampled_from(["\n", "\r\n", "\r", "\x0b"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_is_read_as_the_standard_library_reads_it(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str
) -> None:
    site = tmp_path_factory.mktemp("site")
    register(site, end.join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(site)])
        assert ours() == theirs()


def test_a_start_imports_no_metadata_library(tmp_path: Path) -> None:
    file = tmp_path / "tracing.yaml"
    file.write_text("tracing: {exporter_type: otlp, otlp: {protocol: http}}\n")
    script = """
import sys
import opentelemetry.sdk.trace, opentelemetry.sdk.trace.export
before = set(sys.modules)
import bentotrace
bentotrace.build(sys.argv[1]).shutdown()
print(*sorted({"importlib.metadata", "email", "zipfile", "csv", "ssl", "urllib3", "http"}
      & (set(sys.modules) - before)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(file)],
        env={name: value for name, value in os.environ.items() if not name.startswith("OTEL_")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == ""
