from __future__ import annotations

import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

from bentotrace.testing import OTLPHTTPReceiver

from ...programs import finished

BIN = Path(sysconfig.get_path("scripts"))

SCRIPT = """\
from opentelemetry import metrics, trace

with trace.get_tracer("script").start_as_current_span("work"):
    pass
metrics.get_meter("script").create_counter("rounds").add(1)
print("done")
"""

OTHER_DISTRO = """\
import os

from opentelemetry.instrumentation.distro import BaseDistro
from opentelemetry.sdk._configuration import _OTelSDKConfigurator


class Distro(BaseDistro):
    def _configure(self, **kwargs):
        os.environ.setdefault("OTEL_TRACES_EXPORTER", "console")


class Configurator(_OTelSDKConfigurator):
    pass
"""


@pytest.fixture
def receiver() -> Iterator[OTLPHTTPReceiver]:
    with OTLPHTTPReceiver() as receiver:
        yield receiver


@pytest.fixture
def directory(tmp_path: Path, receiver: OTLPHTTPReceiver) -> Path:
    """A directory with script.py, and tracing.yaml that sends to the receiver."""
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    (tmp_path / "tracing.yaml").write_text(
        "tracing:\n"
        "  exporter_type: otlp\n"
        "  sample_rate: 1\n"
        "  resource: {attributes: {service.name: script}}\n"
        f"  otlp: {{protocol: http, endpoint: '{receiver.endpoint}'}}\n",
        encoding="utf-8",
    )
    return tmp_path


Instrument = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def instrument(directory: Path) -> Instrument:
    """Runs script.py with opentelemetry-instrument, and variables as keywords."""

    def instrument(**variables: str) -> subprocess.CompletedProcess[str]:
        command = [BIN / "opentelemetry-instrument", BIN / "python", "script.py"]
        return finished(directory, command, **variables)

    return instrument


@pytest.fixture(params=["bentotrace first", "other first"])
def beside_another_distro(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A PYTHONPATH on which another distribution stands before or after bentotrace."""
    ours, other = tmp_path / "ours", tmp_path / "other"
    _add_distribution(ours, "bentotrace", distribution("bentotrace").read_text("entry_points.txt"))
    _add_distribution(
        other,
        "other_distro",
        "[opentelemetry_distro]\nother = other_distro:Distro\n"
        "[opentelemetry_configurator]\nother = other_distro:Configurator\n",
    )
    (other / "other_distro.py").write_text(OTHER_DISTRO, encoding="utf-8")
    order = [ours, other] if request.param == "bentotrace first" else [other, ours]
    return ":".join(map(str, order))


def _add_distribution(path: Path, name: str, entry_points: str | None) -> None:
    info = path / f"{name}-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(entry_points or "")
