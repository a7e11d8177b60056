"""What a user sees of a plugin that breaks the contract, word for word; one row for each attack."""

from __future__ import annotations

import logging
import re
from types import ModuleType
from typing import Any

import pytest

import bentotrace

from ...golden import Golden
from .attacks import ATTACKS, EXTENSION, GOOD, Attack

pytestmark = pytest.mark.few_pythons

SECRETS = ("hush-hush", "quiet-one")


def module_of(name: str, source: str) -> ModuleType:
    module = ModuleType(name)
    # Python 3.15 warns of a module that has these and no loader, when it prints a traceback.
    del module.__spec__, module.__loader__
    exec(compile(source, f"{name}.py", "exec", dont_inherit=True), vars(module))
    return module


def modules_of(attack: Attack) -> list[ModuleType]:
    sources = {"acme_tracing": GOOD, "acme_extension": EXTENSION}
    changed = "acme_extension" if attack.extension else "acme_tracing"
    for old, new in attack.changes:
        assert old in sources[changed], old
        sources[changed] = sources[changed].replace(old, new)
    return [module_of(name, source) for name, source in sources.items()]


def see(attack: Attack, on_error: str, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Build and use a pipeline with the plugin; return what a user sees."""
    caplog.clear()
    block: dict[str, Any] = {
        "exporter_type": "acme",
        "sample_rate": 1,
        "on_error": on_error,
        "extensions": ["acme_extension"] if attack.extension else [],
    }
    file = f"acme: {attack.section}"
    lines = []
    try:
        from ruamel.yaml import YAML

        block.update(YAML(typ="safe").load(file))
        tracing = bentotrace.build(block, plugins=modules_of(attack))
    except bentotrace.BentotraceError as error:
        return [f"{type(error).__name__}: {line}" for line in str(error).splitlines()]
    lines += [f"note: {note}" for note in tracing.config.notes]
    tracer = tracing.provider.get_tracer("test")
    for name in ("one", "two"):
        tracer.start_span(name).end()
    flushed = tracing.flush(10)
    tracing.shutdown()
    for status in tracing.status().destinations:
        assert status.ended == status.exported + status.failed + status.dropped + status.pending
        dropped = f", dropped {dict(status.dropped_by_reason)}" if status.dropped else ""
        lines.append(
            f"exported {status.exported}, failed {status.failed}{dropped}; flush {flushed}"
        )
    records = [record for record in caplog.records if record.levelno >= logging.WARNING]
    lines += [f"{record.levelname}: {record.getMessage()}" for record in records]
    return lines


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_what_a_user_sees_of_an_attack(
    attack: Attack, golden: Golden, caplog: pytest.LogCaptureFixture
) -> None:
    try:
        seen = see(attack, "raise", caplog)
    except BaseException as error:
        # A plugin that cannot even be written down is not loaded; its import fails.
        if not isinstance(error, TypeError) or "option(" not in repr(attack.changes):
            raise
        seen = [f"importing it raises {type(error).__name__}: {error}"]
    for secret in SECRETS:
        assert not any(secret in line for line in seen)
    assert all(len(line) < 600 for line in seen)
    # Addresses differ between runs.
    golden([re.sub(r" at 0x[0-9a-f]+", "", line) for line in seen])
    if re.match(r"\w+Error: ", seen[0]):
        assert see(attack, "disable", caplog) == []


def test_there_are_as_many_attacks_as_were_tried() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 350
