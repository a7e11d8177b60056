from __future__ import annotations

import importlib.metadata
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bentotrace.discovery.finder import Claim, Search, find

from .registered import INK, LOAD, found, found_by_the_standard_library, register


def test_the_entry_points_of_the_groups_are_read(place: Any) -> None:
    register(
        place("site"),
        "# written by a tool\n[console_scripts]\nink = acme.cli:main\n\n[bentotrace.exporters]\n"
        " ink=acme_ink : plugin [grpc, http]\n# old = acme_old\nInk.Dry-2 = a.b\n"
        "[bentotrace.extensions]\nwrap = acme_wrap\n",
    )

    assert (
        found()
        == found_by_the_standard_library()
        == [
            ("Ink.Dry-2", "a.b", "bentotrace.exporters"),
            ("ink", "acme_ink : plugin [grpc, http]", "bentotrace.exporters"),
            ("wrap", "acme_wrap", "bentotrace.extensions"),
        ]
    )


@pytest.mark.parametrize("line", ["not an entry point", "acme-pen = acme-pen", "pen = a b [c"])
def test_a_line_that_is_not_an_entry_point_hides_no_other(line: str, place: Any) -> None:
    register(place("site"), f"[console_scripts]\n{line}\n{INK}{line}\n")

    search = Search()

    assert ("ink", "acme_ink:plugin", "bentotrace.exporters") in found()
    assert search.obstacles == []


@pytest.mark.parametrize("value", ["acme-pen", ":plugin", "acme pen", "", "acme:a:b"])
def test_an_invalid_reference_is_told_when_it_is_loaded(value: str, distributions: Any) -> None:
    distributions.add("acme", "acme_ink", "", exporter="ink", value=value or " ")

    said = distributions.run(LOAD, "ink")

    assert said.startswith(f"BrokenPluginError: exporter plugin ink = {value} (acme 1.5) is broken")
    assert f"ValueError: {value!r} is not a module or module:attribute" in said


def test_the_first_distribution_of_a_name_takes_precedence(place: Any) -> None:
    register(
        place("checkout"),
        "[bentotrace.exporters]\nink = new\n",
        "Acme.Ink.egg-info",
        name="acme-ink",
        version="2",
    )
    site = place("site")
    register(site, "[bentotrace.exporters]\nink = old\n", name="Acme_Ink")
    register(site, "[bentotrace.exporters]\npen = pen\n", "pen-1.0.dist-info")

    assert found() == [
        ("ink", "new", "bentotrace.exporters"),
        ("pen", "pen", "bentotrace.exporters"),
    ]


def test_one_without_entry_points_hides_a_later_one_of_its_name(place: Any) -> None:
    register(place("checkout"), None, "acme_ink.egg-info", version="2")
    register(place("site"))

    assert found() == found_by_the_standard_library() == []


def test_a_distribution_that_is_there_twice_is_one_claim(place: Any) -> None:
    register(place("one"))
    register(place("two"))
    register(place("three"), folder="acme_ink-1.0.egg-info")
    register(place("four"), folder="Acme.Ink-1.0.egg-info", name="Acme.Ink")

    (claim,) = Search().claims

    assert str(claim) == "ink = acme_ink:plugin (acme_ink 1.0)"
    assert Path(str(claim.origin.locate_file(""))).name == "one"


@pytest.mark.parametrize("left", ["0.9", "1.0"])
def test_a_directory_that_pip_left_behind_is_ignored(left: str, place: Any) -> None:
    site = place("site")
    register(site)
    register(site, INK, f"~cme_ink-{left}.dist-info", name="acme_ink", version=left)

    search = Search()

    assert [str(claim) for claim in search.claims] == ["ink = acme_ink:plugin (acme_ink 1.0)"]
    assert search.obstacles == []


def test_what_pip_left_of_an_uninstalled_plugin_is_told_to_who_asks_for_it(
    distributions: Any,
) -> None:
    distributions.add("acme-ink", "acme_ink", "", exporter="ink")
    distributions.add("acme-pen", "acme_pen", "raise OSError('found')", exporter="pen")
    info = distributions.directory / "acme_ink-1.5.dist-info"
    info.rename(info.with_name("~cme_ink-1.5.dist-info"))

    said = distributions.run(LOAD, "ink").strip()

    assert said.startswith(
        "UnknownExporterError: no exporter named 'ink'; "
        "installed are console, jaeger, otlp, pen, zipkin; "
    )
    assert said.endswith(
        f"; pip left acme-ink 1.5 behind in {distributions.directory}; "
        "reinstall it, or delete the directories there whose names begin with ~"
    )
    assert "OSError: found" in distributions.run(LOAD, "pen")


def test_a_name_that_the_directory_does_not_have_is_no_leftover(place: Any) -> None:
    register(place("site"), name="something-else")

    assert [claim.distribution for claim in Search().claims] == ["something-else"]


@pytest.mark.parametrize("metadata", [None, b"", b"Name: \xff\xfe\n", b"Version: 1.0\n"], ids=repr)
def test_a_distribution_without_readable_metadata_keeps_its_plugin(
    metadata: bytes | None, place: Any
) -> None:
    site = place("site")
    path = register(site) / "METADATA"
    path.unlink() if metadata is None else path.write_bytes(metadata)
    register(site, "[bentotrace.exporters]\npen = pen\n", "pen-1.0.dist-info")

    ink, pen = Search().claims

    assert str(ink) == f"ink = acme_ink:plugin (no readable metadata, in {site})"
    assert str(pen) == "pen = pen (pen 1.0)"


def test_a_directory_that_lost_its_metadata_makes_no_plugin_ambiguous(place: Any) -> None:
    site = place("site")
    (register(site, folder="acme_ink-0.9.dist-info") / "METADATA").unlink()
    register(site)

    assert [str(claim) for claim in Search().claims] == ["ink = acme_ink:plugin (acme_ink 1.0)"]


@pytest.mark.parametrize(
    "text", [b"[bentotrace.exporters]\npen = \xff\xfe\n", b"\xff[bentotrace.exporters]\npen"]
)
def test_entry_points_that_are_not_text_hide_no_other(place: Any, text: bytes) -> None:
    site = place("site")
    register(site, text, "acme_pen-1.0.dist-info")
    register(site)

    search = Search()

    assert [claim.name for claim in search.claims] == ["ink"]
    (obstacle,) = search.obstacles
    assert obstacle.startswith(f"the entry points of acme_pen 1.0 in {site} cannot be read: 'utf-8")


def test_entry_points_that_are_not_text_are_told_to_who_asks_for_the_plugin(
    distributions: Any,
) -> None:
    distributions.add("acme", "acme_ink", "", exporter="ink")
    (file,) = distributions.directory.glob("*/entry_points.txt")
    file.write_bytes(file.read_bytes() + b"\xff")
    try:
        distributions.run("import opentelemetry.context")
    except AssertionError:
        pytest.skip("this OpenTelemetry does not start where such a file is")

    said = distributions.run(LOAD, "ink")

    where = f"the entry points of acme 1.5 in {distributions.directory} cannot be read: 'utf-8'"
    assert "installed are console, jaeger, otlp, zipkin; " in said
    assert f"; {where}" in said


def test_what_is_hardly_a_distribution_hides_no_other(place: Any) -> None:
    site = place("site")
    register(site, b"[[[\n=\n]", "acme_broken-1.0.dist-info")
    register(site)
    (site / "acme_file-1.0.egg-info").write_text("Name: acme_file\n")
    (site / "acme_empty-1.0.dist-info").mkdir()
    (site / "entry_points-1.0.dist-info" / "entry_points.txt").mkdir(parents=True)
    sys.path.append(str(site / "missing"))

    assert found() == [("ink", "acme_ink:plugin", "bentotrace.exporters")]


def test_loading_imports_the_module_and_finds_the_attribute() -> None:
    def load(value: str) -> object:
        origin = importlib.metadata.distribution("pytest")
        return Claim("ink", value, "bentotrace.exporters", "acme", "1.0", origin).load()

    assert load("os.path") is os.path
    assert load("os : path.join [extra]") is os.path.join
    with pytest.raises(ModuleNotFoundError, match="No module named 'acme_missing'"):
        load("acme_missing:plugin")
    with pytest.raises(AttributeError, match="has no attribute 'missing'"):
        load("os:missing")


def test_this_environment_is_read_as_the_standard_library_reads_it() -> None:
    assert found() == sorted(set(found_by_the_standard_library()))
    assert ("otlp", "bentotrace_otlp", "bentotrace.exporters") in found()


def test_the_metadata_is_read_once() -> None:
    assert find() is find()


lines = st.one_of(
    st.sampled_from(
        ["[bentotrace.exporters]", "[bentotrace.extensions]", "[console_scripts]", "[ a ]", "# x"]
    ),
    st.builds("{}{}={}{}".format, *[st.text(" \tab._-[]:#é", max_size=8)] * 4),
)


@given(st.lists(lines, max_size=12), st.sampled_from(["\n", "\r\n", "\r", "\x0b"]))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_is_read_as_the_standard_library_reads_it(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str
) -> None:
    site = tmp_path_factory.mktemp("site")
    register(site, end.join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(site)])
        try:
            theirs = found_by_the_standard_library()
        except ValueError:
            # From Python 3.15 on, an invalid reference costs it the whole file.
            assert sys.version_info >= (3, 15)
        else:
            assert found() == theirs


def test_a_start_imports_neither_ssl_nor_an_http_library(
    distributions: Any, tmp_path: Path
) -> None:
    file = tmp_path / "tracing.yaml"
    file.write_text("tracing: {exporter_type: otlp, otlp: {protocol: http}}\n")
    script = """
import sys
import opentelemetry.sdk.trace, opentelemetry.sdk.trace.export
before = set(sys.modules)
import bentotrace
bentotrace.build(sys.argv[1]).shutdown()
print(*sorted({"ssl", "urllib3", "http.client"} & (set(sys.modules) - before)))
"""

    assert distributions.run(script, str(file)).strip() == ""
