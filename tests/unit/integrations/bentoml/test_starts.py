from __future__ import annotations

import time

import pytest
from opentelemetry import trace as trace_api
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

import bentotrace
from bentotrace.integrations.bentoml.starts import Start


def start(ended: InMemorySpanExporter, rate: float, began: float | None) -> Start:
    tracing = bentotrace.build({"exporter_type": "none"}, sample_rate=rate)
    tracing.provider.add_span_processor(SimpleSpanProcessor(ended))  # type: ignore[attr-defined]
    return Start(tracing, "Iris", began)


@pytest.mark.parametrize(("rate", "recorded"), [(0.0, False), (1e-9, True), (1.0, True)])
def test_it_is_recorded_at_any_rate_but_zero(
    rate: float, recorded: bool, ended: InMemorySpanExporter
) -> None:
    begun = start(ended, rate, None)
    with begun.creating("Iris"):
        assert trace_api.get_current_span().is_recording() is recorded
    begun.end()

    names = [span.name for span in ended.get_finished_spans()]
    assert names == (["create Iris", "start Iris"] if recorded else [])


def test_imports_are_from_the_first_instruction_on(ended: InMemorySpanExporter) -> None:
    began = time.time() - 5
    start(ended, 1.0, began).end()

    imports, whole = ended.get_finished_spans()
    assert (imports.name, whole.name) == ("import", "start Iris")
    assert imports.start_time == whole.start_time == int(began * 1e9)
    assert imports.parent == whole.context


def test_an_exception_of_the_constructor_is_on_its_span_once(ended: InMemorySpanExporter) -> None:
    begun = start(ended, 1.0, None)

    with pytest.raises(OSError, match="no model"), begun.creating("Iris"):
        raise OSError("no model")
    begun.end(failed=True)
    begun.end()

    create, whole = ended.get_finished_spans()
    assert [event.name for event in create.events] == ["exception"]
    assert (create.status.description, whole.status.status_code) == (
        "OSError: no model",
        StatusCode.ERROR,
    )
    assert not whole.events
