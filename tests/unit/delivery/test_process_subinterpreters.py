"""Interpreters in which Python permits no daemon threads."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("_interpreters") is None, reason="needs Python 3.13"
)

WAYS = {
    "by a shutdown": "tracing.shutdown()",
    "by a flush": "assert tracing.flush(20)",
    "by the end of the interpreter": "pass",
    "with another thread": """
import threading, time
thread = threading.Thread(target=lambda: (time.sleep(0.5), end("late")))
thread.start()
thread.join()
""",
}


def run_isolated(run_process: Run, script: str) -> Any:
    """Run a script in an isolated interpreter, which prints None when nothing was raised there."""
    return run_process(f"""
import _interpreters
text = open(__file__).read()
isolated = _interpreters.create()
raised = _interpreters.run_string(isolated, text[:text.index("import _interpreters")] + '''
import functools
# Each interpreter has its own buffer.
print = functools.partial(print, flush=True)
{script}
''')
print(raised, flush=True)
_interpreters.destroy(isolated)
""")


@pytest.mark.parametrize("way", WAYS)
def test_an_isolated_interpreter_loses_nothing(run_process: Run, way: str) -> None:
    ran = run_isolated(
        run_process,
        f"""
tracing = bentotrace.build(block(max_queue_size=100, max_export_batch_size=10))
def end(name):
    tracing.provider.get_tracer("test").start_span(name).end()
for _ in range(50):
    end("span")
{WAYS[way]}
""",
    )
    assert ran.output == "None\n", ran.log
    late = ["late"] if "late" in WAYS[way] else []
    assert ran.names == late + ["span"] * 50
    assert ran.warnings == []


def test_what_an_isolated_interpreter_cannot_export_is_counted_and_logged(
    run_process: Run,
) -> None:
    ran = run_isolated(
        run_process,
        """
tracing = bentotrace.configure(block("crash"))
end("a", "b")
tracing.shutdown()
(here,) = tracing.status().destinations
print(here.ended, here.failed, here.pending)
""",
    )
    assert ran.output == "2 2 0\nNone\n", ran.log
    (warning,) = ran.warnings
    assert "exporter spy to http://book.test/ failed and lost 2 spans" in warning


@pytest.mark.parametrize("on_error", ["raise", "warn"])
def test_grpc_cannot_be_loaded_in_an_isolated_interpreter(run_process: Run, on_error: str) -> None:
    pytest.importorskip("grpc", reason="grpcio refuses to load there")
    ran = run_isolated(
        run_process,
        f"""
otlp = dict(protocol="grpc", endpoint="http://127.0.0.1:1")
try:
    bentotrace.configure(dict(exporter_type="otlp", on_error="{on_error}", otlp=otlp))
except bentotrace.PluginError as error:
    print(error)
end("a")
""",
    )
    reason = (
        "cannot create exporter 'otlp': ImportError: module grpc._cython.cygrpc does not support"
    )
    assert ran.output.endswith("None\n"), ran.log
    assert reason in (ran.output if on_error == "raise" else ran.log)
    assert len(ran.warnings) == (on_error == "warn")
