from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]

NOWHERE = """
class Nowhere(logging.Handler):
    def emit(self, record):
        pass

"""
TO_ROOT = "logging.getLogger().addHandler(Nowhere())"
LOST = (
    "bentotrace: exporter spy to http://book.test/ lost 2 of 2 spans; last error: it raised "
    "RuntimeError: spy crashed (traceback: logger bentotrace.spy at level DEBUG)\n"
    "No log handler writes warnings of the logger bentotrace; add one to see more.\n"
)


def lose(run_process: Run, before: str, after: str = "") -> Any:
    return run_process(f"""
{NOWHERE}
logging.getLogger().handlers.clear()
{before}
tracing = bentotrace.configure(block("crash"))
{after}
end("a", "b")
""")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (TO_ROOT, ""),
        (TO_ROOT, "import atexit; atexit.register(tracing.shutdown); tracing.flush()"),
        ("logging.getLogger().addHandler(logging.NullHandler())", ""),
        (f"{TO_ROOT}; logging.getLogger('bentotrace').setLevel('INFO')", ""),
        (
            "handler = logging.StreamHandler(); handler.setLevel('ERROR')\n"
            "logging.getLogger().addHandler(handler)",
            "",
        ),
        ("", "import logging.config; logging.config.dictConfig({'version': 1})"),
    ],
)
def test_a_loss_that_no_handler_writes_is_written_once(
    run_process: Run, before: str, after: str
) -> None:
    assert lose(run_process, before, after).log == LOST


def test_spans_that_cannot_be_sent_are_lost_for_that_reason(run_process: Run) -> None:
    ran = run_process(f"""
{NOWHERE}
logging.getLogger().handlers.clear()
{TO_ROOT}
bentotrace.configure(block("drop"))
end("a", "b")
""")
    first, _ = ran.log.splitlines()
    assert first == (
        "bentotrace: exporter spy to http://book.test/ lost 2 of 2 spans (2 as invalid span)"
    )


@pytest.mark.parametrize(
    "before",
    [
        "",
        "logging.basicConfig()",
        f"{TO_ROOT}; logging.getLogger().addHandler(logging.FileHandler('log.txt', delay=True))",
        "logging.getLogger('bentotrace').addHandler(logging.StreamHandler())",
    ],
)
def test_a_loss_that_a_handler_writes_is_left_to_it(run_process: Run, before: str) -> None:
    assert "No log handler" not in lose(run_process, f"import os; os.chdir('/tmp')\n{before}").log


@pytest.mark.parametrize(
    "before",
    [
        "logging.getLogger('bentotrace').setLevel('ERROR')",
        "logging.disable(logging.CRITICAL)",
        "logging.getLogger('bentotrace').addHandler(Nowhere())",
    ],
)
def test_who_silences_the_logger_reads_nothing(run_process: Run, before: str) -> None:
    assert lose(run_process, before).log == ""


def test_without_a_loss_nothing_is_written(run_process: Run) -> None:
    ran = run_process(f"""
{NOWHERE}
logging.getLogger().handlers.clear()
{TO_ROOT}
tracing = bentotrace.configure(block())
end("a")
""")
    assert (ran.names, ran.log) == (["a"], "")


def test_a_closed_standard_error_is_tolerated(run_process: Run) -> None:
    ran = lose(run_process, f"{TO_ROOT}; sys.stderr.close()")
    assert (ran.code, ran.log) == (0, "")
