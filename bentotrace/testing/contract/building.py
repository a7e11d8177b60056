"""The duties of ``create``."""

from __future__ import annotations

import json

from bentotrace.testing.contract.base import (
    Bench,
    Duties,
    require,
    require_success,
    wait_for,
)
from bentotrace.testing.spans import make_spans

__all__ = ["BuildingDuties"]


class BuildingDuties(Duties):
    """What building an exporter may do."""

    def test_create_opens_no_socket(self, bench: Bench) -> None:
        """Connections are opened by the first export, in the process that exports."""
        built = _create_alone(bench)
        require(
            not built["events"],
            f"create() used the network: {', '.join(built['events'])}; connect in export()",
        )
        require(not built["sockets"], "create() left a socket open; connect in export()")

    def test_create_starts_no_thread(self, bench: Bench) -> None:
        """Threads are started by the first export, in the process that exports."""
        built = _create_alone(bench)
        started = ", ".join(built["threads"])
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


def _create_alone(bench: Bench) -> dict[str, list[str]]:
    """Call ``create`` in a new process: here, receivers and other tests use sockets and threads."""
    done = bench.run(_CREATE, bench.receiver())
    require(done.returncode == 0, f"create() failed in a new process: {done.stderr[-1000:]}")
    built: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return built


_CREATE = """
import os, threading

def open_sockets():
    # Also those of C libraries, which raise no audit event.
    found = set()
    folder = "/proc/self/fd"
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        try:
            target = os.readlink(f"{folder}/{name}")
        except OSError:
            continue  # the descriptor of the listing itself
        if target.startswith("socket:"):
            found.add(target)
    return found

def keep(event, arguments):
    if event.startswith("_thread.start"):
        started.append(event)
    # Libraries such as urllib3 try out a socket while they are imported, and close it at once.
    if event.startswith("socket.") and event not in ("socket.__new__", "socket.bind"):
        events.add(event)

started, events = [], set()
threads, sockets = set(threading.enumerate()), open_sockets()
sys.addaudithook(keep)
Built(config, 10.0).create()
built = {
    "events": sorted(events),
    "sockets": sorted(open_sockets() - sockets),
    "threads": [thread.name for thread in set(threading.enumerate()) - threads] or started,
}
print("\\n" + json.dumps(built), flush=True)
# Whatever runs is not waited for.
os._exit(0)
"""
