"""The command as a person runs it: in a process of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("click", reason="the command needs click")
pytest.importorskip("rich", reason="the command needs rich")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_plugins_are_listed_as_a_table_and_as_json(run: Run) -> None:
    table = run("plugins")
    listed = json.loads(run("plugins", "--json").stdout)

    assert table.returncode == 0
    assert "exporter_type" in table.stdout
    assert [item["name"] for item in listed] == ["console", "jaeger", "otlp", "zipkin"]
    for item in listed:
        assert item["name"] in table.stdout
        assert item["summary"][:30] in table.stdout


def test_a_good_file_is_validated(run: Run, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("tracing: {exporter_type: otlp, sample_rate: 1}\n")

    done = run("validate", "good.yaml")

    assert (done.returncode, done.stdout, done.stderr) == (0, "good.yaml: good; otlp\n", "")


def test_a_wrong_file_gives_every_problem_with_its_position(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(
        "tracing:\n  exporter_type: oltp\n  sample_rate: 5\n  tiemout: 3\n"
    )

    done = run("validate", "bad.yaml")

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "bad.yaml:2:18: tracing.exporter_type: no exporter named 'oltp'; did you mean otlp? "
        "installed are console, jaeger, otlp, zipkin, none",
        "bad.yaml:3:16: tracing.sample_rate: must be between 0 (no trace) and 1 (every trace); "
        "5 % is 0.05",
        "bad.yaml:4:3: tracing.tiemout: unknown option; did you mean timeout?",
        "3 problems",
    ]


def test_warnings_of_a_good_file_are_shown(run: Run, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("tracing: {exporter_type: console}\n")

    done = run("validate", "good.yaml", OTEL_TRACES_SAMPLER_ARG="lots")

    assert done.returncode == 0
    assert done.stdout.startswith(
        "warning: OTEL_TRACES_SAMPLER_ARG is malformed and ignored: expected a number\n"
    )


@pytest.mark.parametrize("arguments", [["nothing"], ["validate"], ["demo", "--requests", "0"]])
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

    done = run("demo", "--requests", "2", OTEL_TRACES_SAMPLER_ARG="0")

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
