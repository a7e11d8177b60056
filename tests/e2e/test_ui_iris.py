"""The iris service of BentoML's guide, with its file unchanged, is shown by the viewer."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("bentoml", reason="This test serves with BentoML.")
pytest.importorskip("sklearn", reason="The iris example uses scikit-learn.")

from bentotrace.ui.server import PORTS

from ..integrations.bentoml.serving import serving
from .backends import poll
from .processes import environment, stop
from .test_bentoml import EXAMPLE, FLOWERS

pytestmark = pytest.mark.e2e


@contextmanager
def viewer_command(directory: Path) -> Iterator[str]:
    """Run ``bentotrace ui`` with Jaeger's usual UDP port, which the file has by default."""
    free = [
        word
        for name in PORTS
        if name != "jaeger_udp"
        for word in ("--port" if name == "page" else f"--{name.replace('_', '-')}-port", "0")
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "bentotrace", "ui", "--memory", "--no-open", *free],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=directory,
        env=environment(PYTHONUNBUFFERED="1"),
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("open "):
                break
        try:
            assert any(
                line.split()[:1] == ["6831"] and "not available" not in line for line in lines
            ), lines
            yield lines[-1].split()[1].rstrip("/")
        finally:
            stop(process)  # type: ignore[arg-type]


def read(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.loads(response.read())


def test_the_iris_service_with_its_file_unchanged_is_in_the_viewer(tmp_path: Path) -> None:
    served = shutil.copytree(EXAMPLE, tmp_path / "iris")
    with viewer_command(tmp_path) as page:
        variables = {"BENTOTRACE_CONFIG": "tracing.yaml"}
        with serving(served, "service:IrisClassifier", **variables) as iris:
            assert iris.ask("/classify", flowers=FLOWERS).json() == ["setosa", "virginica"]
            traces = poll(
                lambda: read(f"{page}/ui/api/traces?q=operation:predict")["traces"],
                lambda traces: bool(traces),
                within=30,
            )
            assert iris.end() == 0
        (trace,) = traces
        assert (trace["root_service"], trace["root_name"]) == ("IrisClassifier", "POST /classify")
        spans = read(f"{page}/ui/api/traces/{trace['trace_id']}")["spans"]
        assert {"POST /classify", "predict"} <= {span["name"] for span in spans}
