"""What a fork leaves to the parent, and to the child."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bentotrace.spool.store import SpoolStore

from .batches import MEBIBYTE, MakeStore, StartProcess, take_all

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

WRITE_A_WHILE = """\
    import sqlite3, sys, time

    connection = sqlite3.connect(sys.argv[1], isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    print("writing", flush=True)
    sys.stdin.readline()
    time.sleep(1.5)
    connection.execute("COMMIT")
"""


def test_a_child_does_not_keep_alive_what_its_parent_owned(
    make_store: MakeStore, directory: Path, start_process: StartProcess
) -> None:
    parent = start_process(
        """
        import os, sys, time
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import ReadableSpan
        from bentotrace.spool.codec import encode_batch
        from bentotrace.spool.store import SpoolStore

        store = SpoolStore(sys.argv[1], "otlp", 1 << 20)
        batch = [ReadableSpan("a", resource=Resource.get_empty())]
        store.append(store.next_number(), 1, encode_batch(batch))
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        print(child, flush=True)
        sys.stdin.read()
        """,
        str(directory),
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    store = make_store()
    assert store.adopt() == 0
    parent.kill()
    parent.wait()
    try:
        assert store.adopt() == 1
    finally:
        os.kill(child, 9)


def test_a_child_that_is_forked_while_threads_write_can_write_too(
    directory: Path, start_process: StartProcess
) -> None:
    process = start_process(
        """
        import os, sys, threading, time, warnings
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import ReadableSpan
        from bentotrace.spool.codec import encode_batch
        from bentotrace.spool.store import SpoolStore

        # Newer Pythons warn of the fork that is tried here.
        warnings.simplefilter("ignore")
        content = encode_batch([ReadableSpan("a", resource=Resource.get_empty())])
        ended = threading.Event()

        def write():
            store = SpoolStore(sys.argv[1], "otlp", 1 << 26)
            while not ended.is_set():
                store.append(store.next_number(), 1, content)
                store.close()
                # SQLite's lock is not fair: threads that never pause starve the child.
                time.sleep(0.005)

        threads = [threading.Thread(target=write, daemon=True) for _ in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(30):
            child = os.fork()
            if child == 0:
                store = SpoolStore(sys.argv[1], "otlp", 1 << 26)
                store.append(store.next_number(), 1, content)
                os._exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        ended.set()
        """,
        str(directory),
    )

    assert process.wait(60) == 0


def test_a_fork_waits_for_a_thread_that_waits_for_another_process(
    directory: Path, start_process: StartProcess
) -> None:
    SpoolStore(str(directory), "otlp", MEBIBYTE).check()
    other = start_process(WRITE_A_WHILE, str(directory / "otlp.sqlite"))
    assert other.stdin is not None
    assert other.stdout is not None
    other.stdout.readline()
    process = start_process(
        """
        import os, sys, threading, time, warnings
        from contextlib import suppress
        from bentotrace.spool.database import SQLITE
        from bentotrace.spool.store import SpoolStore, StoreError

        # Newer Pythons warn of the fork that is tried here.
        warnings.simplefilter("ignore")

        def write():
            store = SpoolStore(sys.argv[1], "otlp", 1 << 20)
            # On a slow machine, the other process takes longer than a store waits.
            with suppress(StoreError):
                store.append(store.next_number(), 1, b"parent's")

        thread = threading.Thread(target=write)
        thread.start()
        while thread.is_alive() and SQLITE.lock.acquire(blocking=False):
            SQLITE.lock.release()
            time.sleep(0.001)
        print("waiting", flush=True)
        child = os.fork()
        if child == 0:
            store = SpoolStore(sys.argv[1], "otlp", 1 << 20)
            store.append(store.next_number(), 1, b"child's")
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        thread.join()
        """,
        str(directory),
    )
    assert process.stdout is not None
    process.stdout.readline()
    other.stdin.write("\n")
    other.stdin.flush()

    assert process.wait(60) == 0


def test_a_parent_that_closes_the_file_takes_nothing_from_its_child(
    make_store: MakeStore, directory: Path, start_process: StartProcess
) -> None:
    parent = start_process(
        """
        import os, sys
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import ReadableSpan
        from bentotrace.spool.codec import encode_batch
        from bentotrace.spool.store import SpoolStore

        def keep(store, name):
            batch = [ReadableSpan(name, resource=Resource.get_empty())]
            store.append(store.next_number(), 1, encode_batch(batch))

        store = SpoolStore(sys.argv[1], "otlp", 1 << 20)
        keep(store, "a")
        kept, closed = os.pipe(), os.pipe()
        child = os.fork()
        if child == 0:
            store = SpoolStore(sys.argv[1], "otlp", 1 << 20)
            keep(store, "b")
            os.write(kept[1], b"x")
            os.read(closed[0], 1)
            keep(store, "c")
            os._exit(7)
        os.read(kept[0], 1)
        store.close()
        os.write(closed[1], b"x")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        """,
        str(directory),
    )
    assert parent.wait(60) == 0
    store = make_store()

    assert store.adopt() == 3
    assert sorted(take_all(store)) == ["a", "b", "c"]


def test_a_fork_within_a_transaction_leaves_it_to_the_parent(
    directory: Path, start_process: StartProcess
) -> None:
    process = start_process(
        """
        import os, sys
        from bentotrace.spool.store import SpoolStore, StoreError

        def fork(connection):
            child = os.fork()
            if child == 0:
                try:
                    SpoolStore(sys.argv[1], "otlp", 1 << 20).adopt()
                except StoreError as error:
                    os._exit(7 if "forked while its parent" in str(error) else 8)
                os._exit(9)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7

        store = SpoolStore(sys.argv[1], "otlp", 1 << 20)
        # As a signal's handler does.
        store._run_transaction(fork)
        store.append(store.next_number(), 1, b"x")
        """,
        str(directory),
    )

    assert process.wait(60) == 0


def test_a_child_that_is_forked_while_its_parent_opens_the_file_does_not_use_it(
    directory: Path, start_process: StartProcess
) -> None:
    SpoolStore(str(directory), "otlp", MEBIBYTE).check()
    other = start_process(WRITE_A_WHILE, str(directory / "otlp.sqlite"))
    assert other.stdin is not None
    assert other.stdout is not None
    other.stdout.readline()
    process = start_process(
        """
        import os, signal, sys
        from contextlib import suppress
        from bentotrace.spool.store import SpoolStore, StoreError

        def fork(number, frame):
            child = os.fork()
            if child == 0:
                try:
                    SpoolStore(sys.argv[1], "otlp", 1 << 20).adopt()
                except StoreError as error:
                    os._exit(7 if "forked while its parent" in str(error) else 8)
                os._exit(9)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

        codes = []
        signal.signal(signal.SIGALRM, fork)
        store = SpoolStore(sys.argv[1], "otlp", 1 << 20)
        print("waiting", flush=True)
        # It is handled when SQLite has waited for the other process.
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with suppress(StoreError):
            store.append(store.next_number(), 1, b"x")
        assert codes == [7], codes
        """,
        str(directory),
    )
    assert process.stdout is not None
    process.stdout.readline()
    other.stdin.write("\n")
    other.stdin.flush()

    assert process.wait(60) == 0


def test_threads_of_a_child_that_begin_at_once_share_one_lock(
    run_python: Callable[[str], str],
) -> None:
    printed = run_python(
        """
        import os, threading
        from bentotrace.spool.database import SQLITE

        class User:
            # Lets another thread in while the child looks for connections of its parent.
            connected = property(lambda self: self.ask())
            others = []

            def ask(self):
                if os.getpid() != parent and not self.others:
                    self.others.append(None)
                    other = threading.Thread(target=lambda: self.others.append(SQLITE.lock))
                    other.start()
                    other.join(30)
                return False

            def disconnect(self):
                pass

        parent, user = os.getpid(), User()
        SQLITE.add(user)
        with SQLITE.lock:
            child = os.fork()
            if not child:
                print(SQLITE.lock is user.others[1], SQLITE.unsafe, flush=True)
                os._exit(0)
        os.waitpid(child, 0)
        """
    )
    assert printed == "True False\n"
