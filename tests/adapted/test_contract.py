"""Which duties of the contract published exporters keep: the tables in ``docs/exporters.md``.

Each exporter runs its class of ``kit.py`` in an environment of its own, through the adapter. What
it does not keep is in ``findings.py``, and the tables are made of both.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from .environments import ROOT, build_wheel, install, version
from .findings import EXPORTERS, Exporter

PAGE = ROOT / "docs" / "exporters.md"
_HERE = Path(__file__).parent
_TABLE = re.compile(r"(<!-- (?:kept|lost|same) -->\n).*?(<!-- end -->)", re.DOTALL)
_CASE = re.compile(r"test_(\w+)(?:\[(.*)\])?")
_OF_THE_ADAPTER = (
    "advice_is_a_line_for_every_failure",
    "checks_are_steps_of_the_doctor",
    "every_option_is_described",
    "no_default_is_mutable",
    "options_are_frozen",
    "options_that_look_secret_are_secret",
    "the_descriptor_keeps_the_contract",
)
# Both make Azure's exporter connect to services of Microsoft when it is created.
_AZURE = {
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
}


class Results(NamedTuple):
    """What the kit found.

    Attributes:
        version: of the exporter.
        lost_fields: the fields that its protocol does not have.
        duties: of each duty that is not the adapter's the message of each case; "" if it is kept.
        refused: the connections beyond loopback that it tried.
    """

    version: str
    lost_fields: str
    duties: dict[str, dict[str, str]]
    refused: str

    @property
    def failed(self) -> dict[tuple[str, str], str]:
        """The messages of the cases that failed."""
        return {
            (duty, case): message
            for duty, cases in self.duties.items()
            for case, message in cases.items()
            if message
        }


def _run(exporter: Exporter, folder: Path, wheel: Path) -> Results:
    python = install(folder, wheel, "authors", exporter.requirement)
    for name, target in {
        "loopback": "sitecustomize",
        "kit": "kit",
        "receivers": "receivers",
    }.items():
        (folder / f"{target}.py").write_text((_HERE / f"{name}.py").read_text())
    refused = folder / "refused.txt"
    environment = {**os.environ, **_AZURE, "PYTHONPATH": str(folder), "REFUSED": str(refused)}
    command = [python, "-W", "ignore", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    # Python 3.11 cannot always parse the source for a traceback while a thread is abandoned.
    done = subprocess.run(
        [*command, "--tb=no", "--junitxml=results.xml", f"kit.py::{exporter.test}"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    duties: dict[str, dict[str, str]] = {}
    lost_fields = set()
    for case in ElementTree.parse(folder / "results.xml").iter("testcase"):
        found = _CASE.fullmatch(case.attrib["name"])
        assert found is not None
        lost_fields |= {each.attrib["value"] for each in case.iter("property")}
        if found[1] not in _OF_THE_ADAPTER and case.find("skipped") is None:
            failures = [each.attrib["message"] for each in case if each.tag in ("failure", "error")]
            duties.setdefault(found[1], {})[found[2] or ""] = "\n".join(failures)
    (lost,) = lost_fields
    tried = refused.read_text() if refused.exists() else ""
    return Results(version(python, exporter.requirement), lost, duties, tried)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Results]:
    """Run the kit on all exporters at once, since it waits most of the time."""
    wheel = build_wheel(tmp_path_factory.mktemp("wheel"))
    folders = [tmp_path_factory.mktemp(exporter.name) for exporter in EXPORTERS]
    with ThreadPoolExecutor(len(EXPORTERS)) as pool:
        found = pool.map(partial(_run, wheel=wheel), EXPORTERS, folders)
        return {each.name: result for each, result in zip(EXPORTERS, found, strict=True)}


@pytest.mark.parametrize("exporter", EXPORTERS, ids=lambda exporter: exporter.name)
def test_the_kit_finds_what_is_known(exporter: Exporter, results: dict[str, Results]) -> None:
    found = results[exporter.name].failed
    known = {(each.duty, case): each.says for each in exporter.findings for case in each.cases}
    assert found.keys() == known.keys(), found
    other = {key: message for key, message in found.items() if known[key] not in message}
    assert not other


@pytest.mark.parametrize("exporter", EXPORTERS, ids=lambda exporter: exporter.name)
def test_spans_arrive(exporter: Exporter, results: dict[str, Results]) -> None:
    assert results[exporter.name].duties["export_returns_success"] == {"": ""}


@pytest.mark.parametrize("exporter", EXPORTERS, ids=lambda exporter: exporter.name)
def test_nothing_beyond_loopback_is_tried(exporter: Exporter, results: dict[str, Results]) -> None:
    assert results[exporter.name].refused == ""


def _tables(results: dict[str, Results]) -> Iterator[str]:
    """Return the numbers, the duties that are not kept, and those that all keep."""
    yield _table(["exporter", "package", "duties kept", "fields not sent"], _numbers(results))
    yield _table(["exporter", "duty that it does not keep", "what happens"], _broken(results))
    kept = [
        {duty for duty, cases in each.duties.items() if not any(cases.values())}
        for each in results.values()
    ]
    order = dict.fromkeys(duty for each in results.values() for duty in each.duties)
    names = [_spaced(duty) for duty in order if all(duty in each for each in kept)]
    yield "".join(f"- {name}\n" for name in names)


def _table(head: list[str], rows: Iterator[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _numbers(results: dict[str, Results]) -> Iterator[list[str]]:
    for exporter in EXPORTERS:
        version, lost_fields, duties, _ = results[exporter.name]
        kept = sum(not any(cases.values()) for cases in duties.values())
        lost = ", ".join(_spaced(name) for name in lost_fields.split()) or "-"
        package = f"`{exporter.requirement}` {version}"
        yield [f"`{exporter.name}`", package, f"{kept} of {len(duties)}", lost]


def _broken(results: dict[str, Results]) -> Iterator[list[str]]:
    for exporter in EXPORTERS:
        for duty, findings in groupby(exporter.findings, lambda finding: finding.duty):
            cases = results[exporter.name].duties[duty]
            number = sum(not message for message in cases.values())
            part = f" ({number} of {len(cases)})" if number else ""
            lines = " ".join(finding.line for finding in findings)
            yield [f"`{exporter.name}`", _spaced(duty) + part, lines]


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def test_the_page_has_the_results(
    results: dict[str, Results], request: pytest.FixtureRequest
) -> None:
    text = PAGE.read_text(encoding="utf-8")
    tables = [*_tables(results)]
    assert len(_TABLE.findall(text)) == len(tables)
    left = iter(tables)
    new = _TABLE.sub(lambda found: found[1] + next(left) + found[2], text)
    if request.config.getoption("--update-golden"):
        PAGE.write_text(new, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == new
