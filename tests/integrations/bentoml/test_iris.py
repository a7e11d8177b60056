"""The example of the iris classifier, as its README runs it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

pytest.importorskip("bentoml", reason="The example is served by BentoML.")
pytest.importorskip("sklearn", reason="The example uses scikit-learn.")

from bentotrace.testing import JaegerUDPReceiver

from ...e2e.backends import poll
from .serving import serving

EXAMPLE = Path(__file__).parents[3] / "examples" / "iris"


def test_the_example_runs_as_its_readme_says(directory: Path) -> None:
    readme = (EXAMPLE / "README.md").read_text("utf-8")
    served = shutil.copytree(EXAMPLE, directory / "iris")
    (config,) = re.findall(
        r"BENTOTRACE_CONFIG=(\S+) bentoml serve service:IrisClassifier\n", readme
    )
    (path, body) = re.findall(r"localhost:3000(/\w+)|-d '(.*)'", readme)

    with JaegerUDPReceiver() as receiver:
        variables = {
            "BENTOTRACE_CONFIG": config,
            # Where the README's is, another agent may listen.
            "OTEL_EXPORTER_JAEGER_AGENT_PORT": str(receiver.port),
            "OTEL_EXPORTER_JAEGER_AGENT_HOST": receiver.host,
        }
        with serving(served, "service:IrisClassifier", **variables) as iris:
            assert iris.ask(path[0], **json.loads(body[1])).json() == ["setosa"]
            assert iris.end() == 0
        spans = poll(
            lambda: {span.name: span for span in receiver.spans},
            lambda spans: {"POST /classify", "predict"} <= spans.keys(),
            within=10.0,
        )

    request, predict = spans["POST /classify"], spans["predict"]
    assert (request.kind, request.service_name) == ("server", "IrisClassifier")
    assert (predict.parent_id, predict.attributes["iris.flowers"]) == (request.span_id, 1)
