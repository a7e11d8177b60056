"""Fail unless tox ran every named environment, on the Python that its name says.

tox passes when an interpreter is missing, and skips the environment.

    tox --result-json RESULT.json
    python tests/pythons/check_ran.py RESULT.json... ENVIRONMENT...
    python tests/pythons/check_ran.py --failed RESULT.json

Of several results with one environment, one that passed counts. With ``--failed``, print the names
of the environments that failed.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any


def find_problem(name: str, environment: dict[str, Any]) -> str:
    """Return why an environment does not count as run, or ""."""
    if not _ran(environment):
        return f"{name} did not run"
    if not _passed(environment):
        return f"{name} failed"
    python = ".".join(map(str, environment["python"]["version_info"][:2]))
    named = re.match(r"py3(\d+)-", name)
    if named and python != f"3.{named[1]}":
        return f"{name} ran on Python {python}"
    return ""


def _ran(environment: dict[str, Any]) -> bool:
    return not environment.get("result", {"skipped": True})["skipped"] and bool(
        environment.get("test")
    )


def _passed(environment: dict[str, Any]) -> bool:
    return _ran(environment) and bool(environment["result"]["success"])


def failed(path: str) -> str:
    """Return the environments that failed, in a test or before it, with spaces between them."""
    with open(path, encoding="utf-8") as file:
        results = {name: found.get("result") for name, found in json.load(file)["testenvs"].items()}
    return " ".join(
        name
        for name, result in results.items()
        if result and not result["skipped"] and not result["success"]
    )


def _is_result(argument: str) -> bool:
    return argument.endswith(".json")


def main(*arguments: str) -> str:
    """Return the problems, one per line."""
    environments: dict[str, Any] = {}
    for path in filter(_is_result, arguments):
        with open(path, encoding="utf-8") as file:
            # tox also lists what it was asked to skip; another result may have run it.
            found = json.load(file)["testenvs"]
        for name in filter(lambda name: _ran(found[name]), found):
            if not _passed(environments.get(name, {})):
                environments[name] = found[name]
    names = [name for name in arguments if not _is_result(name)]
    problems = [find_problem(name, environments.get(name, {})) for name in names]
    return "\n".join(filter(None, problems))


if __name__ == "__main__":
    if sys.argv[1] == "--failed":
        sys.stdout.write(failed(sys.argv[2]))
        sys.exit()
    sys.exit(main(*sys.argv[1:]) or 0)
