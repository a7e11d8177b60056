"""The command as a person runs it; its verdicts are tested where they are made."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("click", reason="the command needs click")
pytest.importorskip("rich", reason="the command shows with rich that it waits")

from bentotrace.doctor.verdict import Verdict

pytestmark = pytest.mark.one_python

Run = Callable[..., "subprocess.CompletedProcess[str]"]

SECRET = "s3cr3t-marker"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., None]:
    """Writes tracing.yaml for OTLP over HTTP."""

    def write(url: str, rate: float = 1.0) -> None:
        (tmp_path / "tracing.yaml").write_text(
            "tracing:\n"
            "  exporter_type: otlp\n"
            f"  sample_rate: {rate}\n"
            "  timeout: 5\n"
            "  resource: {attributes: {service.name: iris}}\n"
            "  otlp:\n"
            "    protocol: http\n"
            f"    endpoint: {url}\n"
            "    http:\n"
            f"      headers: {{Authorization: Bearer {SECRET}}}\n"
        )

    return write


def test_a_span_that_is_taken_ends_with_0_and_its_trace(
    run: Run, write: Any, serve: Any, receiver: Any
) -> None:
    handler = receiver()
    server = serve(handler)
    write(server.url)

    done = run("doctor", "tracing.yaml")

    (request,) = handler.requests
    trace_id = request.body[request.body.index(b"\x0a\x10") + 2 :][:16].hex()
    lines = [re.sub(r" \(\d+ ms\)$", "", line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert lines == [
        f"tracing.yaml: sends to otlp (http) at {server.url}/v1/traces; sample_rate 1, "
        "tracing.yaml:3:16",
        "",
        f"otlp (http) to {server.url}/v1/traces  [tracing.yaml:8:15]",
        "  ✓ configuration   good; service iris; timeout 5 s",
        "  ✓ name resolution not needed: 127.0.0.1 is an address",
        f"  ✓ connection      connected to 127.0.0.1:{server.port}",
        "  ✓ TLS             none: plaintext",
        "  ✓ protocol        the server speaks HTTP",
        "  ✓ authentication  accepted: the header Authorization",
        "  ✓ path            /v1/traces is served",
        "  ✓ response        200 OK",
        "✓ the span was accepted  good",
        f'  Look for trace {trace_id} in the backend; its only span is "bentotrace',
        '  doctor".',
    ]


def test_a_failure_ends_with_the_code_of_its_verdict_and_what_to_do(
    run: Run, write: Any, serve: Any, receiver: Any, reply: Any
) -> None:
    refusal = reply("401 Unauthorized", f"not {SECRET}".encode(), "Content-Type: text/plain")
    write(serve(receiver([refusal])).url)

    done = run("doctor", "tracing.yaml")

    assert (done.returncode, done.stderr) == (Verdict.UNAUTHENTICATED.exit_code, "")
    assert done.stdout.splitlines()[-6:] == [
        "  ✓ protocol        the server speaks HTTP",
        "  ✗ authentication  401 Unauthorized: not ***",
        "  · not reached: path, response",
        "✗ the credentials are missing or invalid  unauthenticated",
        "  Sent: the header Authorization. Correct or add the credentials that the receiver requires "
        "in",
        "  otlp.http.headers (tracing.yaml:10:16).",
    ]


def test_what_is_not_known_is_said_to_be_unknown(run: Run, write: Any, serve: Any) -> None:
    write(serve(lambda connection: None).url)

    done = run("doctor", "tracing.yaml", OTEL_EXPORTER_OTLP_TIMEOUT="1")

    assert done.returncode == Verdict.DISCONNECTED.exit_code
    assert "  ? unknown without a response: protocol, authentication, path\n" in done.stdout


def test_the_same_is_there_as_json(
    run: Run, write: Any, serve: Any, receiver: Any, reply: Any
) -> None:
    write(serve(receiver([reply("403 Forbidden")])).url)

    done = run("doctor", "tracing.yaml", "--json")

    found = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (41, "")
    (destination,) = found.pop("destinations")
    assert found.pop("effect").startswith("sends to otlp (http) at http://127.0.0.1:")
    assert found == {
        "good": False,
        "verdict": "forbidden",
        "exit_code": 41,
        "source": "tracing.yaml",
        "problems": [],
        "notes": [],
    }
    steps = destination.pop("steps")
    assert [step["state"] for step in steps] == ["good"] * 5 + ["failed"] + ["not_reached"] * 2
    assert steps[5]["name"] == "authentication"
    assert steps[5]["message"] == destination["reason"] == "403 Forbidden"
    assert destination["exporter"] == "otlp"
    assert destination["endpoint_source"] == "tracing.yaml:8:15"
    assert len(destination["trace_id"]) == 32


def test_secrets_are_in_no_output(
    run: Run, write: Any, serve: Any, receiver: Any, reply: Any
) -> None:
    quoting = reply("400 Bad Request", f"Bearer {SECRET}".encode(), "Content-Type: text/plain")
    server = serve(receiver([quoting]))
    write(f"http://user:{SECRET}@{server.netloc}")

    for arguments in (["doctor", "tracing.yaml"], ["doctor", "tracing.yaml", "--json"]):
        done = run(*arguments)
        assert done.returncode == Verdict.REJECTED.exit_code
        assert SECRET not in done.stdout + done.stderr
        assert "user" not in done.stdout + done.stderr


def test_a_wrong_configuration_is_told_and_nothing_is_sent(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("tracing: {exporter_type: oltp, sample_rate: 5}\n")

    text = run("doctor", "bad.yaml")
    found = json.loads(run("doctor", "bad.yaml", "--json").stdout)

    assert (text.returncode, text.stdout) == (1, "")
    assert len(text.stderr.splitlines()) == 2
    assert (found["verdict"], found["exit_code"]) == ("configuration", 1)
    assert [problem["path"] for problem in found["problems"]] == [
        "tracing.exporter_type",
        "tracing.sample_rate",
    ]


def test_a_plugin_that_cannot_be_used_is_told_as_json_too(run: Run, distributions: Any) -> None:
    broken = "print('hello'); raise RuntimeError('no')"
    distributions.add("acme", "acme", broken, exporter="acme")
    where = {"PYTHONPATH": str(distributions.directory), "OTEL_TRACES_EXPORTER": "acme"}

    done = run("doctor", "--json", **where)

    (problem,) = json.loads(done.stdout)["problems"]
    assert (done.returncode, done.stderr) == (1, "hello\n")
    assert "importing it raised RuntimeError: no" in problem["message"]


def test_the_block_of_a_service_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bento.yaml").write_text(
        "services:\n"
        "  iris: {tracing: {exporter_type: console, sample_rate: 1}}\n"
        "  rose: {tracing: {exporter_type: none}}\n"
    )

    iris = run("doctor", "bento.yaml", "--service", "iris")
    rose = run("doctor", "bento.yaml", "--service", "rose")

    assert "console to stdout" in iris.stdout
    assert rose.stdout.splitlines() == [
        "bento.yaml: nothing is sent: exporter_type is none, bento.yaml:3:35",
        "✓ nothing is sent, as configured  nothing",
    ]
    assert iris.returncode == rose.returncode == 0


def test_without_a_file_and_an_exporter_the_mistake_is_told(run: Run) -> None:
    done = run("doctor")

    assert done.returncode == Verdict.NO_EXPORTER.exit_code
    assert "warning: no exporter is selected, so nothing is exported" in done.stdout


def test_what_hinders_no_span_is_warned_of(run: Run, write: Any, serve: Any, receiver: Any) -> None:
    write(serve(receiver()).url, rate=0)

    done = run("doctor", BENTOTRACE_CONFIG="tracing.yaml")

    assert done.returncode == 0
    assert "\nwarning: sample_rate is 0, tracing.yaml:3:16, so no trace starts here" in done.stdout


def test_long_lines_are_broken_below_their_beginning(
    run: Run, write: Any, serve: Any, receiver: Any, reply: Any
) -> None:
    long = " ".join(["word"] * 30).encode()
    write(serve(receiver([reply("400 Bad Request", long, "Content-Type: text/plain")])).url)

    done = run("doctor", "tracing.yaml", COLUMNS="60")

    assert max(map(len, done.stdout.splitlines()[3:])) <= 60
    assert f"\n{' ' * 20}word" in done.stdout


def test_a_terminal_without_the_marks_gets_others(run: Run) -> None:
    done = run("doctor", OTEL_TRACES_EXPORTER="console", PYTHONIOENCODING="ascii")

    assert "  + export " in done.stdout


def test_the_help_has_every_verdict_with_its_exit_code(run: Run) -> None:
    lines = [line.split() for line in run("doctor", "--help").stdout.splitlines()]

    for verdict in Verdict:
        assert [str(verdict.exit_code), verdict.word, *verdict.title.split()] in lines


def test_a_missing_dependency_is_a_mistake_of_the_configuration(run: Run, tmp_path: Path) -> None:
    (tmp_path / "grpc.py").write_text("raise ModuleNotFoundError('gone', name='grpc')\n")

    done = run("doctor", OTEL_TRACES_EXPORTER="otlp")

    assert done.returncode == Verdict.CONFIGURATION.exit_code
    assert "✗ configuration   exporter 'otlp' needs grpc, which is not installed;" in done.stdout


@pytest.mark.parametrize("command", ["doctor", "explain", "validate"])
def test_without_a_file_and_an_exporter_it_says_how_to_name_one(run: Run, command: str) -> None:
    hint = "note: no file was read; name one after the command, or set BENTOTRACE_CONFIG=FILE"

    assert hint in run(command).stdout
    assert "no file was read" not in run(command, OTEL_TRACES_EXPORTER="console").stdout
