"""The compose files: what runs there runs here as processes, and the traces arrive."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("bentoml", reason="These tests serve with BentoML.")
pytest.importorskip("sklearn", reason="The iris example uses scikit-learn.")

from bentotrace.ui.server import PORTS

from . import composed
from .backends import Jaeger, poll
from .processes import running

pytestmark = pytest.mark.e2e

FLOWERS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.8, 2.2]]


@pytest.fixture(scope="module")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bento of ``deploy/bentoml``."""
    return composed.build_bento(tmp_path_factory.mktemp("bento"))


def read(url: str, **body: Any) -> Any:
    """GET a URL, or POST a body as JSON, and read the JSON of the response."""
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.loads(response.read())


def classify(url: str) -> None:
    assert read(f"{url}/classify", flowers=FLOWERS) == ["setosa", "virginica"]


def test_a_bento_in_a_container_shows_in_jaeger(
    bento: Path, deployed_jaeger: Jaeger, tmp_path: Path
) -> None:
    address = f"{deployed_jaeger.host}:{deployed_jaeger.thrift_compact}"
    variables = composed.variables("bentoml.yaml", "service", jaeger=address)
    with composed.running_bento(bento, tmp_path / "log", variables) as url:
        classify(url)
        traces = poll(
            lambda: [
                trace
                for trace in deployed_jaeger.traces("IrisClassifier")
                if "POST /classify" in {span.name for span in trace.spans}
            ],
            bool,
            within=60,
        )

    (trace,) = traces
    assert trace.span("predict").parent_id == trace.span("POST /classify").span_id
    tags = {tag.key: tag.value for tag in trace.span("predict").process_tags}
    assert tags["service.namespace"] == "iris_classifier"
    assert tags["service.version"] == bento.name


@contextmanager
def running_viewer(directory: Path) -> Iterator[tuple[str, str, str]]:
    """Run the viewer; give the URL of its page, its token, and the address of its agent."""
    (program, *arguments) = composed.service("bentoml-ui.yaml", "viewer")["entrypoint"]
    names = {name: "" if name == "page" else f"{name.replace('_', '-')}-" for name in PORTS}
    free = [word for name in names.values() for word in (f"--{name}port", "0")]
    log = directory / "viewer.log"

    def is_ready() -> bool:
        return "press Ctrl-C" in log.read_text("utf-8")

    with running(
        [str(composed.BIN / program), *arguments, *free], log=log, health=is_ready, within=60
    ):
        text = log.read_text("utf-8")
        page = re.search(r"open http://0\.0\.0\.0:(\d+)/#token=(\S+)", text)
        thrift = re.search(r"(\d+)  Jaeger's compact Thrift over UDP", text)
        assert page is not None
        assert thrift is not None
        yield f"http://127.0.0.1:{page[1]}", page[2], f"127.0.0.1:{thrift[1]}"


def test_a_bento_in_a_container_shows_in_the_viewer(bento: Path, tmp_path: Path) -> None:
    with running_viewer(tmp_path) as (page, token, address):
        # What the probes of Kubernetes get.
        with urllib.request.urlopen(page, timeout=10) as response:
            assert response.status == 200
        variables = composed.variables("bentoml-ui.yaml", "service", viewer=address)
        with composed.running_bento(bento, tmp_path / "log", variables) as url:
            classify(url)
            traces = poll(
                lambda: read(f"{page}/ui/api/traces?q=operation:predict&token={token}")["traces"],
                bool,
                within=60,
            )

    (trace,) = traces
    assert (trace["root_service"], trace["root_name"]) == ("IrisClassifier", "POST /classify")
