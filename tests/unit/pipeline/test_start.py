from __future__ import annotations

import gc
import logging
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace as trace_api

import bentotrace
from bentotrace.exceptions import BentotraceError, ConfigError, PluginError
from bentotrace.pipeline.build import build_tracing

WRONG = {"exporter_type": "console", "sample_rate": 7}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("OTEL_", "BENTO")):
            monkeypatch.delenv(name)


def test_a_fault_is_raised_unless_something_else_is_said() -> None:
    with pytest.raises(ConfigError, match="sample_rate"):
        bentotrace.build(WRONG)
    with pytest.raises(ConfigError, match="on_error"):
        bentotrace.build(WRONG, on_error="explode")


@pytest.mark.parametrize("on_error", ["warn", "disable"])
@pytest.mark.parametrize("where", ["code", "variable", "file"])
def test_a_wrong_configuration_is_said_and_nothing_is_traced(
    on_error: str,
    where: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.INFO)
    file, given = tmp_path / "tracing.yaml", {}
    text = "tracing:\n  exporter_type: consul\n  sample_rate: 7\n"
    if where == "code":
        given = {"on_error": on_error}
    elif where == "variable":
        monkeypatch.setenv("BENTOTRACE_ON_ERROR", on_error)
    else:
        text += f"  on_error: {on_error}\n"
    file.write_text(text, encoding="utf-8")

    with bentotrace.build(file, **given) as tracing:
        span = tracing.provider.get_tracer("test").start_span("span")

        assert not span.is_recording()
        assert tracing.status().destinations == ()
        assert repr(tracing) == "<Tracing: nothing is traced, because of an error; see the log>"
    (record,) = caplog.records
    assert record.levelname == {"warn": "WARNING", "disable": "INFO"}[on_error]
    first, *problems = record.getMessage().splitlines()
    assert first == f"nothing is traced (on_error: {on_error}):"
    assert "tracing.exporter_type: no exporter named 'consul'" in problems[0]
    assert "tracing.sample_rate: must be between 0" in problems[1]


@pytest.mark.parametrize("text", [None, "tracing: [\n", "\x00"])
def test_a_file_that_cannot_be_read_leaves_it_to_the_variable(
    text: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "tracing.yaml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError):
        bentotrace.build(file)
    monkeypatch.setenv("BENTOTRACE_ON_ERROR", "warn")

    bentotrace.build(file).shutdown()


def test_a_fault_leaves_the_process_without_a_global_provider(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = trace_api.get_tracer_provider()

    bentotrace.configure(WRONG, on_error="warn").shutdown()

    assert trace_api.get_tracer_provider() is before


def test_an_exporter_that_cannot_be_made_is_a_fault_too(
    make_config: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(context: Any) -> Any:
        raise OSError("no device")

    with pytest.raises(PluginError, match="cannot create exporter 'recorder0': OSError: no devi"):
        build_tracing(make_config(refuse))


@pytest.mark.few_pythons
@pytest.mark.skipif(sys.platform != "linux", reason="counts what only Linux lists")
def test_builds_that_fail_and_builds_that_are_closed_leave_nothing_behind(
    make_config: Callable[..., Any], recorder: Any
) -> None:
    def refuse(context: Any) -> Any:
        raise OSError("no device")

    def left() -> tuple[set[threading.Thread], int]:
        gc.collect()
        return set(threading.enumerate()), len(os.listdir("/proc/self/fd"))

    good = {"exporter_type": ["console", "zipkin"], "sample_rate": 1.0}
    bentotrace.build(good).shutdown()
    threads, files = left()
    for _ in range(100):
        with pytest.raises(BentotraceError):
            bentotrace.build(good, timeout=-1)
        with pytest.raises(PluginError):
            build_tracing(make_config(recorder, refuse))
        bentotrace.build(good).shutdown()

    assert recorder.shutdowns == 100
    threads_after, files_after = left()
    # What earlier tests left may end meanwhile.
    assert threads_after <= threads
    assert files_after <= files
