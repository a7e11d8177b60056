"""The command as a person runs it: in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bentotrace.discovery import registry

from ...golden import Golden

pytest.importorskip("click", reason="the command needs click")
pytest.importorskip("rich", reason="the command needs rich")

pytestmark = pytest.mark.few_pythons

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_plugins_are_listed_as_a_table_and_as_json(run: Run) -> None:
    table = run("plugins")
    listed = json.loads(run("plugins", "--format", "json").stdout)

    assert table.returncode == 0
    assert "exporter_type" in table.stdout
    names = [item["name"] for item in listed]
    assert names == ["console", "jaeger", "otlp", "zipkin", *registry.foreign_names()]
    for item in listed:
        assert item["name"] in table.stdout
        assert item["summary"][:20] in table.stdout


def test_the_options_of_a_plugin_are_a_table_json_or_markdown(run: Run) -> None:
    table = run("plugins", "zipkin")
    listed = json.loads(run("plugins", "zipkin", "--format", "json").stdout)
    markdown = run("plugins", "zipkin", "--format", "markdown").stdout.splitlines()

    assert "local_node_port" in table.stdout
    # Whole, for a program that searches the lines.
    assert "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" in run("plugins", "otlp", COLUMNS="").stdout
    assert [item["name"] for item in listed][:2] == ["endpoint", "local_node_ipv4"]
    assert markdown[0] == "| option | default | meaning | variables that override it |"
    assert (
        "| `compression` | `none` | How requests are compressed. One of `none`, `gzip`. | none |"
        in (markdown)
    )
    assert run("plugins", "--format", "markdown").returncode == 2
    nothing = run("plugins", "none")
    assert nothing.returncode == 1
    assert nothing.stderr == "Error: the exporter none exports nothing and has no options\n"
    unknown = run("plugins", "zipkni")
    assert (unknown.returncode, "did you mean" in unknown.stderr) == (1, True)


def test_a_check_loads_each_plugin_and_reports_the_broken(
    run: Run, tmp_path: Path, distributions: Any
) -> None:
    distributions.add("acme", "acme_exits", "import os; os._exit(3)", exporter="exits")
    distributions.add("acne", "acne_raises", "1 / 0", exporter="raises")
    group = "bentotrace.extensions"
    distributions.add("acre", "acre_empty", "", exporter="empty", group=group)

    done = run("plugins", "--check", PYTHONPATH=str(tmp_path))

    assert done.returncode == 1
    lines = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert lines["exporter otlp"] == "loaded"
    assert lines["exporter exits"] == "its process ended with 3"
    assert "ZeroDivisionError: division by zero" in lines["exporter raises"]
    assert "it has no hook" in lines["extension empty"]
    assert run("plugins", "otlp", "--check").returncode == 0
    assert run("plugins", "nothing", "--check").returncode == 1


def test_the_table_shows_a_summary_as_it_is_in_any_encoding(
    run: Run, tmp_path: Path, distributions: Any
) -> None:
    source = "ExporterPlugin(summary='Träge [/spans] [beta]')"
    distributions.add("acme", "acme_tracing", source, exporter="acme")

    done = run("plugins", PYTHONPATH=str(tmp_path), PYTHONIOENCODING="ascii")

    assert done.returncode == 0, done.stderr
    assert r"Tr\xe4ge [/spans] [beta]" in done.stdout


def test_a_plugin_that_cannot_be_found_is_warned_of(
    run: Run, tmp_path: Path, distributions: Any
) -> None:
    distributions.add("acme", "acme_tracing", "", exporter="acme")
    (info,) = tmp_path.glob("*.dist-info")
    info.rename(info.with_name("~cme-1.5.dist-info"))

    done = run("plugins", PYTHONPATH=str(tmp_path))

    assert done.returncode == 0
    assert f"warning: pip left acme 1.5 behind in {tmp_path}; " in done.stderr
    assert "acme" not in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux is a file name any bytes")
def test_a_name_that_cannot_be_written_is_told_all_the_same(
    run: Run, tmp_path: Path, golden: Golden
) -> None:
    name = os.fsdecode(b"\xff.yaml")
    (tmp_path / name).write_text("tracing: {exporter_type: console}\n")

    done = run("validate", name, PYTHONIOENCODING="utf-8:strict")

    assert (done.returncode, done.stderr) == (0, "")
    golden(done.stdout)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")
@pytest.mark.parametrize("command", ["validate", "explain", "match /x", "plugins", "doctor"])
@pytest.mark.parametrize(("variable", "colored"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_no_color_where_it_wants_none(
    command: str, variable: dict[str, str], colored: bool, tmp_path: Path
) -> None:
    (tmp_path / "none.yaml").write_text("tracing: {exporter_type: none}\n")
    file = [] if command == "plugins" else ["none.yaml"]
    script = "import sys; from bentotrace.cli import main; sys.exit(main())"
    environ = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    ours, theirs = os.openpty()
    try:
        subprocess.run(
            [sys.executable, "-c", script, *command.split(), *file],
            cwd=tmp_path,
            env={**environ, "TERM": "xterm", **variable},
            stdout=theirs,
            stderr=subprocess.DEVNULL,
            timeout=60,
        )
        written = os.read(ours, 10_000)
    finally:
        os.close(ours)
        os.close(theirs)

    assert {"plugins": b"jaeger", "match /x": b"not traced"}.get(
        command, b"nothing is sent"
    ) in written
    assert (b"\x1b[" in written) is colored


def test_a_good_file_is_validated(run: Run, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("tracing: {exporter_type: otlp, sample_rate: 1}\n")

    done = run("validate", "good.yaml")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "good.yaml: good; sends to otlp (grpc) at localhost:4317; sample_rate 1, good.yaml:1:45\n"
    )


def test_the_command_runs_as_a_module(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("tracing: {exporter_type: otlp, sample_rate: 1}\n")

    done = subprocess.run(
        [sys.executable, "-m", "bentotrace", "validate", "good.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "good.yaml: good; sends to otlp (grpc) at localhost:4317; sample_rate 1, good.yaml:1:45\n"
    )


def test_a_wrong_file_gives_every_problem_with_its_position(
    run: Run, tmp_path: Path, golden: Golden
) -> None:
    (tmp_path / "bad.yaml").write_text(
        "tracing:\n  exporter_type: oltp\n  sample_rate: 5\n  tiemout: 3\n"
    )

    done = run("validate", "bad.yaml")

    assert done.returncode == 1
    assert done.stdout == ""
    # They differ between the environments of the tests.
    foreign = f"; of OpenTelemetry's own: {', '.join(registry.foreign_names())}"
    golden(done.stderr.replace(foreign, "").splitlines())


def test_warnings_of_a_good_file_are_shown(run: Run, tmp_path: Path, golden: Golden) -> None:
    (tmp_path / "good.yaml").write_text("tracing: {exporter_type: console}\n")

    done = run("validate", "good.yaml", OTEL_TRACES_SAMPLER_ARG="lots")

    assert (done.returncode, done.stderr) == (0, "")
    golden(done.stdout)


@pytest.mark.parametrize(
    "arguments", [["nothing"], ["validate", "--form"], ["demo", "--requests", "0"]]
)
def test_wrong_arguments_end_with_2(arguments: list[str], run: Run) -> None:
    done = run(*arguments)

    assert done.returncode == 2
    assert "Usage: bentotrace" in done.stderr


def test_a_wrong_file_ends_the_demo_without_a_traceback(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="the demo serves with uvicorn")
    (tmp_path / "bad.yaml").write_text("tracing: {exporter_type: oltp}\n")

    done = run("demo", "--config", "bad.yaml")

    assert done.returncode == 1
    assert done.stderr.startswith("bad.yaml:1:26: tracing.exporter_type: no exporter named 'oltp'")
    assert "Traceback" not in done.stderr


def test_the_demo_shows_a_waterfall_for_every_transport_and_loses_nothing(run: Run) -> None:
    for needed in ("uvicorn", "grpc", "opentelemetry.proto", "thrift"):
        pytest.importorskip(needed, reason=f"the demo needs {needed}")
    pytest.importorskip("opentelemetry.instrumentation.asgi", reason="the demo needs it")

    elsewhere = {"OTEL_TRACES_SAMPLER": "always_off", "http_proxy": "http://127.0.0.1:9"}
    done = run("demo", "--requests", "2", OTEL_EXPORTER_JAEGER_USER="iris", **elsewhere)

    assert done.returncode == 0, done.stderr
    jaeger = [f"Jaeger over {protocol}" for protocol in ("UDP", "HTTP", "gRPC")]
    for transport in ("OTLP over HTTP", "OTLP over gRPC", *jaeger, "Zipkin"):
        assert f"{transport} to " in done.stdout
        (row,) = [
            line.split()
            for line in done.stdout.splitlines()
            if line.strip().startswith(transport) and "127.0.0.1" not in line
        ]
        ended, exported, failed, dropped, pending = map(int, row[-5:])
        assert ended == exported > 0
        assert failed == dropped == pending == 0
    assert done.stdout.count("└─") >= 12
    assert done.stdout.count("predict") == 6


def test_the_demo_draws_what_the_terminal_can_show(run: Run) -> None:
    for needed in ("uvicorn", "grpc", "opentelemetry.proto", "thrift"):
        pytest.importorskip(needed, reason=f"the demo needs {needed}")
    pytest.importorskip("opentelemetry.instrumentation.asgi", reason="the demo needs it")

    done = run("demo", "--requests", "1", PYTHONIOENCODING="ascii")

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("`- ") >= 6
    assert "====" in done.stdout


def test_the_demo_shows_what_a_backend_says_as_it_is(
    run: Run, tmp_path: Path, serve: Any, receiver: Any, reply: Any
) -> None:
    pytest.importorskip("uvicorn", reason="the demo serves with uvicorn")
    pytest.importorskip("opentelemetry.instrumentation.asgi", reason="the demo needs it")
    answer = reply("400 Bad Request", b"[/no] [red]", "Content-Type: text/plain")
    url = serve(receiver([answer])).url
    (tmp_path / "refused.yaml").write_text(
        "tracing:\n  exporter_type: otlp\n  sample_rate: 1\n"
        f"  otlp: {{protocol: http, endpoint: '{url}'}}\n"
    )

    done = run("demo", "--config", "refused.yaml", "--requests", "1", no_proxy="127.0.0.1")

    assert done.returncode == 1
    assert "400 Bad Request: [/no] [red]" in done.stdout


def test_the_demo_says_how_many_spans_a_dead_backend_cost(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="the demo serves with uvicorn")
    pytest.importorskip("opentelemetry.instrumentation.asgi", reason="the demo needs it")
    (tmp_path / "dead.yaml").write_text(
        "tracing:\n  exporter_type: otlp\n  sample_rate: 1\n  timeout: 200ms\n"
        "  otlp: {protocol: http, endpoint: 'http://127.0.0.1:9'}\n"
    )

    done = run("demo", "--config", "dead.yaml", "--requests", "1")

    assert done.returncode == 1
    assert "nothing listens on 127.0.0.1:9" in done.stdout


@pytest.mark.parametrize(
    ("absent", "command", "said"),
    [
        ("click", "plugins", "the command bentotrace needs click; pip install 'bentotrace[cli]'"),
        ("rich", "plugins", "the command bentotrace needs rich; pip install 'bentotrace[cli]'"),
        ("thrift", "demo", "the demo needs thrift; pip install 'bentotrace[demo]'"),
    ],
)
def test_what_is_not_installed_is_named_with_its_extra(
    absent: str, command: str, said: str
) -> None:
    if command == "demo":
        for needed in ("uvicorn", "grpc", "opentelemetry.proto"):
            pytest.importorskip(needed, reason=f"the demo needs {needed}, too")
        pytest.importorskip("opentelemetry.instrumentation.asgi", reason="the demo needs it, too")
    script = (
        f"import sys; sys.modules[{absent!r}] = None\n"
        f"from bentotrace.cli import main; sys.exit(main([{command!r}]))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )

    assert done.returncode in {1, 2}
    assert (done.stdout, done.stderr) == ("", f"{said}\n")


def ends_with(output: Any, *arguments: str) -> tuple[int, str]:
    """Return exit code and standard error of the command when its output goes there."""
    script = "import sys; from bentotrace.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        timeout=90,
    )
    return done.returncode, done.stderr


PRINTS = pytest.mark.parametrize(
    "arguments", [("schema",), ("plugins",), ("plugins", "--json"), ("--help",)], ids=" ".join
)


@PRINTS
def test_a_reader_that_has_seen_enough_ends_the_command_in_silence(
    arguments: tuple[str, ...],
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as output:
        assert ends_with(output, *arguments) == (141, "")


@PRINTS
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
def test_output_that_cannot_be_written_is_told_in_one_line(arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as output:
        code, told = ends_with(output, *arguments)
    assert (code, told) == (74, "the output cannot be written: No space left on device\n")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes the output here")
@pytest.mark.parametrize(("command", "code"), [("plugins", 0), ("doctor none.yaml", 0)])
def test_a_closed_output_does_not_hurt(command: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "none.yaml").write_text("tracing: {exporter_type: none}\n")
    script = "import sys; from bentotrace.cli import main; sys.exit(main())"
    done = subprocess.run(
        f"'{sys.executable}' -c '{script}' {command} >&-",
        shell=True,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        timeout=90,
    )
    assert (done.returncode, done.stderr) == (code, "")


def test_a_similar_command_is_suggested(run: Run) -> None:
    done = run("validat", "x.yaml")

    assert (done.returncode, done.stdout) == (2, "")
    assert "No such command 'validat'; did you mean validate?" in done.stderr
    assert "did you mean" not in run("nothing").stderr
