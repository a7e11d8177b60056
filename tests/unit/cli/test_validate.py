from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
    assert [note["warning"] for note in found["notes"]] == [False]


def test_problems_come_as_annotations_of_a_workflow(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a,b.yaml").write_text(BAD, encoding="utf-8")

    done = run("validate", "a,b.yaml", "--format", "github", OTEL_TRACES_SAMPLER="50%")

    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "::error file=a%2Cb.yaml,line=3,col=16::"
        "tracing.sample_rate: must be between 0 (no trace) and 1 (every trace); 5 %25 is 0.05",
        "::error file=a%2Cb.yaml,line=4,col=3::"
        "tracing.tiemout: unknown option; did you mean timeout?",
    ]


def test_the_problem_of_a_variable_is_no_annotation_of_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("tracing: {sample_rate: 1}\n", encoding="utf-8")

    done = run("validate", "good.yaml", "--format", "github", OTEL_TRACES_EXPORTER="oltp")

    assert done.returncode == 1
    assert done.stdout.startswith(
        "::error::OTEL_TRACES_EXPORTER: tracing.exporter_type: no exporter named 'oltp'; "
    )


def test_notes_come_as_annotations_of_a_workflow(run: Run, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("tracing: {exporter_type: console}\n", encoding="utf-8")

    done = run("validate", "good.yaml", "--format", "github", OTEL_TRACES_SAMPLER_ARG="lots")

    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == (
        "::warning::OTEL_TRACES_SAMPLER_ARG is malformed and ignored: expected a number"
    )


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
    assert line.startswith(f"::error file=good.yaml::{message}RuntimeError: no%0Away")


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
