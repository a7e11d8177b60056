"""The SDK's own tests of its spans, from its source distribution, with lean spans."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from importlib import metadata
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = ("test_trace.py", "test_span_processor.py", "test_sampling.py", "test_implementation.py")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Download the source distribution of the installed SDK."""
    directory = tmp_path_factory.mktemp("sdk")
    version = metadata.version("opentelemetry-sdk")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
            *("--no-binary", "opentelemetry-sdk", "--dest", str(directory)),
            f"opentelemetry-sdk=={version}",
        ],
        check=True,
        timeout=300,
    )
    (archive,) = directory.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(directory, filter="data")
    (unpacked,) = [path for path in directory.iterdir() if path.is_dir()]
    return unpacked / "tests" / "trace"


def run(sources: Path, *options: str) -> tuple[str, set[str]]:
    """Run the SDK's tests; return the last lines of the output, and the tests that failed."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-rf", "-p", "no:cacheprovider"),
            *options,
            *(str(sources / name) for name in FILES),
        ],
        cwd=sources.parents[1],
        env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    lines = done.stdout.splitlines()
    failed = {line.split(" - ")[0] for line in lines if line.startswith(("FAILED", "ERROR"))}
    return "\n".join(lines[-30:]), failed


def test_they_pass_as_they_do_with_the_sdk_s_spans(sources: Path) -> None:
    _, failed_before = run(sources)
    output, failed = run(sources, "-p", "lean_provider")
    assert failed - failed_before == set(), output
    passed = [line for line in output.splitlines() if " passed" in line]
    assert passed, output
    lean = [line for line in output.splitlines() if line.startswith("lean spans: ")]
    # Without this, the plugin could have had no effect.
    assert int(lean[0].split(": ")[1]) > 50, output
