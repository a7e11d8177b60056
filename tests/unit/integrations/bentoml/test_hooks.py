from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
from bentotrace.integrations.bentoml.hooks import hook_when_imported
hook_when_imported(print)
from bentoml._internal.configuration.helpers import load_config_file
print(sorted(load_config_file("bentoml.yaml")), sorted(load_config_file(DEFAULTS)))
"""


def test_files_lose_their_blocks_before_bentoml_has_read_one(tmp_path: Path) -> None:
    pytest.importorskip("wrapt", reason="OpenTelemetry's start brings it.")
    package = tmp_path / "bentoml" / "_internal" / "configuration"
    package.mkdir(parents=True)
    for path in (package, *package.parents[:2]):
        (path / "__init__.py").touch()
    (package / "helpers.py").write_text(
        'def load_config_file(path):\n    return {"tracing": 1, "services": 2}\n', "utf-8"
    )

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("DEFAULTS", repr(str(package / "v1.yaml")))],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout == "['services'] ['services', 'tracing']\n"
