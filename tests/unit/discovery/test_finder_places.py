from __future__ import annotations

import importlib
import importlib.metadata
import sys
import zipfile
from pathlib import Path
from typing import Any

import opentelemetry
import pytest

from bentotrace.discovery.finder import BUILT_IN, Search
from bentotrace.hookspecs import EXPORTERS_GROUP

from .registered import LOAD, found, register


def test_the_current_directory_is_read_where_the_path_has_it(
    place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place("here"))
    sys.path[0] = ""
    register(Path())

    assert [str(claim) for claim in Search().claims] == ["ink = acme_ink:plugin (acme_ink 1.0)"]


def test_what_is_not_a_directory_of_the_path_is_ignored(place: Any) -> None:
    register(place("site"))
    sys.path[:0] = [None, b"/bytes", "a\0b", "/missing"]  # type: ignore[list-item]

    assert found() == [("ink", "acme_ink:plugin", "bentotrace.exporters")]


def test_archives_and_eggs_are_read_too(place: Any, tmp_path: Path) -> None:
    register(place("site"))
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.writestr("pen-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: pen\n")
        archive.writestr(
            "pen-1.0.dist-info/entry_points.txt", "[bentotrace.exporters]\npen = pen\n"
        )
    sys.path.append(str(tmp_path / "app.zip"))
    egg = tmp_path / "quill-1.0-py3.11.egg"
    egg.mkdir()
    register(egg, "[bentotrace.exporters]\nquill = quill\n", "EGG-INFO")
    (egg / "EGG-INFO" / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: quill\n")
    sys.path.append(str(egg))

    assert found() == [
        ("ink", "acme_ink:plugin", "bentotrace.exporters"),
        ("pen", "pen", "bentotrace.exporters"),
        ("quill", "quill", "bentotrace.exporters"),
    ]


INK_SOURCE = """
    from attrs import frozen
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter
    from bentotrace.hookspecs import hookimpl
    from bentotrace.plugin import ExporterPlugin, Stability

    @frozen
    class Options:
        pass

    @hookimpl
    def bentotrace_exporter():
        return ExporterPlugin(
            name="ink",
            config=Options,
            create=lambda options, context: ConsoleSpanExporter(),
            summary="Ink",
            stability=Stability.BETA,
        )
"""


def put_into_archive(distributions: Any, name: str, *patterns: str) -> Path:
    archive: Path = distributions.directory / name
    with zipfile.ZipFile(archive, "w") as file:
        for path in [path for pattern in patterns for path in archive.parent.glob(pattern)]:
            file.write(path, path.relative_to(archive.parent))
            path.unlink()
    distributions.directory = archive
    return archive


def test_a_plugin_in_a_wheel_on_the_path_is_loaded(distributions: Any) -> None:
    distributions.add("acme", "acme_ink", INK_SOURCE, exporter="ink")
    put_into_archive(distributions, "acme-1.5-py3-none-any.whl", "*.py", "*/*")

    assert distributions.run(LOAD, "ink") == "ink\n"


def test_a_plugin_in_an_archive_without_metadata_is_explained(distributions: Any) -> None:
    distributions.add("acme", "acme_ink", INK_SOURCE, exporter="ink")
    archive = put_into_archive(distributions, "app.zip", "*.py")

    said = distributions.run(LOAD, "ink")

    assert said.startswith("UnknownExporterError: no exporter named 'ink'; installed are console, ")
    assert said.endswith(
        f"; {archive} has no metadata, so a plugin in it is found only if it is passed as "
        "bentotrace.configure(plugins=[module])\n"
    )


def test_a_plugin_in_an_archive_without_metadata_is_used_if_its_module_is_passed(
    distributions: Any,
) -> None:
    distributions.add("acme", "acme_ink", INK_SOURCE, exporter="ink")
    put_into_archive(distributions, "app.zip", "*.py")

    said = distributions.run(
        """
        import acme_ink, bentotrace
        source = {"exporter_type": "ink", "sample_rate": 1}
        with bentotrace.build(source, plugins=[acme_ink]) as tracing:
            tracing.provider.get_tracer("test").start_span("one").end()
        print("exported", tracing.status().destinations[0].exported)
        """
    )

    assert '"name": "one"' in said
    assert said.endswith("exported 1\n")


def test_the_built_in_exporters_work_without_our_metadata(
    distributions: Any, tmp_path: Path
) -> None:
    add_everything_but_our_metadata(tmp_path)

    said = distributions.run(WITHOUT_METADATA)

    assert said.splitlines() == [
        "console, jaeger, otlp, zipkin, none",
        "exported 1 span of ['one']",
        "no exporter named 'zzz'; installed are console, jaeger, otlp, zipkin; a frozen "
        "application finds a plugin only with its metadata (PyInstaller: --copy-metadata), or if "
        "it is passed as bentotrace.configure(plugins=[module])",
    ]


WITHOUT_METADATA = """
import json, pathlib, sys
sys.frozen = True
sys.path = [place for place in sys.path if not [*pathlib.Path(place).glob("bentotrace*info")]]
import bentotrace
from bentotrace.discovery import registry
print(", ".join(registry.names()))
from bentotrace.testing import ZipkinReceiver
with ZipkinReceiver() as receiver:
    source = {"exporter_type": "zipkin", "sample_rate": 1, "zipkin": {"endpoint": receiver.endpoint}}
    with bentotrace.build(source) as tracing:
        tracing.provider.get_tracer("test").start_span("one").end()
    exported = tracing.status().destinations[0].exported
    print(f"exported {exported} span of {[span.name for span in receiver.spans]}")
try:
    bentotrace.load_config({"exporter_type": "zzz"})
except bentotrace.ConfigError as error:
    print(str(error).partition("exporter_type: ")[2].replace("; of OpenTelemetry's own: otlp_proto_grpc, otlp_proto_http", ""))
"""


def add_everything_but_our_metadata(directory: Path) -> None:
    site = Path(next(iter(opentelemetry.__path__))).parent
    for path in site.iterdir():
        if path.suffix != ".pth" and not path.name.startswith("bentotrace"):
            (directory / path.name).symlink_to(path)
    for name in ("bentotrace", *(f"bentotrace_{name}" for name in BUILT_IN)):
        package = Path(str(importlib.import_module(name).__file__)).parent
        (directory / name).symlink_to(package)


def test_the_list_of_built_in_exporters_is_that_of_the_metadata() -> None:
    points = importlib.metadata.distribution("bentotrace").entry_points
    registered = points.select(group=EXPORTERS_GROUP)

    assert sorted(BUILT_IN) == sorted(point.name for point in registered)
    assert all(point.value == f"bentotrace_{point.name}" for point in registered)


def test_another_finder_of_distributions_is_asked(
    place: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(place("site"))
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    register(hidden, "[bentotrace.exporters]\npen = pen\n", "pen-1.0.dist-info")

    class Finder(importlib.metadata.DistributionFinder):
        def find_spec(self, *_: Any) -> None:
            return None

        def find_distributions(self, *_: Any) -> Any:
            return [importlib.metadata.Distribution.at(hidden / "pen-1.0.dist-info")]

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])

    assert [claim.name for claim in Search().claims] == ["ink", "pen"]
    assert [claim.distribution for claim in Search().claims] == ["acme_ink", "pen"]
