"""CI counts an environment as run when one of several runs of tox ran it."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

CHECK = Path(__file__).parents[1] / "pythons" / "check_ran.py"

PASSED: dict[str, Any] = {
    "python": {"version_info": [3, 12, 1, "final", 0]},
    "result": {"success": True, "skipped": False},
    "test": [{"retcode": 0}],
}


FAILED = PASSED | {"result": {"success": False, "skipped": False}}


def problems(directory: Path, results: list[dict[str, Any]], *names: str) -> str:
    paths = []
    for number, environments in enumerate(results):
        path = directory / f"{number}.json"
        path.write_text(json.dumps({"testenvs": environments}))
        paths.append(str(path))
    said: str = runpy.run_path(str(CHECK))["main"](*paths, *names)
    return said


def test_an_environment_that_the_second_run_leaves_out_has_run(tmp_path: Path) -> None:
    results = [{"full": PASSED}, {"full": {}, "py312-core": PASSED}]
    assert problems(tmp_path, results, "full", "py312-core") == ""


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "py312-full did not run"),
        (PASSED | {"result": {"success": True, "skipped": True}}, "py312-full did not run"),
        (PASSED | {"test": []}, "py312-full did not run"),
        (FAILED, "py312-full failed"),
        (
            PASSED | {"python": {"version_info": [3, 13, 0, "final", 0]}},
            "py312-full ran on Python 3.13",
        ),
    ],
)
def test_an_environment_does_not_count(
    tmp_path: Path, environment: dict[str, Any], expected: str
) -> None:
    assert problems(tmp_path, [{"py312-full": environment}], "py312-full") == expected


@pytest.mark.parametrize("results", [(FAILED, PASSED), (PASSED, FAILED)])
def test_an_environment_that_passed_once_counts(tmp_path: Path, results: Any) -> None:
    found = [{"py312-full": result} for result in results]
    assert problems(tmp_path, found, "py312-full") == ""


def test_what_failed_before_its_tests_is_run_once_more(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    skipped = {"result": {"success": True, "skipped": True}}
    environments = {
        "passed": PASSED,
        "failed": FAILED,
        "not installed": FAILED | {"test": []},
        "skipped": skipped,
        "not asked for": {},
    }
    path.write_text(json.dumps({"testenvs": environments}))
    assert runpy.run_path(str(CHECK))["failed"](str(path)) == "failed not installed"
