"""No export imports a module: a fork meanwhile would leave the child without it for good.

The lock of a module that another thread of the parent is importing is never released in the child.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .processes import run_script
from .transports import TRANSPORTS, Transport

# Ends a span in a process that has imported nothing but this package, and prints what is imported
# from then on by other threads than the one that ends the span.
SCRIPT = """
    class Watch:
        def find_spec(self, name, path=None, target=None):
            if threading.current_thread() is not main:
                imported.append(name)
    main, imported = threading.current_thread(), []
    tracing = configure()
    sys.meta_path.insert(0, Watch())
    end("span", 600)
    tracing.flush(20)
    tracing.shutdown(20)
    print(json.dumps(imported))
"""


def imported(block: dict[str, object], directory: Path) -> list[str]:
    done = run_script(SCRIPT, {**block, "timeout": 2.0}, directory)
    assert done.code == 0, done.log
    found: list[str] = json.loads(done.output)
    return found


@pytest.mark.parametrize("transport", TRANSPORTS, ids=lambda transport: transport.name)
def test_an_export_imports_nothing(transport: Transport, tmp_path: Path) -> None:
    with transport.receive() as receiver:
        assert imported(transport.block("localhost", receiver.port), tmp_path) == []


@pytest.mark.parametrize("transport", TRANSPORTS, ids=lambda transport: transport.name)
def test_an_export_with_a_spool_imports_nothing(transport: Transport, tmp_path: Path) -> None:
    block = transport.block("127.0.0.1", 1)
    assert imported({**block, "spool": {"path": str(tmp_path / "spool")}}, tmp_path) == []
