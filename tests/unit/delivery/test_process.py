"""Several pipelines of a process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.mark.skipif(sys.platform == "win32", reason="needs the signals of POSIX")
def test_a_hanging_receiver_does_not_delay_the_flush_of_another_pipeline(run_process: Run) -> None:
    ran = run_process("""
        signal.signal(signal.SIGTERM, lambda number, frame: os._exit(5))
        hanging = bentotrace.build(block("hang", shutdown_timeout=1))
        hanging.provider.get_tracer("test").start_span("lost").end()
        bentotrace.configure(block(shutdown_timeout=1), flush_on_signals=["SIGTERM"])
        end("a")
        os.kill(os.getpid(), signal.SIGTERM)
    """)
    assert (ran.code, ran.names) == (5, ["a"])
