from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _run(*command: str | Path, **options: object) -> str:
    """Run a command and give what it printed; a failure shows it."""
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        **options,
    )
    assert done.returncode == 0, f"{command} exited with {done.returncode}:\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="session")
def run() -> Callable[..., str]:
    return _run


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sdist, and the wheel that is built from it."""
    out = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "build", "--outdir", out, ROOT)
    return out


@pytest.fixture(scope="session")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def sdist(built: Path) -> Path:
    (path,) = built.glob("*.tar.gz")
    return path


@pytest.fixture
def pip(tmp_path: Path) -> Callable[..., str]:
    """Runs the pip of these tests on the environment, since installing another takes seconds."""

    def pip(*arguments: str | Path) -> str:
        options = ("--disable-pip-version-check", "--python", tmp_path / "env")
        return _run(sys.executable, "-m", "pip", *options, *arguments)

    return pip


@pytest.fixture
def environment(tmp_path: Path, pip: Callable[..., str]) -> Callable[..., Path]:
    """Makes a virtual environment, installs into it step by step, and gives its bin directory."""

    def make(*steps: list[str | Path]) -> Path:
        venv.create(tmp_path / "env")
        for step in steps:
            # Most of what is installed is never imported.
            pip("install", "--quiet", "--no-compile", *step)
        return tmp_path / "env" / "bin"

    return make
