"""Real processes that are killed, and a real receiver that is away meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import bentotrace
from bentotrace.exceptions import ConfigError, SpoolError

from ...ports import free_ports

testing = pytest.importorskip(
    "bentotrace.testing.otlp", reason="the extra testing has what the receiver decodes with"
)

SOON = 30.0
StartProcess = Callable[..., "subprocess.Popen[str]"]
WaitFor = Callable[[Callable[[], object]], None]

SERVICE = """\
    import json, os, sys, time
    import bentotrace

    tracing = bentotrace.build({}, **json.loads(sys.argv[1]))
    tracer = tracing.provider.get_tracer("test")

    def status():
        return tracing.status().as_dict()["destinations"][0]

    for line in sys.stdin:
        command, *words = line.split()
        answer = None
        if command == "end":
            for name in words:
                tracer.start_span(name).end()
        elif command == "spooled":
            while status()["spooled"] < int(words[0]):
                time.sleep(0.01)
        elif command == "fork":
            if os.fork() == 0:
                for name in words:
                    tracer.start_span(name).end()
                tracing.flush(0.5)
                tracing.shutdown()
                os._exit(0)
            os.wait()
        elif command == "flush":
            answer = tracing.flush(float(words[0]))
        print(json.dumps([answer, status()]), flush=True)
"""


class Away:
    """A port at which a receiver is now and then."""

    def __init__(self) -> None:
        (self.port,) = free_ports()
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def receiver(self) -> Any:
        return testing.OTLPHTTPReceiver(port=self.port)


class Service:
    """A traced process that does what it is told."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.status: dict[str, Any] = {}

    def ask(self, *words: object) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer, self.status = json.loads(self.process.stdout.readline())
        return answer

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def options(away: Away, directory: Path, **changes: Any) -> dict[str, Any]:
    return {
        "exporter_type": "otlp",
        "sample_rate": 1.0,
        "timeout": 2.0,
        "otlp": {"protocol": "http", "endpoint": away.endpoint},
        "spool": {"path": str(directory)},
        "processor": {"schedule_delay": 0.05, "max_export_batch_size": 4},
        **changes,
    }


@pytest.fixture
def away() -> Away:
    return Away()


@pytest.fixture
def start_service(
    start_process: StartProcess, away: Away, directory: Path
) -> Callable[..., Service]:
    return lambda **changes: Service(
        start_process(SERVICE, json.dumps(options(away, directory, **changes)))
    )


StartService = Callable[..., Service]


def names_of(receiver: Any) -> list[str]:
    return [span.name for span in receiver.spans]


def test_what_a_killed_process_kept_arrives_once_and_in_order_from_the_next(
    start_service: StartService, away: Away
) -> None:
    names = [f"s{number}" for number in range(30)]
    service = start_service()
    service.ask("end", *names)
    service.ask("spooled", 30)
    service.kill()

    with away.receiver() as receiver:
        following = start_service()
        following.ask("end", "after")
        assert following.ask("flush", SOON)

        assert names_of(receiver) == [*names, "after"]
        assert following.status["recovered"] == 30
        assert following.status["ended"] == following.status["exported"] == 1


def test_it_survives_one_killed_process_after_the_other(
    start_service: StartService, away: Away
) -> None:
    names = []
    for generation in range(4):
        service = start_service()
        own = [f"{generation}-{number}" for number in range(10)]
        service.ask("end", *own)
        service.ask("spooled", 10)
        service.kill()
        names += own

    with away.receiver() as receiver:
        following = start_service()
        assert following.ask("end", "after") is None
        assert following.ask("flush", SOON)

        assert names_of(receiver) == [*names, "after"]


def test_a_process_that_is_killed_in_the_middle_of_a_send_loses_nothing(
    start_service: StartService, away: Away, wait_for: WaitFor
) -> None:
    names = [f"s{number}" for number in range(20)]
    service = start_service(timeout=60.0)
    with away.receiver() as receiver:
        receiver.respond_with(200, delay=3600.0)
        service.ask("end", *names)
        # One is being sent, and has been put on disk meanwhile; the others are behind it.
        service.ask("spooled", 4)
        service.ask("flush", 1.0)
        assert service.status["spooled"] == 20
        service.kill()

    with away.receiver() as receiver:
        following = start_service()
        following.ask("end", "after")
        assert following.ask("flush", SOON)

        assert names_of(receiver) == [*names, "after"]


def test_a_living_process_sends_by_itself_when_the_receiver_is_back(
    start_service: StartService, away: Away
) -> None:
    service = start_service()
    names = [f"s{number}" for number in range(20)]
    service.ask("end", *names)
    service.ask("spooled", 20)

    with away.receiver() as receiver:
        receiver.wait(20, timeout=SOON)

        assert names_of(receiver) == names


def test_processes_that_share_a_directory_deliver_every_span_once(
    start_service: StartService, away: Away
) -> None:
    services = [start_service() for _ in range(3)]
    expected = []
    for rank, service in enumerate(services):
        own = [f"{rank}-{number}" for number in range(30)]
        service.ask("end", *own)
        expected += own
    for service in services:
        service.ask("spooled", 30)
    services[0].kill()

    with away.receiver() as receiver:
        # The others notice by themselves.
        receiver.wait(90, timeout=60.0)

        names = names_of(receiver)
        assert sorted(names) == sorted(expected)
        for rank in range(3):
            own = [name for name in names if name.startswith(f"{rank}-")]
            assert own == [name for name in expected if name.startswith(f"{rank}-")]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_keeps_its_own_and_leaves_the_parents_to_the_parent(
    start_service: StartService, away: Away
) -> None:
    service = start_service()
    service.ask("end", "parent-1", "parent-2")
    service.ask("spooled", 2)
    service.ask("fork", "child-1", "child-2")
    service.ask("end", "parent-3")
    service.ask("spooled", 3)
    service.kill()

    with away.receiver() as receiver:
        following = start_service()
        following.ask("end", "after")
        assert following.ask("flush", SOON)

        names = names_of(receiver)
        assert sorted(names) == ["after", "child-1", "child-2", "parent-1", "parent-2", "parent-3"]


def test_a_signal_ends_a_process_with_all_of_it_on_disk(
    start_process: StartProcess, away: Away, directory: Path
) -> None:
    process = start_process(
        """
        import json, sys, time
        import bentotrace

        tracing = bentotrace.configure({}, **json.loads(sys.argv[1]))
        tracer = tracing.provider.get_tracer("test")
        for number in range(700):
            tracer.start_span(f"s{number}").end()
        print("ready", flush=True)
        # A signal that comes just before a sleep does not end it.
        while True:
            time.sleep(0.05)
        """,
        json.dumps(options(away, directory, timeout=3600.0)),
    )
    assert process.stdout is not None
    with away.receiver() as receiver:
        receiver.respond_with(200, delay=3600.0)
        process.stdout.readline()
        process.terminate()
        assert process.wait(SOON) == -signal.SIGTERM

    with away.receiver() as receiver:
        with bentotrace.build({}, **options(away, directory)) as following:
            following.provider.get_tracer("test").start_span("after").end()
            assert following.flush(SOON)

        assert names_of(receiver) == [*(f"s{number}" for number in range(700)), "after"]


def test_a_damaged_file_does_not_stop_a_service(
    start_service: StartService, away: Away, directory: Path
) -> None:
    service = start_service()
    service.ask("end", "lost")
    service.ask("spooled", 1)
    service.kill()
    (file,) = directory.glob("*.sqlite")
    for suffix in ("-wal", "-shm"):
        Path(f"{file}{suffix}").unlink()
    file.write_bytes(os.urandom(50_000))

    with away.receiver() as receiver:
        following = start_service()
        following.ask("end", "after")
        assert following.ask("flush", SOON)

        assert names_of(receiver) == ["after"]
    assert len(list(directory.glob("*.damaged"))) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 503])
def test_what_a_receiver_may_take_once_it_is_mended_is_kept(
    status: int, away: Away, directory: Path
) -> None:
    with away.receiver() as receiver, bentotrace.build({}, **options(away, directory)) as tracing:
        receiver.respond_with(status, times=1000)
        tracing.provider.get_tracer("test").start_span("a").end()
        tracing.flush(SOON)

        (counts,) = tracing.status().destinations
        assert (counts.spooled, counts.failed) == (1, 0)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_a_receiver_will_never_take_is_not_kept(
    status: int, away: Away, directory: Path
) -> None:
    with away.receiver() as receiver, bentotrace.build({}, **options(away, directory)) as tracing:
        receiver.respond_with(status)
        tracing.provider.get_tracer("test").start_span("a").end()
        tracing.flush(SOON)

        (counts,) = tracing.status().destinations
        assert (counts.spooled, counts.failed) == (0, 1)


@contextmanager
def left_behind(away: Away, directory: Path, **changes: Any) -> Iterator[None]:
    """Leave one span on disk."""
    with bentotrace.build({}, **options(away, directory, **changes)) as tracing:
        tracing.provider.get_tracer("test").start_span("a").end()
        assert not tracing.flush(SOON)
    yield


def test_another_destination_does_not_get_what_was_meant_for_this_one(
    away: Away, directory: Path
) -> None:
    with left_behind(away, directory), testing.OTLPHTTPReceiver() as other:
        elsewhere = {"protocol": "http", "endpoint": other.endpoint}
        with bentotrace.build({}, **options(away, directory, otlp=elsewhere)) as tracing:
            tracing.provider.get_tracer("test").start_span("b").end()
            assert tracing.flush(SOON)
        assert names_of(other) == ["b"]


def test_new_credentials_find_the_spans_of_the_old(away: Away, directory: Path) -> None:
    old, new = (
        {
            "protocol": "http",
            "endpoint": away.endpoint,
            "http": {"headers": {"authorization": token}},
        }
        for token in ("old", "new")
    )
    with left_behind(away, directory, otlp=old), away.receiver() as receiver:
        with bentotrace.build({}, **options(away, directory, otlp=new)) as tracing:
            tracing.provider.get_tracer("test").start_span("b").end()
            assert tracing.flush(SOON)
        assert names_of(receiver) == ["a", "b"]


def test_a_spool_that_cannot_be_written_is_told_at_the_start(away: Away, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")

    with pytest.raises(SpoolError) as caught:
        bentotrace.build({}, **options(away, tmp_path / "file" / "below"))

    message = str(caught.value)
    assert f"the spool {tmp_path}/file/below/otlp-" in message
    assert "cannot be used: Not a directory" in message
    assert "set spool.path to a directory that this process may write to" in message


def test_a_path_that_is_a_file_is_a_mistake_in_the_configuration(
    away: Away, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("here")

    with pytest.raises(ConfigError, match=r"spool\.path: is a file; write the path of a directory"):
        bentotrace.load_config({}, **options(away, file))


def test_sqlite_is_not_imported_without_a_spool(start_process: StartProcess, away: Away) -> None:
    process = start_process(
        """
        import json, sys
        import bentotrace

        with bentotrace.build({}, **json.loads(sys.argv[1])) as tracing:
            tracing.provider.get_tracer("test").start_span("a").end()
        print("sqlite3" in sys.modules, "bentotrace.spool.spool" in sys.modules)
        """,
        json.dumps(options(away, Path(), spool={}, timeout=0.1)),
    )
    said, _ = process.communicate(timeout=SOON)

    assert said.split() == ["False", "False"]
