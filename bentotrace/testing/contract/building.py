"""The duties of ``create``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from typing import Any

from bentotrace.testing.contract.base import (
    Bench,
    Duties,
    require,
    require_success,
    wait_for,
)
from bentotrace.testing.spans import make_spans

__all__ = ["BuildingDuties"]

_events: ContextVar[list[str] | None] = ContextVar("_events", default=None)
_SOCKETS = "/proc/self/fd"


class BuildingDuties(Duties):
    """What building an exporter may do."""

    def test_create_opens_no_socket(self, bench: Bench) -> None:
        """Connections are opened by the first export, in the process that exports."""
        receiver = bench.receiver()
        before = _open_sockets()
        opened = _events_during(lambda: bench.build(receiver))
        require(
            not opened,
            f"create() used a socket: {', '.join(sorted(set(opened)))}; connect in export()",
        )
        require(
            len(_open_sockets() - before) == 0,
            "create() left a socket open; connect in export()",
        )

    def test_create_starts_no_thread(self, bench: Bench) -> None:
        """Threads are started by the first export, in the process that exports."""
        # Another test may have created one, with a thread that all of the process share.
        done = bench.run(_THREADS, bench.receiver())
        require(done.returncode == 0, f"create() failed in a new process: {done.stderr[-1000:]}")
        started = done.stdout.splitlines()[-1]
        require(not started, f"create() started a thread: {started}; start it in export()")

    def test_two_builds_are_independent(self, bench: Bench) -> None:
        """Shutting one exporter down leaves another one of the same options alone."""
        receiver = bench.receiver()
        first, second = bench.build(receiver), bench.build(receiver)
        require(
            first.exporter is not second.exporter,
            "create() returned the same exporter twice; return a new one from each call",
        )
        require_success(first.export(make_spans(1)))
        first.call("shutdown", within=1.0)
        require_success(second.export(make_spans(2)))
        if receiver is not None:
            wait_for(receiver, 3)


_THREADS = """
import os, sys, threading
started = []
before = set(threading.enumerate())
def keep(event, arguments):
    if event.startswith("_thread.start"):
        started.append(event)
sys.addaudithook(keep)
Built(config, 10.0).create()
left = [thread.name for thread in set(threading.enumerate()) - before]
print("\\n" + ", ".join(left or started), flush=True)
# Whatever runs is not waited for.
os._exit(0)
"""


def _events_during(function: Callable[[], Any]) -> list[str]:
    """Call a function, and return the audit events of sockets that it raised."""
    _install_hook()
    events: list[str] = []
    token = _events.set(events)
    try:
        function()
    finally:
        _events.reset(token)
    return events


@cache
def _install_hook() -> None:
    def keep(event: str, _arguments: object) -> None:
        if event.startswith("socket."):
            events = _events.get()
            if events is not None:
                events.append(event)

    sys.addaudithook(keep)


def _open_sockets() -> set[str]:
    """Return the sockets of the process, also those of C libraries; none where unknown."""
    found = set()
    if os.path.isdir(_SOCKETS):
        for name in os.listdir(_SOCKETS):
            try:
                target = os.readlink(f"{_SOCKETS}/{name}")
            except OSError:
                continue  # the descriptor of the listing itself
            if target.startswith("socket:"):
                found.add(target)
    return found
