"""A process that cannot start the exporting thread exports in the thread that closes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("resource", reason="this system has no limits of memory")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS has no effect here")

Run = Callable[..., Any]

START = """
import resource
from contextlib import suppress

class Stop(BaseException):
    pass

def stop(number, frame):
    raise Stop

signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGALRM, stop)
tracing = bentotrace.configure(block({behaviour!r}, max_export_batch_size=1, shutdown_timeout=25))
tracer = trace.get_tracer("test")
spans = [tracer.start_span(name) for name in "abc"]

# A thread needs 8 MiB of addresses for its stack; the stacks of ended threads are used again.
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (4 << 20), -1))
with suppress(RuntimeError):
    while True:
        threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()

for span in spans:
    span.end()

def report():
    (status,) = tracing.status().destinations
    print(f"{{status.exported}} exported, {{status.failed}} failed, {{status.dropped}} dropped,",
          f"{{status.pending}} pending; {{status.last_error and status.last_error.reason}}",
          flush=True)
"""
INTERRUPTED = "a signal handler raised {} during the export"


def test_an_interruption_of_its_export_is_counted_and_reaches_the_application(
    run_process: Run,
) -> None:
    ran = run_process(
        START.format(behaviour="sleep")
        + """
signal.setitimer(signal.ITIMER_REAL, 0.5)
try:
    tracing.shutdown()
except Stop:
    report()
print(tracing.shutdown())
report()
"""
    )
    assert (ran.code, ran.names) == (0, ["b", "c"])
    reason = INTERRUPTED.format("Stop")
    assert ran.output.splitlines() == [
        f"0 exported, 1 failed, 0 dropped, 2 pending; {reason}",
        "True",
        f"2 exported, 1 failed, 0 dropped, 0 pending; {reason}",
    ]
    assert f"failed and lost 1 span: {reason}" in ran.log


def test_a_ctrl_c_at_exit_does_not_end_the_export_of_the_rest(run_process: Run) -> None:
    ran = run_process(
        START.format(behaviour="sleep")
        + """
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 0.5)
"""
    )
    assert ran.names == ["b", "c"]
    assert INTERRUPTED.format("KeyboardInterrupt") in ran.log
    assert ran.log.rstrip().splitlines()[-1].startswith("KeyboardInterrupt")


def test_a_second_ctrl_c_at_exit_abandons_the_rest(run_process: Run) -> None:
    ran = run_process(
        START.format(behaviour="hang")
        + """
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 0.5, 0.5)
"""
    )
    assert ran.seconds < 20
    assert "and 1 span had to be abandoned" in ran.log


def test_an_interruption_of_the_shutdown_of_the_exporter_reaches_the_application(
    run_process: Run,
) -> None:
    ran = run_process(
        START.format(behaviour="linger")
        + """
signal.setitimer(signal.ITIMER_REAL, 0.5)
try:
    tracing.shutdown()
except Stop:
    report()
tracing.shutdown(0)
report()
os._exit(0)
"""
    )
    assert ran.code == 0
    assert ran.output.splitlines() == 2 * ["3 exported, 0 failed, 0 dropped, 0 pending; None"]
