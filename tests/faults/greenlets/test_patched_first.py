"""gevent and eventlet that patch first: the recipes of docs/forks-and-signals.md."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from ..processes import run_script, warnings_of
from ..stages import Scene
from ..transports import Transport
from .libraries import ANSWERING, HANGS, OTLP_GRPC, OTLP_HTTP, require

PAGE = Path(__file__).parents[3] / "docs" / "forks-and-signals.md"

GEVENT = "from gevent import monkey\n\nmonkey.patch_all()\n"
GEVENT_GRPC = (
    f"{GEVENT}\nimport grpc.experimental.gevent\n\ngrpc.experimental.gevent.init_gevent()\n"
)
EVENTLET = "import eventlet\n\neventlet.monkey_patch()\n"
NAMES = {GEVENT: "gevent", GEVENT_GRPC: "gevent and gRPC", EVENTLET: "eventlet"}

BURST = """
    from {library} import sleep, spawn
    tracing, working = configure(), [None] * 10
    def work():
        for _ in range(10):
            end("span", 20)
            sleep(0.001)
        working.pop()
    for _ in range(10):
        spawn(work)
    while working:
        sleep(0.01)
    assert tracing.flush(20)
    end("last", 10)
"""
FROM_THE_LOOP = """
    from {library} import sleep
    tracing, raised = configure(), []
    def callback():
        try:
            end("span", 3000)
        except BaseException as error:
            raised.append(repr(error))
    {call}
    sleep(0.1)
    assert raised == [], raised
    assert tracing.flush(20)
    here = tracing.status().destinations[0]
    print(json.dumps([here.ended, here.exported, here.dropped]))
"""
CALLS = {
    GEVENT: "import gevent; gevent.get_hub().loop.run_callback(callback)",
    EVENTLET: "from eventlet import hubs; hubs.get_hub().schedule_call_global(0, callback)",
}
TICKING = """
    from {library} import sleep, spawn
    tracing, longest = configure(), 0.0
    def tick():
        global longest
        while True:
            begin = time.monotonic()
            sleep(0.01)
            longest = max(longest, time.monotonic() - begin)
    spawn(tick)
    sleep(0.1)
    end("span", 512)
    while tracing.status().destinations[0].failed == 0:
        sleep(0.01)
    sleep(0.1)
    print(json.dumps(longest))
"""


def recipe(first: str, transport: Transport) -> pytest.ParameterSet:
    return pytest.param(first, transport, id=f"{NAMES[first]}, {transport.name}")


def library(first: str) -> str:
    return require("eventlet" if first is EVENTLET else "gevent")


def longest_pause(first: str, transport: Transport, directory: Path) -> float:
    """Return the seconds for which a receiver that hangs held up a greenlet; the timeout is 4 s."""
    script = TICKING.format(library=library(first))
    with HANGS.stage(Scene(transport, None, None)) as site:
        block = transport.block(site.host, site.port)
        block |= {"timeout": 4.0, "processor": {"shutdown_timeout": 1.0}}
        ended = run_script(script, block, directory, first=first)
    assert ended.code == 0, ended.log
    return float(json.loads(ended.output))


@pytest.mark.parametrize(
    ("first", "transport"),
    [
        *(recipe(GEVENT, transport) for transport in ANSWERING),
        *(recipe(GEVENT_GRPC, transport) for transport in ANSWERING if transport.family == "grpc"),
        *(recipe(EVENTLET, transport) for transport in ANSWERING),
    ],
)
def test_greenlets_lose_nothing(tmp_path: Path, first: str, transport: Transport) -> None:
    script = BURST.format(library=library(first))
    with transport.receive() as receiver:
        block = transport.block("127.0.0.1", receiver.port)
        block["processor"] = {"shutdown_timeout": 60.0}
        ended = run_script(script, block, tmp_path, first=first)
        names = Counter(span.name for span in receiver.spans)
    assert ended.code == 0, ended.log
    assert names == {"span": 2000, "last": 10}
    assert warnings_of(ended.log) == []


@pytest.mark.parametrize(
    ("first", "transport"), [recipe(GEVENT, OTLP_HTTP), recipe(EVENTLET, OTLP_HTTP)]
)
def test_spans_may_end_in_the_loop_itself(tmp_path: Path, first: str, transport: Transport) -> None:
    script = FROM_THE_LOOP.format(library=library(first), call=CALLS[first])
    with transport.receive() as receiver:
        block = transport.block("127.0.0.1", receiver.port)
        ended = run_script(script, block, tmp_path, first=first)
        arrived = len(receiver.spans)
    assert ended.code == 0, ended.log
    assert json.loads(ended.output) == [3000, 2048, 952]
    assert arrived == 2048


@pytest.mark.parametrize(
    ("first", "transport"),
    [
        recipe(GEVENT, OTLP_HTTP),
        recipe(GEVENT, OTLP_GRPC),
        recipe(GEVENT_GRPC, OTLP_GRPC),
        recipe(EVENTLET, OTLP_HTTP),
        recipe(EVENTLET, OTLP_GRPC),
    ],
)
def test_a_receiver_that_hangs_holds_up_no_greenlet(
    tmp_path: Path, first: str, transport: Transport
) -> None:
    # The timeout of an export is longer.
    assert longest_pause(first, transport, tmp_path) < 3.0


@pytest.mark.parametrize("first", NAMES, ids=NAMES.values())
def test_the_page_has_the_recipe(first: str) -> None:
    assert f"```python\n{first}" in PAGE.read_text(encoding="utf-8")
