from __future__ import annotations

import importlib.util
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest

from bentotrace.config.load import load_config
from bentotrace.exceptions import ConfigError

Run = Callable[..., Any]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs the signals of POSIX")

SERVER = """\
import asyncio, uvicorn

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        {in_lifespan}
        await send({{"type": "lifespan.startup.complete"}})
        asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), signal.{name})
        await receive()
        end("at shutdown")
        await send({{"type": "lifespan.shutdown.complete"}})

{before}
uvicorn.run(app, port=0, log_level="warning")
{after}
"""


def test_a_process_that_sigterm_ends_loses_nothing_and_ends_by_it(run_process: Run) -> None:
    ran = run_process("""
        bentotrace.configure(block())
        end("a", "b")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(20)
    """)
    assert ran.code == -signal.SIGTERM
    assert ran.names == ["a", "b"]
    assert ran.warnings == []


def test_a_signal_in_the_middle_of_a_burst_loses_only_what_has_not_ended(run_process: Run) -> None:
    ran = run_process("""
        tracing = bentotrace.configure(block(max_queue_size=100_000))
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
        tracer, began = trace.get_tracer("test"), time.monotonic()
        while time.monotonic() < began + 20:
            tracer.start_span("span").end()
            write("ended")
    """)
    assert ran.code == -signal.SIGTERM
    ended = sum(name == "ended" for name in ran.names)
    # The signal may come between the end of the last span and its note.
    assert ran.names.count("span") - ended in (0, 1)


def test_the_wait_for_a_hanging_exporter_is_bounded_and_said(run_process: Run) -> None:
    ran = run_process("""
        bentotrace.configure(block("hang", shutdown_timeout=0.3))
        end("a")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(20)
    """)
    assert ran.code == -signal.SIGTERM
    assert ran.seconds < 15
    (warning,) = ran.warnings
    assert "1 span had to be abandoned" in warning


def test_a_second_signal_ends_the_process_at_once(run_process: Run) -> None:
    ran = run_process("""
        bentotrace.configure(block("hang", shutdown_timeout=25))
        end("a")
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
        os.kill(os.getpid(), signal.SIGTERM)
    """)
    assert ran.code == -signal.SIGTERM
    assert ran.seconds < 20


def test_a_handler_of_the_application_is_left_alone(run_process: Run) -> None:
    ran = run_process("""
        handler = lambda number, frame: sys.exit(5)
        signal.signal(signal.SIGTERM, handler)
        bentotrace.configure(block())
        assert signal.getsignal(signal.SIGTERM) is handler
        end("a")
        os.kill(os.getpid(), signal.SIGTERM)
    """)
    assert (ran.code, ran.names) == (5, ["a"])


def test_a_listed_signal_is_taken_and_the_handler_there_called_after(run_process: Run) -> None:
    ran = run_process("""
        def handler(number, frame):
            write("handled")
            os._exit(5)

        signal.signal(signal.SIGUSR1, handler)
        bentotrace.configure(block(), flush_on_signals=["SIGUSR1"])
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        end("a")
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(20)
    """)
    assert ran.code == 5
    assert [name for _, name in ran.book] == ["a", "handled"]


@pytest.mark.parametrize(
    "text",
    [
        "bentotrace.configure(block(), flush_on_signals=[])",
        "bentotrace.build(block())",
        "bentotrace.configure({'exporter_type': 'none'})",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); bentotrace.configure(block())",
        "thread = threading.Thread(target=bentotrace.configure, args=(block(),));"
        "thread.start(); thread.join()",
    ],
)
def test_the_handler_stays_where_nothing_is_to_be_done(run_process: Run, text: str) -> None:
    ran = run_process(f"""
        before = signal.getsignal(signal.SIGTERM)
        {text}
        print(signal.getsignal(signal.SIGTERM) in (before, signal.SIG_IGN))
    """)
    assert ran.output == "True\n", ran.log


def test_interrupting_from_the_keyboard_loses_nothing(run_process: Run) -> None:
    ran = run_process("""
        # Whoever starts the tests may ignore it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        bentotrace.configure(block())
        end("a")
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(20)
    """)
    assert "KeyboardInterrupt" in ran.log
    assert ran.names == ["a"]


def test_configuring_twice_installs_one_handler(run_process: Run) -> None:
    ran = run_process("""
        bentotrace.configure(block())
        handler = signal.getsignal(signal.SIGTERM)
        bentotrace.configure(block(), if_exists="attach", flush_on_signals=["SIGTERM"])
        print(signal.getsignal(signal.SIGTERM) is handler)
    """)
    assert ran.output == "True\n"


def test_a_terminated_child_loses_nothing(run_process: Run) -> None:
    ran = run_process("""
        bentotrace.configure(block())
        end("parent")
        child = os.fork()
        if child == 0:
            end("child")
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(20)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status))
    """)
    assert ran.output == f"{-signal.SIGTERM}\n"
    assert ran.names == ["child", "parent"]


@pytest.mark.skipif(importlib.util.find_spec("uvicorn") is None, reason="uvicorn is not installed")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("where", ["before", "in_lifespan"])
def test_uvicorn_stopped_by_a_signal_loses_nothing(run_process: Run, where: str, name: str) -> None:
    places = {"before": "", "in_lifespan": "", "after": "", where: "bentotrace.configure(block())"}
    ran = run_process(SERVER.format(name=name, **places))
    assert ran.names == ["at shutdown"], ran.log
    assert ran.warnings == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("SIGTREM", "SIGTREM is no signal here; did you mean SIGTERM?"),
        (["SIGTERM", "SIGKILL"], "SIGKILL cannot be handled; leave it out"),
    ],
)
def test_a_name_that_is_no_signal_is_told(given: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=f"flush_on_signals: {said.replace('?', '.')}"):
        load_config({"exporter_type": "none", "flush_on_signals": given}, environ={})
