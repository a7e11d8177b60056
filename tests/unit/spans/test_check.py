"""The check that compares lean spans with the SDK's: each name that they share is taken away."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import ReadableSpan, Tracer

from bentotrace.spans import LeanSpan, find_difference, find_metrics

EXPORT = """
    import bentotrace
    from bentotrace.testing import ZipkinReceiver

    with ZipkinReceiver() as receiver:
        file = {"exporter_type": "zipkin", "sample_rate": 1, "zipkin": {"endpoint": receiver.endpoint}}
        with bentotrace.build(file) as tracing:
            span = tracing.provider.get_tracer("test").start_span("a", attributes={"x": 1})
            span.end()
        (received,) = receiver.wait(1)
        assert (received.name, received.attributes["x"]) == ("a", "1"), received
    print(type(span).__name__, tracing.status().spans)
"""


FIELDS = [
    "name",
    "kind",
    "context",
    "parent",
    "start_time",
    "end_time",
    "status",
    "attributes",
    "events",
    "links",
    "resource",
    "instrumentation_scope",
]

RENAMED = """
    from opentelemetry.sdk.trace import ReadableSpan

    create = ReadableSpan.__init__

    def create_renamed(self, *args, **kwargs):
        create(self, *args, **kwargs)
        self.renamed = self._name

    # As an SDK would be that keeps the name elsewhere.
    ReadableSpan.__init__ = create_renamed
    ReadableSpan.name = property(lambda self: self.renamed)
"""


def run(code: str, directory: Path | None = None) -> tuple[str, str]:
    """Run a program; return what it prints and logs."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_the_installed_sdk_is_one_that_lean_spans_support() -> None:
    assert run(EXPORT) == ("LeanSpan lean\n", "")


def test_spans_are_the_sdk_s_where_it_keeps_a_value_elsewhere() -> None:
    printed, logged = run(textwrap.dedent(RENAMED) + textwrap.dedent(EXPORT))
    reason = "the installed opentelemetry-sdk is not supported by spans: lean (AttributeError: "
    assert printed.startswith(f"_Span sdk: {reason}")
    assert reason in logged


def test_spans_are_the_sdk_s_where_the_file_says_so() -> None:
    lines = EXPORT.replace('"sample_rate"', '"spans": "sdk", "sample_rate"')
    assert run(lines) == ("_Span sdk\n", "")


COUNTED = """
    from opentelemetry import metrics
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))
"""

COUNT = """
    (scope,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
    (started,) = [metric for metric in scope.metrics if metric.name == "otel.sdk.span.started"]
    print(sum(point.value for point in started.data.data_points))
"""


def test_spans_are_the_sdk_s_where_it_counts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    if not find_metrics():
        pytest.skip("this SDK has no such metrics")
    program = textwrap.dedent(COUNTED) + textwrap.dedent(EXPORT) + textwrap.dedent(COUNT)
    reason = "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED=true counts spans in metrics"
    assert run(program)[0] == f"_Span sdk: {reason}\n1\n"


EXPLAIN = """
    from bentotrace.cli import main

    main(["explain", "tracing.yaml"])
    main(["explain", "tracing.yaml", "--format", "json"])
"""


def explain(tmp_path: Path, before: str = "", option: str = "") -> tuple[str, str]:
    """Return the second line that ``explain`` prints, and what it has as JSON."""
    pytest.importorskip("click", reason="the command needs click")
    text = f"tracing:\n  exporter_type: zipkin\n  sample_rate: 1\n{option}"
    (tmp_path / "tracing.yaml").write_text(text)
    printed, _ = run(textwrap.dedent(before) + textwrap.dedent(EXPLAIN), tmp_path)
    shown, _, data = printed.partition("\n{\n")
    return shown.splitlines()[1].strip(), json.loads("{" + data)["spans"]


def test_explain_is_silent_about_lean_spans(tmp_path: Path) -> None:
    assert explain(tmp_path) == ("", "lean")


def test_explain_shows_that_the_file_chose_the_sdk_s_spans(tmp_path: Path) -> None:
    reason = "spans is sdk, tracing.yaml:4:10"
    shown = explain(tmp_path, option="  spans: sdk\n")
    assert shown == (f"creates the SDK's own spans, which cost more: {reason}", f"sdk: {reason}")


def test_explain_shows_that_spans_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    reason = find_metrics()
    if not reason:
        pytest.skip("this SDK has no such metrics")
    shown = explain(tmp_path)
    assert shown == (f"creates the SDK's own spans, which cost more: {reason}", f"sdk: {reason}")


@pytest.mark.few_pythons
@pytest.mark.parametrize("name", FIELDS)
def test_explain_shows_that_the_sdk_is_another(name: str, tmp_path: Path) -> None:
    shown, data = explain(tmp_path, RENAMED.replace("name", name).replace(f"re{name}d", "renamed"))
    reason = "the installed opentelemetry-sdk is not supported by spans: lean (AttributeError: "
    assert shown.startswith(f"creates the SDK's own spans, which cost more: {reason}")
    assert data.startswith(f"sdk: {reason}")


@pytest.mark.parametrize("name", FIELDS)
def test_a_span_that_keeps_a_value_elsewhere_is_found(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = ReadableSpan.__init__

    def create_renamed(span: Any, *args: Any, **kwargs: Any) -> None:
        create(span, *args, **kwargs)
        vars(span)["renamed"] = getattr(span, f"_{name}")

    monkeypatch.setattr(ReadableSpan, "__init__", create_renamed)
    monkeypatch.setattr(ReadableSpan, name, property(lambda span: span.renamed))
    assert "has no attribute 'renamed'" in find_difference.__wrapped__()


@pytest.mark.parametrize("name", ["_span_limits", "_instrumentation_scope"])
def test_a_tracer_that_keeps_a_value_elsewhere_is_found(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hidden:
        def __get__(self, tracer: object, owner: object = None) -> object:
            if sys._getframe(1).f_globals["__name__"].startswith("bentotrace"):
                raise AttributeError(name)
            return vars(tracer)[name]

        def __set__(self, tracer: object, value: object) -> None:
            vars(tracer)[name] = value

    monkeypatch.setattr(Tracer, name, Hidden(), raising=False)
    assert find_difference.__wrapped__() == f"AttributeError: {name}"


@pytest.mark.parametrize("name", ["set_attribute", "add_link", "update_name", "set_status"])
def test_a_method_that_behaves_otherwise_is_found(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "set_attribute":
        original = BoundedAttributes.__setitem__
        monkeypatch.setattr(
            BoundedAttributes, "__setitem__", lambda self, key, value: original(self, key, [value])
        )
    else:
        monkeypatch.setattr(LeanSpan, name, lambda *_args, **_kwargs: None, raising=False)
    assert find_difference.__wrapped__().startswith("span.")
