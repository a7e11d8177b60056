from __future__ import annotations

import pytest

from bentotrace.integrations.bentoml.program import _runs_bentoml


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        (["/env/bin/bentoml", "serve", "service:Iris"], True),
        (["-X", "dev", "-u", "/env/bin/bentoml", "serve"], True),
        (["-m", "bentoml", "serve"], True),
        (["-m", "_bentoml_impl.worker.service", "service:Iris", "--worker-id", "1"], True),
        (["-m", "uvicorn", "bentoml:app"], False),
        (["service.py", "bentoml"], False),
        (["-c", "import bentoml"], False),
        (["-m"], False),
        ([], False),
    ],
)
def test_bentoml_is_known_by_the_arguments_of_its_interpreter(
    arguments: list[str], runs: bool
) -> None:
    assert _runs_bentoml(arguments) is runs
