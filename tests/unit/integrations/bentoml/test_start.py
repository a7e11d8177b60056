from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
from bentotrace.integrations.bentoml.start import start
start()
assert "bentoml" not in sys.modules and "attrs" not in sys.modules
from bentoml._internal.configuration.helpers import load_config_file
print(sorted(load_config_file("bentoml.yaml")), sorted(load_config_file(DEFAULTS)))
"""


@pytest.fixture
def bentoml(tmp_path: Path) -> Path:
    """Gives a directory with what reads files in a BentoML."""
    package = tmp_path / "bentoml" / "_internal" / "configuration"
    package.mkdir(parents=True)
    for path in (package, *package.parents[:2]):
        (path / "__init__.py").touch()
    (package / "helpers.py").write_text(
        'def load_config_file(path):\n    return {"tracing": 1, "services": 2}\n', "utf-8"
    )
    return tmp_path


def run(directory: Path, value: str) -> str:
    defaults = directory / "bentoml" / "_internal" / "configuration" / "v1" / "default.yaml"
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("DEFAULTS", repr(str(defaults)))],
        env={"BENTOTRACE_BENTOML": value, "PYTHONPATH": str(directory)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def test_files_lose_their_blocks_before_bentoml_has_read_one(bentoml: Path) -> None:
    pytest.importorskip("wrapt", reason="BentoML brings it.")

    assert run(bentoml, "true") == "['services'] ['services', 'tracing']\n"


@pytest.mark.parametrize("value", ["", " ", "false", "0", "No"])
def test_nothing_happens_unless_the_variable_says_so(value: str, bentoml: Path) -> None:
    assert run(bentoml, value) == "['services', 'tracing'] ['services', 'tracing']\n"
