from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ...golden import Golden

pytestmark = pytest.mark.one_python

pytest.importorskip("click", reason="the command needs click")

Run = Callable[..., Any]

BROKEN = "print('hello')\nraise RuntimeError('no\\nway')"
BAD = "tracing:\n  exporter_type: console\n  sample_rate: 5\n  tiemout: 3\n"


def test_problems_come_as_json(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(BAD, encoding="utf-8")

    done = run("validate", "bad.yaml", "--format", "json")

    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert found["good"] is False
    assert found["problems"][1] == {
        "file": "bad.yaml",
        "line": 4,
        "column": 3,
        "path": "tracing.tiemout",
        "message": "unknown option; did you mean timeout?",
    }


def test_a_good_file_comes_as_json_with_its_notes(run: Run, tmp_path: Path) -> None:
    text = "tracing: {exporter_type: console, otlp: {protocol: http}}\n"
    (tmp_path / "good.yaml").write_text(text, encoding="utf-8")

    done = run("validate", "good.yaml", "--format", "json")

    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert (found["good"], found["exporters"], found["problems"]) == (True, ["console"], [])
    assert [(note["file"], note["warning"]) for note in found["notes"]] == [("good.yaml", False)]


def test_problems_come_as_annotations_of_a_workflow(
    run: Run, tmp_path: Path, golden: Golden
) -> None:
    (tmp_path / "a,b.yaml").write_text(BAD, encoding="utf-8")

    done = run("validate", "a,b.yaml", "--format", "github", OTEL_TRACES_SAMPLER="50%")

    assert done.returncode == 1
    golden(done.stdout.splitlines())


def test_the_problem_of_a_variable_is_no_annotation_of_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("tracing: {sample_rate: 1}\n", encoding="utf-8")

    done = run("validate", "good.yaml", "--format", "github", OTEL_TRACES_EXPORTER="oltp")

    assert done.returncode == 1
    assert done.stdout.startswith(
        "::error::OTEL_TRACES_EXPORTER: tracing.exporter_type: no exporter named 'oltp'; "
    )


def test_notes_come_as_annotations_of_a_workflow(run: Run, tmp_path: Path, golden: Golden) -> None:
    (tmp_path / "good.yaml").write_text("tracing: {exporter_type: console}\n", encoding="utf-8")

    done = run("validate", "good.yaml", "--format", "github", OTEL_TRACES_SAMPLER_ARG="lots")

    assert done.returncode == 0
    golden(done.stdout.splitlines()[0])


def test_a_broken_plugin_is_told_in_each_format(
    run: Run, tmp_path: Path, distributions: Any
) -> None:
    distributions.add("acme", "acme_tracing", BROKEN, exporter="acme")
    (tmp_path / "good.yaml").write_text("tracing: {exporter_type: acme}\n", encoding="utf-8")
    message = "exporter plugin acme = acme_tracing (acme 1.5) is broken: importing it raised "

    def validate(form: str) -> Any:
        done = run("validate", "good.yaml", "--format", form, PYTHONPATH=str(tmp_path))
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        return done

    assert f"\ngood.yaml: {message}" in validate("text").stderr
    (problem,) = json.loads(validate("json").stdout)["problems"]
    assert (problem["file"], problem["line"], problem["path"]) == ("good.yaml", 0, "")
    assert problem["message"].startswith(message)
    (line,) = validate("github").stdout.splitlines()
    assert line.startswith(f"::error file=good.yaml::{message}RuntimeError: no way")


def test_the_block_of_one_service_is_checked(run: Run, tmp_path: Path) -> None:
    text = (
        "services:\n"
        "  iris: {tracing: {exporter_type: console}}\n"
        "  rose: {tracing: {exporter_type: console, sample_rate: 5}}\n"
    )
    (tmp_path / "bentoml.yaml").write_text(text, encoding="utf-8")

    assert run("validate", "bentoml.yaml", "--service", "iris").returncode == 0
    done = run("validate", "bentoml.yaml", "--service", "rose")
    assert done.returncode == 1
    assert "services.rose.tracing.sample_rate" in done.stderr


SERVICES = """
services:
  tracing: {exporter_type: otlp, sample_rate: 1}
  A: {tracing: {exporter_type: console}}
  B: {tracing: {sample_rate: 0}}
"""


def test_every_service_of_every_file_is_checked(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bentoml.yaml").write_text(SERVICES, encoding="utf-8")
    (tmp_path / "other.yaml").write_text("tracing: {exporter_type: none}\n", encoding="utf-8")

    done = run("validate", "bentoml.yaml", "other.yaml")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "bentoml.yaml: good; sends to otlp (grpc) at localhost:4317; sample_rate 1, "
        "bentoml.yaml:3:47",
        "bentoml.yaml, service A: good; sends to console at stdout; sample_rate 1, "
        "bentoml.yaml:3:47",
        "bentoml.yaml, service B: good, but nothing is sent, unless a caller samples: sample_rate "
        "is 0, bentoml.yaml:5:30",
        "  to trace everything, set sample_rate: 1.0 in bentoml.yaml, or "
        "OTEL_TRACES_SAMPLER_ARG=1.0",
        "other.yaml: good, but nothing is sent: exporter_type is none, other.yaml:1:26",
    ]


def test_a_problem_that_services_share_is_printed_once(run: Run, tmp_path: Path) -> None:
    text = SERVICES.replace("sample_rate: 1", "sample_rate: 2")
    (tmp_path / "bentoml.yaml").write_text(text, encoding="utf-8")

    done = run("validate", "bentoml.yaml")

    assert done.returncode == 1
    assert [line.partition(": ")[0] for line in done.stderr.splitlines()] == [
        "bentoml.yaml:3:47",
        "1 problem",
    ]


@pytest.mark.parametrize(
    ("block", "variables", "code"),
    [
        ("{exporter_type: console, sample_rate: 1}", {}, 0),
        ("{exporter_type: none}", {}, 0),
        ("{exporter_type: ~, jaeger: {protocol: thrift}}", {}, 0),
        ("{exporter_type: console, sample_rate: 1, zipkin: {local_node_port: 1}}", {}, 0),
        ("{exporter_type: console}", {}, 1),
        ("{exporter_type: console, sample_rate: 1, excluded_urls: a b}", {}, 1),
        ("{exporter_type: console, sample_rate: 1}", {"OTEL_TRACES_SAMPLER_ARG": "lots"}, 1),
    ],
)
def test_strict_takes_warnings_for_problems(
    block: str, variables: dict[str, str], code: int, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "f.yaml").write_text(f"tracing: {block}\n", encoding="utf-8")

    assert run("validate", "f.yaml", **variables).returncode == 0
    assert run("validate", "--strict", "f.yaml", **variables).returncode == code
    found = json.loads(
        run("validate", "--strict", "f.yaml", "--format", "json", **variables).stdout
    )
    assert found["good"] is (code == 0)


def test_the_file_is_the_one_that_the_environment_names(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(BAD, encoding="utf-8")

    done = run("validate", HOME=str(tmp_path), BENTOTRACE_CONFIG="~/bad.yaml")

    assert done.returncode == 1
    assert f"{tmp_path}/bad.yaml:3:16: tracing.sample_rate" in done.stderr


def test_what_only_building_shows_is_a_problem_at_its_line(
    run: Run, tmp_path: Path, golden: Golden
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "bad.yaml").write_text(
        "tracing:\n  exporter_type: console\n  sample_rate: 1\n  spool:\n    path: file/below\n"
    )

    done = run("validate", "bad.yaml")

    spool = tmp_path / "file" / "below"
    assert (done.returncode, done.stdout) == (1, "")
    golden(done.stderr, SPOOL=spool)


WATCHED = """
import sys
opened = []
sys.addaudithook(lambda event, _: opened.append(event) if event.startswith("socket.") else None)
from bentotrace.cli import main
sys.argv[0] = "bentotrace"
code = main(["validate", "good.yaml"])
print(code, opened)
"""


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_no_socket_is_opened(protocol: str, run_python: Any, tmp_path: Path) -> None:
    if protocol == "grpc":
        pytest.importorskip("grpc", reason="grpcio is not installed (extra: grpc)")
    file = tmp_path / "good.yaml"
    file.write_text(
        "tracing:\n  exporter_type: [otlp, zipkin, jaeger]\n  sample_rate: 1\n"
        f"  otlp: {{protocol: {protocol}}}\n  spool: {{path: {tmp_path / 'spool'}}}\n"
    )

    printed = run_python(WATCHED.replace("good.yaml", str(file)))

    endpoint = {"grpc": "localhost:4317", "http": "http://localhost:4318/v1/traces"}[protocol]
    assert printed == (
        f"{file}: good; sends to otlp ({protocol}) at {endpoint} and zipkin at "
        "http://localhost:9411/api/v2/spans and jaeger (thrift over UDP) at localhost:6831; "
        f"sample_rate 1, {file}:3:16\n0 []\n"
    )
    assert not (tmp_path / "spool").exists()
