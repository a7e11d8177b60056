"""However a process ends, a healthy receiver gets every span that ended."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from textwrap import dedent

import pytest

from .processes import run_script, warnings_of
from .transports import TRANSPORTS, Transport

# Not over UDP, of which a receiver may miss some.
ANSWERING = [transport for transport in TRANSPORTS if transport.family != "udp"]

WAYS = {
    "at its last line": (0, "end('span', 2000)"),
    "by sys.exit": (3, "end('span', 2000); sys.exit(3)"),
    "by an exception": (1, "end('span', 2000); raise ValueError('of the application')"),
    "by an interrupt": (
        -2,
        """
        import signal
        # Whoever runs the tests may ignore it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        end('span', 2000)
        signal.raise_signal(signal.SIGINT)
        """,
    ),
    "by SIGTERM": (
        -15,
        """
        import signal
        end('span', 2000)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
        """,
    ),
    "with a thread that still runs": (
        0,
        """
        def work():
            threading.main_thread().join()
            end('span', 2000)
        threading.Thread(target=work).start()
        """,
    ),
    "with a daemon thread that never ends": (
        0,
        """
        ended = threading.Event()
        def work():
            end('span', 2000)
            ended.set()
            threading.Event().wait()
        threading.Thread(target=work, daemon=True).start()
        ended.wait()
        """,
    ),
    "at once after a flush": (4, "end('span', 2000); os._exit(4 if tracing.flush(20) else 5)"),
}


@pytest.mark.parametrize("transport", ANSWERING, ids=lambda transport: transport.name)
@pytest.mark.parametrize("way", WAYS)
def test_a_process_that_ends_loses_nothing(tmp_path: Path, transport: Transport, way: str) -> None:
    code, rest = WAYS[way]
    with transport.receive() as receiver:
        block = transport.block("127.0.0.1", receiver.port)
        # What a busy machine takes must not be what is tested.
        block["processor"] = {"shutdown_timeout": 60.0}
        ended = run_script(f"tracing = configure()\n{dedent(rest)}", block, tmp_path)
        names = Counter(span.name for span in receiver.spans)
    assert ended.code == code, ended.log
    assert names == {"span": 2000}
    assert warnings_of(ended.log) == []


@pytest.mark.parametrize("transport", ANSWERING, ids=lambda transport: transport.name)
def test_a_process_that_replaces_itself_loses_what_was_not_flushed(
    tmp_path: Path, transport: Transport
) -> None:
    script = """
        tracing = configure()
        if "again" not in sys.argv:
            end("flushed", 2000)
            assert tracing.flush(60)
            end("not flushed", 3)
            os.execv(sys.executable, [sys.executable, __file__, "again"])
        end("after", 2000)
    """
    with transport.receive() as receiver:
        block = transport.block("127.0.0.1", receiver.port)
        block["processor"] = {"schedule_delay": 300.0, "shutdown_timeout": 60.0}
        ended = run_script(dedent(script), block, tmp_path)
        names = Counter(span.name for span in receiver.spans)
    assert ended.code == 0, ended.log
    assert names == {"flushed": 2000, "after": 2000}
