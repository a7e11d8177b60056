"""Built in a parent, used in its children: every span of both arrives, once."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from .processes import run_script, warnings_of
from .transports import TRANSPORTS, Transport

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

# Not over UDP, of which a receiver may miss some.
ANSWERING = [transport for transport in TRANSPORTS if transport.family != "udp"]

WAYS = {
    "os.fork, and a child that exits": """
        tracing = configure()
        end("before", 10)
        child = os.fork()
        if child == 0:
            end("child", 10)
            sys.exit(0)
        end("after", 10)
        assert os.waitpid(child, 0)[1] == 0
    """,
    "os.fork, and a child that leaves at once after a flush": """
        tracing = configure()
        end("before", 10)
        child = os.fork()
        if child == 0:
            end("child", 10)
            os._exit(0 if tracing.flush(20) else 1)
        end("after", 10)
        assert os.waitpid(child, 0)[1] == 0
    """,
    "os.fork while another thread ends spans": """
        tracing = configure()
        ending, more = threading.Event(), threading.Event()
        def work():
            end("before", 9)
            ending.set()
            more.wait()
            end("before")
        thread = threading.Thread(target=work)
        thread.start()
        ending.wait()
        child = os.fork()
        if child == 0:
            end("child", 10)
            os._exit(0 if tracing.flush(20) else 1)
        more.set()
        thread.join()
        end("after", 10)
        assert os.waitpid(child, 0)[1] == 0
    """,
    "a fork that skips Python's hooks": """
        import ctypes
        tracing = configure()
        end("before", 10)
        tracing.flush(20)
        child = ctypes.PyDLL(None).fork()
        if child == 0:
            end("child", 10)
            os._exit(0 if tracing.flush(20) else 1)
        end("after", 10)
        assert os.waitpid(child, 0)[1] == 0
    """,
    "multiprocessing's fork": """
        import multiprocessing
        tracing = configure()
        end("before", 10)
        child = multiprocessing.get_context("fork").Process(target=end, args=("child", 10))
        child.start()
        end("after", 10)
        child.join()
        assert child.exitcode == 0
    """,
    "multiprocessing's spawn": """
        import multiprocessing
        tracing = configure()
        if __name__ == "__main__":
            end("before", 10)
            child = multiprocessing.get_context("spawn").Process(target=end, args=("child", 10))
            child.start()
            end("after", 10)
            child.join()
            assert child.exitcode == 0
    """,
    "multiprocessing's forkserver": """
        import multiprocessing
        tracing = configure()
        if __name__ == "__main__":
            end("before", 10)
            context = multiprocessing.get_context("forkserver")
            child = context.Process(target=end, args=("child", 10))
            child.start()
            end("after", 10)
            child.join()
            assert child.exitcode == 0
    """,
    "a pool of concurrent.futures": """
        import concurrent.futures
        tracing = configure()
        end("before", 10)
        with concurrent.futures.ProcessPoolExecutor(2) as pool:
            list(pool.map(end, ["child"] * 10))
        end("after", 10)
    """,
    "a pool whose children end after one task": """
        import multiprocessing
        tracing = configure()
        end("before", 10)
        with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as pool:
            pool.map(end, ["child"] * 10, chunksize=1)
            pool.close()
            pool.join()
        end("after", 10)
    """,
    "a child of a child": """
        tracing = configure()
        end("before", 10)
        child = os.fork()
        if child == 0:
            end("child", 5)
            grandchild = os.fork()
            end("child", 0 if grandchild else 5)
            sys.exit(os.waitpid(grandchild, 0)[1] if grandchild else 0)
        end("after", 10)
        assert os.waitpid(child, 0)[1] == 0
    """,
}


@pytest.mark.parametrize("transport", ANSWERING, ids=lambda transport: transport.name)
@pytest.mark.parametrize("way", WAYS)
def test_parent_and_children_lose_nothing(tmp_path: Path, transport: Transport, way: str) -> None:
    with transport.receive() as receiver:
        block = transport.block("127.0.0.1", receiver.port)
        block["processor"] = {"shutdown_timeout": 60.0}
        ended = run_script(WAYS[way], block, tmp_path)
        names = Counter(span.name for span in receiver.spans)
    assert ended.code == 0, ended.log
    assert names == {"before": 10, "child": 10, "after": 10}
    assert warnings_of(ended.log) == []
