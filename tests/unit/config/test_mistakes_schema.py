"""The JSON Schema and loading, on the files of typical mistakes."""

from __future__ import annotations

import pytest

from bentotrace.config.yaml import read
from bentotrace.exceptions import ConfigError

from ...golden import Golden
from .schemas import Accepts
from .test_json_schema_agreement import NOT_EXPRESSIBLE
from .test_mistakes import FOLDER, NAMES, environment, first_line, load_config

pytestmark = pytest.mark.few_pythons


def test_the_schema_takes_what_loads_and_refuses_the_others_but_those_it_cannot_see(
    takes: Accepts, monkeypatch: pytest.MonkeyPatch, golden: Golden
) -> None:
    monkeypatch.chdir(FOLDER)
    unseen = []
    for name in NAMES:
        try:
            document = read(f"{name}.yaml").root
        except ConfigError:
            # It is not YAML that a schema would see.
            continue
        found = []
        try:
            load_config(
                f"{name}.yaml",
                environ=environment(name),
                service=first_line(name).get("service"),
            )
        except ConfigError as error:
            found = [problem.message for problem in error.problems]
        if not found:
            assert takes(document), name
        elif takes(document) and any(not NOT_EXPRESSIBLE.search(message) for message in found):
            unseen.append(name)
    # Mistakes of where a block is, of YAML itself, of references, and in other files.
    golden(unseen)
