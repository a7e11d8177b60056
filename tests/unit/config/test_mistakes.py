"""Typical mistakes, each in a file of its own, and word for word what is said of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from bentotrace import hookspecs
from bentotrace.config.load import load_config
from bentotrace.discovery import registry
from bentotrace.exceptions import ConfigError

from ...golden import Golden

pytestmark = pytest.mark.few_pythons

FOLDER = Path(__file__).parents[2] / "data" / "mistakes"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
SECRET = "hunter2"


@pytest.fixture(autouse=True)
def _beside_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the folder, with no exporter installed but the built-in ones."""
    built_in = tuple(claim for claim in registry.find() if claim.distribution == "bentotrace")

    def find(group: str = hookspecs.EXPORTERS_GROUP) -> tuple[registry.Claim, ...]:
        return built_in if group == hookspecs.EXPORTERS_GROUP else ()

    monkeypatch.setattr(registry, "find", find)
    monkeypatch.chdir(FOLDER)


def first_line(name: str) -> Mapping[str, str]:
    """Read what a file's first line says of the call: ``# environment: NAME=value``."""
    line = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").partition("\n")[0]
    found = re.fullmatch(r"# (environment|service): (.*)", line)
    return {found[1]: found[2]} if found else {}


def environment(name: str) -> dict[str, str]:
    pairs = first_line(name).get("environment", "").split()
    return dict(pair.split("=", 1) for pair in pairs)


def said(name: str) -> list[str]:
    """Load a file; return the lines of its problems, or those of its notes."""
    service = first_line(name).get("service")
    try:
        config = load_config(f"{name}.yaml", environ=environment(name), service=service)
    except ConfigError as error:
        return str(error).splitlines()
    return [f"{'warning' if note.warning else 'note'}: {note}" for note in config.notes]


@pytest.mark.parametrize("name", NAMES)
def test_a_mistake_is_explained_word_for_word(name: str, golden: Golden) -> None:
    golden.file_is(FOLDER / f"{name}.txt", said(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_problem_has_a_place_and_is_short(name: str) -> None:
    try:
        load_config(f"{name}.yaml", environ=environment(name))
    except ConfigError as error:
        for problem in error.problems:
            assert problem.position.file in {f"{name}.yaml", *environment(name)}
            assert (problem.position.line > 0) == (problem.position.column > 0)
            assert len(str(problem).splitlines()) <= 3
            assert len(f"{problem.path}: {problem.message}") <= 220
        assert list(error.problems) == sorted(error.problems, key=lambda found: found.position)


def test_every_file_has_its_messages_and_there_are_many() -> None:
    assert len(NAMES) >= 60
    assert sorted(path.stem for path in FOLDER.glob("*.txt")) == NAMES
    assert all((FOLDER / f"{name}.txt").stat().st_size > 1 for name in NAMES)


def test_no_message_holds_a_secret() -> None:
    holding = [name for name in NAMES if SECRET in (FOLDER / f"{name}.yaml").read_text("utf-8")]

    assert len(holding) >= 10
    assert [name for name in NAMES if SECRET in (FOLDER / f"{name}.txt").read_text("utf-8")] == []
