"""What ``bentotrace new-exporter`` writes passes its own tests, is typed, and becomes a wheel."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bentotrace.cli.new_exporter import render_exporter

Run = Callable[..., str]


@pytest.mark.parametrize("transport", ["http", "grpc", "udp", "none"])
def test_a_new_exporter_is_complete(transport: str, tmp_path: Path, run: Run) -> None:
    extension = ["--extension"] if transport in ("http", "none") else []
    run(
        "bentotrace",
        "new-exporter",
        "acme_cloud",
        "--transport",
        transport,
        *extension,
        cwd=tmp_path,
    )
    folder, installed = tmp_path / "bentotrace-acme-cloud", tmp_path / "installed"

    run("ruff", "check", ".", cwd=folder)
    run("ruff", "format", "--check", ".", cwd=folder)
    run("mypy", cwd=folder)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", cwd=folder)
    (wheel,) = (folder / "dist").glob("bentotrace_acme_cloud-0.1.0-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(installed)
    names = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    assert "bentotrace_acme_cloud/py.typed" in names
    assert not any("receiver" in name or name.startswith("tests") for name in names)

    output = run(sys.executable, "-m", "pytest", "-q", "-rs", cwd=folder, path=installed)
    assert "passed" in output
    listed = run("bentotrace", "plugins", cwd=tmp_path, path=installed)
    assert "acme_cloud" in listed


@pytest.mark.parametrize("transport", ["http", "grpc", "udp", "none"])
def test_the_summary_begins_with_a_capital_as_those_of_bentotrace_do(transport: str) -> None:
    files = dict(render_exporter("acme", transport, extension=False))
    plugin = files["src/bentotrace_acme/__init__.py"]
    assert 'summary="Spans as JSON ' in plugin
    assert plugin.startswith('"""The exporter ``acme``: spans as JSON ')


def test_a_directory_that_exists_is_left_alone(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "bentotrace-acme"
    folder.mkdir()
    output = run("bentotrace", "new-exporter", "acme", cwd=tmp_path, code=1)
    assert "bentotrace-acme exists; name another directory with --output" in output
    assert list(folder.iterdir()) == []
    run("bentotrace", "new-exporter", "acme", "--output", "here", cwd=tmp_path)
    assert (tmp_path / "here" / "pyproject.toml").exists()


@pytest.mark.parametrize("name", ["Acme", "acme-cloud", "1acme", "class", "none", "../acme", ""])
def test_a_name_that_cannot_be_a_package_is_refused(name: str, tmp_path: Path, run: Run) -> None:
    output = run("bentotrace", "new-exporter", name, cwd=tmp_path, code=2)
    assert f"{name!r} is not a name of an exporter" in output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["console", "jaeger", "otlp", "zipkin"])
def test_the_name_of_a_built_in_exporter_is_refused(name: str, tmp_path: Path, run: Run) -> None:
    output = run("bentotrace", "new-exporter", name, cwd=tmp_path, code=2)
    assert f"bentotrace itself has the exporter {name}; choose another name" in output
    assert list(tmp_path.iterdir()) == []
