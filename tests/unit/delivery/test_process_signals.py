from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from textwrap import dedent
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


def indent(text: str, spaces: int) -> str:
    """Indent all lines but the first, to be put into an indented text."""
    return textwrap.indent(text.strip(), " " * spaces).strip()


def find_unshare() -> list[str] | None:
    """Return the command that runs another in a PID namespace of its own; None without the right."""
    rights = "-fp" if hasattr(os, "geteuid") and os.geteuid() == 0 else "-Urfp"
    command = ["unshare", rights, "--kill-child"]
    if shutil.which("unshare") is None:
        return None
    done = subprocess.run([*command, "true"], capture_output=True, timeout=30, check=False)
    return command if done.returncode == 0 else None


UNSHARE = find_unshare()


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


MORE_SIGNALS = """
for seconds in (0.3, 0.6, 0.9):
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGTERM))
    timer.daemon = True
    timer.start()
"""


def test_more_signals_do_not_end_the_export(run_process: Run) -> None:
    ran = run_process(f"""
        bentotrace.configure(block("sleep"))
        end("a")
        {indent(MORE_SIGNALS, 8)}
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(20)
    """)
    assert (ran.code, ran.names) == (-signal.SIGTERM, ["a"])
    assert ran.warnings == []


@pytest.mark.parametrize(
    ("handler", "code"),
    [
        ("lambda number, frame: sys.exit(5)", 5),
        ("signal.default_int_handler", -signal.SIGINT),
        ("stop", 1),
    ],
)
def test_what_handlers_raise_does_not_end_the_export_at_exit(
    run_process: Run, handler: str, code: int
) -> None:
    ran = run_process(f"""
        def stop(number, frame):
            raise RuntimeError("stop")

        signal.signal(signal.SIGTERM, {handler})
        bentotrace.configure(block("sleep"))
        end("a")
        timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
        timer.daemon = True
        timer.start()
        os.kill(os.getpid(), signal.SIGTERM)
    """)
    assert (ran.code, ran.names) == (code, ["a"])
    assert ran.warnings == []


def test_ctrl_c_during_the_export_of_sigterm_does_not_end_it(run_process: Run) -> None:
    ran = run_process("""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        bentotrace.configure(block("sleep"))
        end("a")
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(20)
    """)
    assert (ran.code, ran.names) == (-signal.SIGTERM, ["a"])


def test_a_second_ctrl_c_during_the_export_ends_it_and_the_loss_is_said(run_process: Run) -> None:
    ran = run_process("""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        bentotrace.configure(block("hang", shutdown_timeout=25))
        end("a")
        for seconds in (1, 2):
            timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
            timer.daemon = True
            timer.start()
    """)
    assert ran.seconds < 20
    (warning,) = ran.warnings
    assert "1 span had to be abandoned" in warning


@pytest.mark.skipif(UNSHARE is None, reason="needs the right to create a PID namespace")
def test_the_first_process_of_a_container_goes_on_after_its_flush(run_process: Run) -> None:
    ran = run_process(f"""
        import subprocess
        if os.getpid() != 1:
            command = [*{UNSHARE}, sys.executable, __file__]
            sys.exit(subprocess.run(command).returncode)
        bentotrace.configure(block())
        for name in "abc":
            end(name)
            os.kill(1, signal.SIGTERM)
            write("flushed")
        sys.exit(7)
    """)
    assert ran.code == 7, ran.log
    assert [name for _, name in ran.book] == [
        *("a", "flushed", "b", "flushed", "c", "flushed", "shutdown"),
    ]
    assert ran.warnings == []


@pytest.mark.parametrize("name", ["SIGWINCH", "SIGCONT", "SIGCHLD"])
def test_a_signal_that_ends_no_process_flushes_each_time(run_process: Run, name: str) -> None:
    ran = run_process(f"""
        bentotrace.configure(block(), flush_on_signals=["{name}"])
        for number in range(2):
            end("span")
            os.kill(os.getpid(), signal.{name})
            write("flushed")
    """)
    assert [name for _, name in ran.book] == ["span", "flushed", "span", "flushed", "shutdown"]


@pytest.mark.parametrize("thread", [False, True], ids=["", "in another thread"])
@pytest.mark.parametrize("names", [None, ["SIGTERM", "SIGHUP"]])
def test_a_child_that_resets_its_handlers_loses_nothing(
    run_process: Run, names: list[str] | None, thread: bool
) -> None:
    ran = run_process(f"""
        bentotrace.configure(block(), flush_on_signals={names})
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            if {thread}:
                ending = threading.Thread(target=end, args=("child",))
                ending.start()
                ending.join()
            else:
                end("child")
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(20)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status))
    """)
    assert ran.output == f"{-signal.SIGTERM}\n"
    assert ran.names == ["child"]


def test_the_handler_that_a_child_sets_is_left_alone(run_process: Run) -> None:
    ran = run_process("""
        bentotrace.configure(block())
        child = os.fork()
        if child == 0:
            handler = lambda number, frame: sys.exit(5)
            signal.signal(signal.SIGTERM, handler)
            end("child")
            assert signal.getsignal(signal.SIGTERM) is handler
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(20)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status))
    """)
    assert (ran.output, ran.names) == ("5\n", ["child"])


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
        # The process that starts the tests may ignore it.
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


@pytest.mark.skipif(importlib.util.find_spec("uvicorn") is None, reason="uvicorn is not installed")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_uvicorn_in_a_child_that_resets_its_handlers_loses_nothing(
    run_process: Run, name: str
) -> None:
    # As gunicorn does with uvicorn's worker.
    before = dedent(f"""
        bentotrace.configure(block())
        child = os.fork()
        if child:
            sys.exit(os.waitpid(child, 0)[1] & 0x7f)
        signal.signal(signal.{name}, signal.SIG_DFL)
    """)
    ran = run_process(SERVER.format(name=name, before=before, in_lifespan="", after=""))
    assert ran.names == ["at shutdown"], ran.log
    assert ran.warnings == []


def test_more_signals_to_uvicorn_do_not_end_the_export(run_process: Run) -> None:
    uvicorn = pytest.importorskip("uvicorn", reason="uvicorn is not installed")
    if not hasattr(uvicorn.Server, "capture_signals"):
        pytest.skip("uvicorn before 0.29 removes all handlers before the process exits")
    before = f"{MORE_SIGNALS}"
    ran = run_process(
        SERVER.format(
            name="SIGTERM",
            before=before,
            in_lifespan="bentotrace.configure(block('sleep'))",
            after="",
        )
    )
    assert ran.names == ["at shutdown"], ran.log
    assert ran.warnings == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("SIGTREM", "SIGTREM is not a signal of this system; did you mean SIGTERM?"),
        (["SIGTERM", "SIGKILL"], "SIGKILL cannot be handled; remove it"),
    ],
)
def test_a_name_that_is_no_signal_is_told(given: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=f"flush_on_signals: {said.replace('?', '.')}"):
        load_config({"exporter_type": "none", "flush_on_signals": given}, environ={})
