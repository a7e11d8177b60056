from __future__ import annotations

import configparser
import email
import re
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PACKAGES = {
    "bentotrace",
    "bentotrace_console",
    "bentotrace_jaeger",
    "bentotrace_otlp",
    "bentotrace_zipkin",
}
NOT_AT_RUN_TIME = {"protobuf", "googleapis-common-protos", "requests", "thrift"}


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as file:
        return file.namelist()


def _dist_info(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as file:
        (path,) = [item for item in file.namelist() if item.endswith(f".dist-info/{name}")]
        return file.read(path).decode()


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    return email.message_from_string(_dist_info(wheel, "METADATA"))


def test_the_wheel_holds_the_packages_and_nothing_else(names: list[str]) -> None:
    top = {name.split("/")[0] for name in names}

    assert {name for name in top if not name.endswith(".dist-info")} == PACKAGES


def test_every_module_of_the_source_is_in_the_wheel(names: list[str], root: Path) -> None:
    sources = {
        str(path.relative_to(base))
        for base in (root, root / "plugins")
        for package in PACKAGES
        for path in (base / package).rglob("*.py")
    }

    assert sources <= set(names)


def test_the_templates_of_an_exporter_are_in_the_wheel(names: list[str], root: Path) -> None:
    templates = {str(path.relative_to(root)) for path in (root / "bentotrace").rglob("*.jinja")}

    assert len(templates) > 10
    assert templates <= set(names)


def test_the_wheel_says_that_it_is_typed(names: list[str]) -> None:
    assert "bentotrace/py.typed" in names


def test_the_wheel_is_for_every_platform(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")


def test_the_entry_points_are_there(wheel: Path) -> None:
    parser = configparser.ConfigParser()
    parser.read_string(_dist_info(wheel, "entry_points.txt"))

    assert dict(parser["console_scripts"]) == {"bentotrace": "bentotrace.cli:main"}
    assert dict(parser["bentotrace.exporters"]) == {
        "console": "bentotrace_console",
        "jaeger": "bentotrace_jaeger",
        "otlp": "bentotrace_otlp",
        "zipkin": "bentotrace_zipkin",
    }
    otel = "bentotrace.integrations.otel"
    for group, value in {
        "configurator": f"{otel}:Configurator",
        "distro": f"{otel}:make_distro",
        "environment_variables": f"{otel}_environment",
        "pre_instrument": f"{otel}:warn_when_passed_over",
    }.items():
        assert dict(parser[f"opentelemetry_{group}"]) == {"bentotrace": value}


def test_the_extras_have_the_names_people_know(metadata: Message) -> None:
    extras = set(metadata.get_all("Provides-Extra") or ())

    exporters = {"jaeger", "otlp", "zipkin"}
    known = {"all", "bentoml", "cli", "demo", "grpc", "instrument", "testing", "ui", "upstream"}
    assert known <= extras
    assert exporters <= extras
    assert {f"tracing-{name}" for name in exporters} <= extras


def test_nothing_that_fights_over_versions_is_required(metadata: Message) -> None:
    required = {
        Requirement(text).name
        for text in metadata.get_all("Requires-Dist") or ()
        if "extra ==" not in text
    }

    assert not required & NOT_AT_RUN_TIME
    assert not [name for name in required if name.startswith("opentelemetry-exporter")]
    assert "grpcio" not in required


def test_the_oldest_pins_are_the_floors(metadata: Message, root: Path) -> None:
    floors = {}
    for text in metadata.get_all("Requires-Dist") or ():
        requirement = Requirement(text)
        for specifier in requirement.specifier:
            if specifier.operator == ">=":
                floors[requirement.name] = re.sub(r"(\.0)+$", "", specifier.version)
    pins = {}
    for line in (root / "tests/packaging/oldest.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, version = line.partition("==")
            pins[name] = re.sub(r"(\.0)+$", "", version)

    assert pins == floors


def test_the_sdist_holds_what_a_packager_needs(sdist: Path) -> None:
    with tarfile.open(sdist) as file:
        names = {name.partition("/")[2] for name in file.getnames()}

    assert {"LICENSE", "README.md", "setup.cfg", "setup.py", "pyproject.toml"} <= names
    assert "bentotrace/__init__.py" in names
    assert "plugins/bentotrace_otlp/__init__.py" in names


def test_the_description_renders(built: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *map(str, built.iterdir())],
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout + done.stderr
