from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from bentotrace.cli.ui import load_file
from bentotrace.ui.files import read_file
from bentotrace.ui.store import Store

SCRIPT = "import sys; from bentotrace.cli import main; sys.exit(main())"
PORTS = (
    "--port",
    "--otlp-http-port",
    "--otlp-grpc-port",
    "--jaeger-grpc-port",
    "--jaeger-http-port",
    "--jaeger-udp-port",
    "--jaeger-udp-binary-port",
    "--zipkin-port",
)
ANY_PORTS = [word for port in PORTS for word in (port, "0")]
SPAN = {"traceId": "1" * 32, "spanId": "2" * 16, "name": "x"}
REQUEST = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [SPAN]}]}]})


@contextmanager
def running(tmp_path: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run the command, and give its process and what it printed until it was ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "ui", "--no-open", *ANY_PORTS, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
    )
    try:
        lines = []
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith("press Ctrl-C"):
                break
        yield process, lines
    finally:
        process.kill()
        process.communicate()


def port_of(lines: list[str], title: str) -> int:
    (line,) = (line for line in lines if title in line)
    return int(line.split()[0])


def send(lines: list[str]) -> None:
    url = f"http://127.0.0.1:{port_of(lines, 'OTLP over HTTP')}/v1/traces"
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, REQUEST.encode(), headers)) as response:
        assert response.status == 200


def count(lines: list[str]) -> int:
    port = port_of(lines, "page and Jaeger's query API")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/ui/api/status") as response:
        spans: int = json.loads(response.read())["spans"]
        return spans


def test_spans_are_kept_when_the_viewer_is_killed(tmp_path: Path) -> None:
    with running(tmp_path) as (process, lines):
        send(lines)
        process.kill()
        process.wait(10)
    assert (tmp_path / "cache" / "bentotrace" / "ui.sqlite").stat().st_mode & 0o077 == 0
    with running(tmp_path) as (_, lines):
        assert count(lines) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_silence(number: signal.Signals, tmp_path: Path) -> None:
    with running(tmp_path, "--memory") as (process, lines):
        send(lines)
        began = time.monotonic()
        process.send_signal(number)
        out, _ = process.communicate(timeout=20)
        assert (process.returncode, out) == (0, "")
        assert time.monotonic() - began < 10
    assert not (tmp_path / "cache").exists()


def test_a_taken_port_is_named_with_what_it_was_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with running(tmp_path, "--memory", "--zipkin-port", str(port)) as (_, lines):
            assert (
                f"  {port:>5}  Zipkin, spans and query API: not available, another program uses it"
                in lines
            )
            assert count(lines) == 0


def test_a_viewer_without_any_port_ends(tmp_path: Path) -> None:
    with ExitStack() as others:
        taken = []
        for name in PORTS:
            kind = socket.SOCK_DGRAM if "udp" in name else socket.SOCK_STREAM
            other = others.enter_context(socket.socket(type=kind))
            other.bind(("127.0.0.1", 0))
            if kind == socket.SOCK_STREAM:
                other.listen()
            taken += [name, str(other.getsockname()[1])]
        with running(tmp_path, "--memory", *taken) as (process, lines):
            process.wait(20)
    assert process.returncode == 1
    assert lines[-1] == "no port is free; stop what uses them, or choose others, such as --port 0"


def test_another_host_gets_a_token(tmp_path: Path) -> None:
    with running(tmp_path, "--memory", "--host", "0.0.0.0") as (_, lines):
        (opened,) = (line for line in lines if line.startswith("open "))
        assert "/#token=" in opened


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("lines.jsonl", f"{REQUEST}\n\n{REQUEST.replace('2222', '3333')}\n"),
        ("otlp.json", REQUEST),
        (
            "jaeger.json",
            json.dumps(
                {
                    "data": [
                        {
                            "traceID": "1" * 32,
                            "spans": [
                                {
                                    "traceID": "1" * 32,
                                    "spanID": "2" * 16,
                                    "operationName": "x",
                                    "startTime": 1,
                                    "duration": 2,
                                    "tags": [{"key": "n", "type": "int64", "value": 5}],
                                    "processID": "p1",
                                }
                            ],
                            "processes": {"p1": {"serviceName": "iris"}},
                        }
                    ]
                }
            ),
        ),
        ("zipkin.json", json.dumps([{"traceId": "1" * 16, "id": "2" * 16, "name": "x"}])),
    ],
)
def test_files_of_any_format_are_opened(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with running(tmp_path, "--memory", name) as (_, lines):
        assert lines[0] == f"{name}: {'2 spans' if name == 'lines.jsonl' else '1 span'}"
        assert count(lines) >= 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("text", "it is not JSON: Expecting value: line 1 column 1"),
        (
            '{\n "resourceSpans": [\n {}}',
            "it is not JSON: Expecting ',' delimiter: line 3 column 4",
        ),
        (f"{REQUEST}\n\n{REQUEST[:-1]}", "it is not JSON on line 3, column "),
        ("{}", "it is not JSON of OTLP, Jaeger or Zipkin"),
        ('{"data": [1]}', "it is not JSON of OTLP, Jaeger or Zipkin"),
        (None, "No"),
    ],
)
def test_a_file_that_cannot_be_read_ends_it(
    content: str | None, reason: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "file").write_text(content)
    with running(tmp_path, "--memory", "file") as (process, lines):
        process.wait(20)
        assert process.returncode == 1
        (line,) = lines
        assert line.startswith(f"file cannot be opened: {reason}")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "file")
    with running(tmp_path, "--memory", "file") as (process, lines):
        process.wait(20)
        assert process.returncode == 1
        assert lines == ["file cannot be opened: it is a pipe, not a regular file"]


@pytest.mark.parametrize("absent", ["grpc", "starlette", "uvicorn", "opentelemetry.proto"])
def test_what_is_not_installed_is_named_with_the_extra(absent: str) -> None:
    script = f"import sys; sys.modules[{absent!r}] = None\n{SCRIPT}"
    done = subprocess.run(
        [sys.executable, "-c", script, "ui"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"the viewer needs {absent}")
    assert done.stderr.endswith("; pip install 'bentotrace[ui]'\n")


def test_memory_and_a_file_exclude_each_other(tmp_path: Path) -> None:
    with running(tmp_path, "--memory", "--store", "x") as (process, lines):
        assert process.wait(20) == 2
        assert "--memory and --store exclude each other" in lines[-1]


def run(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, "ui", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
    )


def test_a_trace_is_exported_while_a_viewer_runs(tmp_path: Path) -> None:
    with running(tmp_path) as (_, lines):
        send(lines)
        done = run(tmp_path, "--export", "1" * 32, "page.html")
        assert (done.returncode, done.stderr) == (0, "")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "1" * 32 in page
    assert done.stdout == f"page.html: {len(page.encode()) // 1000} kB\n"


def test_a_trace_of_a_file_is_exported(tmp_path: Path) -> None:
    (tmp_path / "trace.json").write_text(REQUEST)
    done = run(tmp_path, "trace.json", "--export", "1" * 32, "page.html")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1" * 32 in (tmp_path / "page.html").read_text("utf-8")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("t.json", "--export", "5", "p.html"), "there is no trace 5 in t.json\n"),
        (("t.json", "--export", "1" * 32, "absent/p.html"), "absent/p.html cannot be written: "),
        (("--export", "5", "p.html"), "the store "),
    ],
)
def test_an_export_that_cannot_be_made_is_explained(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    (tmp_path / "t.json").write_text(REQUEST)
    done = run(tmp_path, *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_store_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    spans = [{**SPAN, "spanId": f"{number:016x}", "name": "x" * 2000} for number in range(1, 999)]
    document = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    (tmp_path / "t.json").write_text(json.dumps(document))
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))"
    done = subprocess.run(
        [sys.executable, "-c", f"{limit}\n{SCRIPT}", "ui", "t.json", "--store", "s", *ANY_PORTS],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("the store s cannot be used: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_store_below_a_file_is_explained_without_a_number(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run(tmp_path, "--no-open", "--store", "file/ui.sqlite", *ANY_PORTS)
    assert (done.returncode, done.stdout) == (1, "")
    assert " cannot be used: File exists; name another with --store" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_file_waits_until_the_store_has_written_what_arrived(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.json").write_text(REQUEST)
    first = read_file(tmp_path / "t.json").spans[0]
    spans = [first._replace(span_id=f"{number:016x}") for number in range(60_000)]
    with closing(Store(None)) as store, ThreadPoolExecutor(1) as pool:
        # In memory, nothing is written meanwhile.
        with store.read():
            store.add(spans)
            loading = pool.submit(load_file, str(tmp_path / "t.json"), store, None)
            assert not wait([loading], 0.5).done
        assert loading.result(30) == 1
        assert store.counts()["spans"] == 60_001
    assert capsys.readouterr().out == f"{tmp_path / 't.json'}: 1 span\n"


def test_a_file_with_more_spans_than_are_kept_is_reported(tmp_path: Path) -> None:
    lines = [REQUEST, REQUEST.replace("1" * 32, "4" * 32)]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    with running(tmp_path, "--memory", "--max-spans", "1", "t.jsonl") as (_, printed):
        assert "kept 1 of 2 spans; raise --max-spans" in printed


@pytest.mark.parametrize("host", ["nosuchhost.invalid", "a" * 70, os.fsdecode(b"a\xff")])
def test_a_host_that_is_not_known_is_the_reason(host: str, tmp_path: Path) -> None:
    done = run(tmp_path, "--memory", "--no-open", "--host", host, *ANY_PORTS)
    assert done.returncode == 1
    assert "the page is not available" not in done.stdout
    last = done.stderr.splitlines()[-1]
    shown = host.encode("ascii", "backslashreplace").decode()
    assert last.startswith(f"no port of {shown} can be opened: ")


def test_an_empty_host_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "--memory", "--no-open", "--host", "", *ANY_PORTS)
    assert done.returncode == 2
    assert "--host needs an address" in done.stderr


def test_a_page_without_a_port_says_why(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        with running(tmp_path, "--memory", "--port", port) as (_, lines):
            assert "the page is not available: another program uses it" in lines


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux is a file name any bytes")
def test_a_store_whose_name_is_no_text_is_shown(tmp_path: Path) -> None:
    with running(tmp_path, "--store", os.fsdecode(b"a\xff.sqlite")) as (_, lines):
        send(lines)
        assert count(lines) == 1


def test_an_id_that_is_no_text_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(REQUEST)
    done = run(tmp_path, "t.json", "--export", "\udcff", "p.html")
    assert (done.returncode, done.stdout) == (1, "t.json: 1 span\n")
    assert done.stderr == "there is no trace \\udcff in t.json\n"


@pytest.mark.parametrize("export", [(), ("--export", "5", "p.html")])
def test_without_a_home_a_store_must_be_named(export: tuple[str, ...], tmp_path: Path) -> None:
    lost = "import pwd; pwd.getpwuid = lambda number: {}[number]"
    done = subprocess.run(
        [sys.executable, "-c", f"{lost}\n{SCRIPT}", "ui", "--no-open", *ANY_PORTS, *export],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={
            name: value
            for name, value in os.environ.items()
            if name not in ("HOME", "XDG_CACHE_HOME")
        },
    )
    assert done.returncode == 1
    message = "there is no home directory; name a file with --store, or use --memory\n"
    assert done.stderr == message
