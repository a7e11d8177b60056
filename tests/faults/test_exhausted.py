"""``span.end()`` returns while a process can get no memory and no thread, and tracing goes on later."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("resource", reason="this system has no limits of memory")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS has no effect here")

START = """
    import os, resource, sys, threading, time
    import bentotrace
    from bentotrace.testing import OTLPHTTPReceiver

    def limit(spare=None):
        pages = int(open("/proc/self/statm").read().split()[0])
        most = -1 if spare is None else pages * resource.getpagesize() + spare
        resource.setrlimit(resource.RLIMIT_AS, (most, -1))

    receiver = OTLPHTTPReceiver()
    tracing = bentotrace.build(
        exporter_type="otlp",
        sample_rate=1.0,
        otlp={"protocol": "http", "endpoint": receiver.endpoint},
        processor={"max_queue_size": 100_000},
    )
    tracer = tracing.provider.get_tracer("test")
    status = lambda: tracing.status().destinations[0]
"""
END = """
    # A thread that cannot be started is tried again after a second.
    time.sleep(1.5)
    tracer.start_span("last").end()
    assert tracing.flush(30)
    last = status()
    assert last.ended == last.exported + last.dropped, last
    assert last.failed == last.pending == 0, last
    assert len(receiver.spans) == last.exported, last
    assert receiver.spans[-1].name == "last"
    assert tracing.shutdown(30)
    os._exit(0)
"""
WITHOUT_MEMORY = """
    tracer.start_span("first").end()
    assert tracing.flush(30)
    spans = [tracer.start_span("span") for _ in range(5000)]
    limit(0)
    hoard, size = [], 1 << 20
    while size >= 16:
        try:
            hoard.append(bytearray(size))
        except MemoryError:
            size //= 2
    for span in spans:
        try:
            span.end()
        except MemoryError:
            os._exit(3)
    del hoard
    limit()
"""
WITHOUT_THREADS = """
    # A thread needs 8 MiB of addresses for its stack.
    spans = [tracer.start_span("span") for _ in range(5000)]
    limit(4 << 20)
    # The stacks of ended threads are used again.
    idle = threading.Event()
    try:
        for _ in range(1000):
            threading.Thread(target=idle.wait, daemon=True).start()
    except RuntimeError:
        pass
    else:
        sys.exit("threads can be started")
    for span in spans:
        span.end()
    assert status().ended == 5000
    assert status().exported == 0
    limit()
"""


@pytest.mark.parametrize("exhausted", [WITHOUT_MEMORY, WITHOUT_THREADS], ids=["memory", "threads"])
def test_a_span_ends_and_tracing_goes_on(exhausted: str) -> None:
    script = "".join(map(textwrap.dedent, (START, exhausted, END)))

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 0, done.stderr
