"""gevent and eventlet that patch a process at any moment: before, between and after what is traced."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ..processes import run_script, warnings_of
from ..stages import Scene
from ..transports import TRANSPORTS, Transport
from .libraries import ANSWERING, HANGS, LIBRARIES, OTLP_HTTP, UDP, require

# Before any of it the script imports bentotrace, as a program does that `bentotrace run` starts.
ORDERS = {
    "patch, build, span": ["patch", "build", "early"],
    "build, patch, span": ["build", "patch"],
    "patch, build, span, fork": ["patch", "build", "early", "fork"],
    "patch, build, flushed span, fork": ["patch", "build", "early", "flush", "fork"],
    "build, patch, fork, span": ["build", "patch", "fork"],
    "build, fork, patch, span": ["build", "fork", "patch"],
    "build, span, patch": ["build", "early", "patch"],
    "build, span, fork, patch": ["build", "early", "fork", "patch"],
    "build, span, patch, fork": ["build", "early", "patch", "fork"],
    "build, flushed span, patch": ["build", "early", "flush", "patch"],
    "build, flushed span, fork, patch": ["build", "early", "flush", "fork", "patch"],
}

STEPS = """
    def patch():
        if {library!r} == "gevent":
            from gevent import monkey
            monkey.patch_all()
        else:
            import eventlet
            eventlet.monkey_patch()

    def fork():
        child = os.fork()
        if child:
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            tracing.shutdown(10)
            sys.stdout.flush()
            os._exit(code)

    for step in {steps!r}:
        if step == "build":
            tracing = configure()
        elif step == "early":
            end("early")
        elif step == "flush":
            assert tracing.flush(10)
        elif step == "wait":
            time.sleep(0.3)
        else:
            globals()[step]()
    patched_at = time.monotonic()
"""
WORK = """
    from {library} import sleep, spawn
    longest = 0.0

    def tick():
        global longest
        while True:
            begin = time.monotonic()
            sleep(0.01)
            longest = max(longest, time.monotonic() - begin)

    spawn(tick)
    sleep(0)

    finished = []

    def work():
        for _ in range(20):
            end("late", 5)
            sleep(0.001)
        finished.append(None)

    workers = [spawn(work) for _ in range(5)]
    while len(finished) < len(workers):
        sleep(0.01)
"""
FLUSH = """
    flushed = tracing.flush(20)
    print(json.dumps([flushed, longest]), flush=True)
"""
SHUTDOWN = """
    begin = time.monotonic()
    tracing.shutdown()
    took = time.monotonic() - begin
    here = tracing.status().destinations[0]
    account = [here.exported, here.failed, here.dropped, here.pending]
    print(json.dumps([took, longest, here.ended, account]), flush=True)
"""

SIGTERM = """
    import signal
    spawn(lambda: (sleep(0.2), os.kill(os.getpid(), signal.SIGTERM)))
    sleep(20)
"""

FORKED = """
    {patch}
    from {library} import sleep
    tracing = configure()
    end("parent", 3)
    sleep(0.3)
    child = os.fork()
    if child == 0:
        end("child", 2)
        assert tracing.flush(20)
        sleep(1.5)
        os._exit(0)
    assert tracing.flush(20)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    here = tracing.status().destinations[0]
    assert (here.ended, here.exported) == (3, 3), here
"""
IN_A_POOL = """
    {patch}
    import {library} as library
    tracing = configure()
    if {flushed}:
        end("first")
        assert tracing.flush(20)

    def work():
        end("pool", 5)
        return {flushed} and tracing.flush(20)

    if {library!r} == "gevent":
        flushed = library.get_hub().threadpool.apply(work)
    else:
        from eventlet import tpool
        flushed = tpool.execute(work)
    assert flushed == {flushed}
    end("late", 5)
    assert tracing.flush(20)
"""
PATCHES = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}
IN_THE_EXPORTER = """
    {patch}
    import signal
    from {library} import sleep

    def on_error(error):
        os.kill(os.getpid(), signal.SIGTERM)

    block = json.loads(os.environ["BLOCK"])
    tracing = bentotrace.configure(block, on_export_error=on_error)
    end("span", 100)
    sleep(20)
"""
IDLE = """
    idle, begin_to_idle = os.pipe()
    if os.fork() == 0:
        os.read(idle, 1)
        time.sleep(0.5)
        os.kill(os.getppid(), 15)
        os._exit(0)
    {patch}
    from {library} import sleep
    tracing = configure()
    end("late", 5)
    os.write(begin_to_idle, b"x")
    sleep(100)
"""
WITHOUT_THREADS = """
    from gevent import monkey
    monkey.patch_all(thread=False)
    tracing = configure()
    end("late", 5)
    assert tracing.flush(20)
"""


def script(library: str, steps: list[str], *parts: str) -> str:
    return "".join((STEPS, WORK, *parts)).format(library=library, steps=steps)


def early_spans(steps: list[str]) -> int:
    return steps.count("early")


@pytest.mark.parametrize("transport", TRANSPORTS, ids=lambda transport: transport.name)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_spans_arrive_and_the_loop_goes_on_whatever_the_order(
    library: str, order: str, transport: Transport, tmp_path: Path
) -> None:
    require(library)
    steps = ORDERS[order]
    with transport.receive() as receiver:
        block = transport.block("127.0.0.1", receiver.port)
        ended = run_script(script(library, steps, FLUSH), block, tmp_path)
        names = Counter(span.name for span in receiver.spans)
    assert ended.code == 0, ended.log
    flushed, longest = json.loads(ended.output)
    assert flushed
    assert longest < 3.0
    if transport is not UDP:
        assert names == Counter(early=early_spans(steps), late=500)
    assert warnings_of(ended.log) == []
    assert "KeyError" not in ended.log
    if not (library == "gevent" and sys.version_info >= (3, 13)):
        # There gevent cannot fork without a TypeError of its own where a thread is older than it.
        assert "Traceback" not in ended.log


@pytest.mark.parametrize("transport", ANSWERING, ids=lambda transport: transport.name)
@pytest.mark.parametrize("order", ["build, patch, span", "build, span, patch"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_receiver_that_hangs_holds_up_neither_the_loop_nor_the_end(
    library: str, order: str, transport: Transport, tmp_path: Path
) -> None:
    require(library)
    steps = ORDERS[order]
    with HANGS.stage(Scene(transport, None, None)) as site:
        block = transport.block(site.host, site.port)
        block |= {"timeout": 10.0, "processor": {"shutdown_timeout": 1.5, "schedule_delay": 0.01}}
        ended = run_script(script(library, steps, SHUTDOWN), block, tmp_path)
    assert ended.code == 0, ended.log
    took, longest, spans, account = json.loads(ended.output)
    # Without a bound, the receiver would hold them up for 10 s.
    assert took < 8.0
    assert longest < 5.0
    assert spans == sum(account) == 500 + early_spans(steps)


@pytest.mark.parametrize("status", [200, 503])
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_span_that_is_being_exported_while_the_process_is_patched_arrives_once(
    library: str, status: int, tmp_path: Path
) -> None:
    require(library)
    with OTLP_HTTP.receive() as receiver:
        receiver.respond_with(status, delay=3.0)
        block = OTLP_HTTP.block("127.0.0.1", receiver.port)
        block["processor"] = {"schedule_delay": 0.01}
        text = script(library, ["build", "early", "wait", "patch"], FLUSH)
        ended = run_script(text, block, tmp_path)
        names = Counter(span.name for span in receiver.spans)
    assert ended.code == 0, ended.log
    flushed, longest = json.loads(ended.output)
    assert flushed
    assert longest < 2.5
    assert names == {"early": 1, "late": 500}
    assert warnings_of(ended.log) == []


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_spool_goes_on_whatever_the_order(library: str, order: str, tmp_path: Path) -> None:
    require(library)
    steps = ORDERS[order]
    with OTLP_HTTP.receive() as receiver:
        if "flush" not in steps:
            # The spool repeats these exports; the transport would repeat those of a 503.
            receiver.respond_with(500, times=2)
        block = OTLP_HTTP.block("127.0.0.1", receiver.port)
        # An export that ran into its timeout could arrive twice.
        block |= {"timeout": 20.0, "spool": {"path": str(tmp_path / "spool")}}
        text = script(library, steps, FLUSH).replace(
            "flushed = tracing.flush(20)",
            "flushed = any(tracing.flush(5) for _ in range(8))",
        )
        ended = run_script(text, block, tmp_path)
        names = Counter(span.name for span in receiver.spans)
    assert ended.code == 0, ended.log
    flushed, longest = json.loads(ended.output)
    assert flushed
    assert longest < 3.0
    assert names == Counter(early=early_spans(steps), late=500)


@pytest.mark.parametrize(
    "order", ["patch, build, span", "build, patch, span", "build, span, patch"]
)
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_signal_in_the_event_loop_loses_nothing(library: str, order: str, tmp_path: Path) -> None:
    require(library)
    steps = ORDERS[order]
    with OTLP_HTTP.receive() as receiver:
        block: dict[str, Any] = OTLP_HTTP.block("127.0.0.1", receiver.port)
        block["processor"] = {"schedule_delay": 3600.0}
        ended = run_script(script(library, steps, SIGTERM), block, tmp_path)
        names = Counter(span.name for span in receiver.spans)
    assert ended.code == -15, ended.log
    assert names == Counter(early=early_spans(steps), late=500)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_signal_that_interrupts_the_exporting_greenlet_loses_nothing(
    library: str, tmp_path: Path
) -> None:
    require(library)
    with OTLP_HTTP.receive() as receiver:
        receiver.respond_with(400)
        block = OTLP_HTTP.block("127.0.0.1", receiver.port)
        block["processor"] = {"schedule_delay": 3600.0, "max_export_batch_size": 10}
        text = IN_THE_EXPORTER.format(library=library, patch=PATCHES[library])
        ended = run_script(text, block, tmp_path)
        arrived = len(receiver.spans)
    assert ended.code == -15, ended.log
    assert arrived == 90


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_signal_ends_an_idle_process_at_once(library: str, tmp_path: Path) -> None:
    require(library)
    with OTLP_HTTP.receive() as receiver:
        block = OTLP_HTTP.block("127.0.0.1", receiver.port)
        block["processor"] = {"schedule_delay": 3600.0}
        begin = time.monotonic()
        ended = run_script(IDLE.format(library=library, patch=PATCHES[library]), block, tmp_path)
        took = time.monotonic() - begin
        names = Counter(span.name for span in receiver.spans)
    assert ended.code == -15, ended.log
    # The sleep of eventlet's loop is up to a minute.
    assert took < 40.0
    assert names == {"late": 5}


def test_spans_arrive_where_gevent_leaves_threads_alone(tmp_path: Path) -> None:
    require("gevent")
    with OTLP_HTTP.receive() as receiver:
        block = OTLP_HTTP.block("localhost", receiver.port)
        ended = run_script(WITHOUT_THREADS, block, tmp_path)
        names = Counter(span.name for span in receiver.spans)
    assert ended.code == 0, ended.log
    assert names == {"late": 5}


@pytest.mark.parametrize("flushed", [False, True], ids=["first of all", "and flush"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_spans_may_end_in_a_thread_of_the_pool(library: str, flushed: bool, tmp_path: Path) -> None:
    require(library)
    with OTLP_HTTP.receive() as receiver:
        block = OTLP_HTTP.block("127.0.0.1", receiver.port)
        block["processor"] = {"schedule_delay": 3600.0}
        text = IN_A_POOL.format(library=library, patch=PATCHES[library], flushed=flushed)
        ended = run_script(text, block, tmp_path)
        names = Counter(span.name for span in receiver.spans)
    assert ended.code == 0, ended.log
    assert names == Counter(first=int(flushed), pool=5, late=5)
    assert "Traceback" not in ended.log


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_fork_in_the_middle_of_an_export_sends_its_spans_once(
    library: str, tmp_path: Path
) -> None:
    require(library)
    with OTLP_HTTP.receive() as receiver:
        receiver.respond_with(200, delay=1.0)
        block = OTLP_HTTP.block("127.0.0.1", receiver.port)
        block["processor"] = {"schedule_delay": 0.01}
        text = FORKED.format(library=library, patch=PATCHES[library])
        ended = run_script(text, block, tmp_path)
        names = Counter(span.name for span in receiver.spans)
    assert ended.code == 0, ended.log
    assert names == {"parent": 3, "child": 2}
