from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ..golden import find_stale

pytestmark = pytest.mark.one_python

TESTS = Path(__file__).parents[1]
MODULE = """\
import pytest

@pytest.mark.parametrize("number", [1, 2])
def test_two(golden, number, tmp_path):
    golden([f"{number} in {tmp_path / 'f'}:", "port 4317"], "first", PORT=4317)
    golden("TEXT", "second")
"""
GOLDEN = """\
=== test_two[1] / first
1 in <TMP>/f:
port <PORT>

=== test_two[1] / second
TEXT

=== test_two[2] / first
2 in <TMP>/f:
port <PORT>

=== test_two[2] / second
TEXT

"""
Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs pytest on a module in a project of its own; return what it printed."""
    tests = tmp_path / "project" / "tests"
    (tests / "room").mkdir(parents=True)
    (tmp_path / "project" / "pytest.ini").write_text("[pytest]\n")
    for name in ("conftest.py", "golden.py", "slow_lines.py"):
        shutil.copy(TESTS / name, tests)

    def run(module: str, *arguments: str, code: int = 0, **variables: str) -> str:
        (tests / "room" / "test_it.py").write_text(module, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "--import-mode=importlib", "-q", *arguments],
            cwd=tests.parent,
            env={name: value for name, value in os.environ.items() if name != "CI"} | variables,
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "project" / "tests" / "data" / "golden" / "room" / "test_it.txt"


def test_the_switch_writes_the_texts_which_are_compared_from_then_on(run: Run, file: Path) -> None:
    assert "there is no golden text; --update-golden writes it:" in run(MODULE, code=1)
    run(MODULE, "--update-golden", "-n", "2")
    written = file.read_text(encoding="utf-8")
    run(MODULE)
    difference = run(MODULE.replace("TEXT", "OTHER"), code=1)

    assert written == GOLDEN
    assert "test_it.txt: test_two[1] / second: another text" in difference
    assert re.search(r"-TEXT\nE +\+OTHER\n", difference)


def test_an_end_of_line_is_a_difference(run: Run, file: Path) -> None:
    run(MODULE, "--update-golden")

    assert "'TEXT'" in run(MODULE.replace("TEXT", "TEXT\\n"), code=1)
    run(MODULE.replace("TEXT", "TEXT\\n"), "--update-golden")
    run(MODULE.replace("TEXT", "TEXT\\n"))
    assert "'TEXT\\n'" in run(MODULE, code=1)


def test_ci_refuses_the_switch(run: Run, file: Path) -> None:
    assert "--update-golden is not for CI" in run(MODULE, "--update-golden", code=4, CI="true")
    assert not file.exists()


def test_a_name_that_a_test_asks_for_no_more_is_found_and_deleted(run: Run, file: Path) -> None:
    run(MODULE, "--update-golden")
    fewer = MODULE.replace('    golden("TEXT", "second")\n', "")

    assert "not asked for: ['test_two[1] / second']" in run(fewer, code=1)
    run(fewer, "--update-golden")
    assert "second" not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("arguments", [[], ["-n", "2"]])
def test_a_test_that_is_gone_is_found_and_its_text_deleted(
    run: Run, file: Path, arguments: list[str]
) -> None:
    stale = """
from ..golden import find_stale

def test_stale(request):
    assert {file.name: keys for file, keys in find_stale(request.config).items()} == {}
"""
    fewer = MODULE.replace("[1, 2]", "[1]") + stale
    run(MODULE, "--update-golden")
    other = file.with_name("test_other.txt")
    other.write_text(GOLDEN, encoding="utf-8")

    found = run(fewer, "-vv", *arguments, code=1)
    assert "'test_it.txt': ['test_two[2] / first', 'test_two[2] / second']" in found
    assert "'test_other.txt': []" in found
    run(fewer, "--update-golden", *arguments)
    assert file.read_text(encoding="utf-8") == GOLDEN.partition("=== test_two[2]")[0]
    assert not other.exists()


def test_no_golden_text_is_stale(request: pytest.FixtureRequest) -> None:
    assert find_stale(request.config) == {}
