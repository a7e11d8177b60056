from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.few_pythons

RUN = """\
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

reader = InMemoryMetricReader()
tracing = bentotrace.configure(
    block({behaviour!r}, max_queue_size=4, max_export_batch_size=2), sdk_metrics={wanted}
)
metrics.set_meter_provider(MeterProvider([reader]))
end(*"ab")
tracing.flush(10)
{then}
data = reader.get_metrics_data()
for scope in data.resource_metrics[0].scope_metrics if data else ():
    for metric in scope.metrics:
        for point in metric.data.data_points:
            error = point.attributes.get("error.type", "")
            print(scope.scope.name, metric.name, metric.unit, point.value, error)
            assert point.attributes["otel.component.name"].endswith("/0")
"""


def lines(text: str) -> list[str]:
    return sorted(text.splitlines())


def test_what_a_pipeline_counts_is_there_as_metrics(run_process: Callable[..., Any]) -> None:
    ran = run_process(RUN.format(behaviour="take", wanted=True, then="end('c')"))
    assert lines(ran.output) == [
        "bentotrace otel.sdk.exporter.span.exported {span} 2 ",
        "bentotrace otel.sdk.exporter.span.inflight {span} 0 ",
        "bentotrace otel.sdk.processor.span.processed {span} 2 ",
        "bentotrace otel.sdk.processor.span.queue.capacity {span} 4 ",
        "bentotrace otel.sdk.processor.span.queue.size {span} 1 ",
    ], ran.log


def test_what_is_lost_carries_the_cause(run_process: Callable[..., Any]) -> None:
    ran = run_process(
        RUN.format(behaviour="crash", wanted=True, then="tracing.shutdown(); end(*'cde')")
    )
    assert lines(ran.output) == [
        "bentotrace otel.sdk.exporter.span.exported {span} 0 ",
        "bentotrace otel.sdk.exporter.span.exported {span} 2 exporter",
        "bentotrace otel.sdk.exporter.span.inflight {span} 0 ",
        "bentotrace otel.sdk.processor.span.processed {span} 2 ",
        "bentotrace otel.sdk.processor.span.processed {span} 3 already_shutdown",
        "bentotrace otel.sdk.processor.span.queue.capacity {span} 4 ",
        "bentotrace otel.sdk.processor.span.queue.size {span} 0 ",
    ], ran.log


def test_nothing_is_measured_unless_it_is_wanted(run_process: Callable[..., Any]) -> None:
    ran = run_process(RUN.format(behaviour="take", wanted=False, then=""))
    assert (ran.code, ran.output) == (0, "")


THREADS = """\
import threading

from opentelemetry import metrics

import bentotrace.pipeline.tracing as module

creating, go_on = threading.Event(), threading.Event()


def get_meter(*names):
    creating.set()
    assert go_on.wait(30)
    return metrics.get_meter(*names)


def build():
    bentotrace.build(block("take"), sdk_metrics=True).shutdown()


module.get_meter = get_meter
first = threading.Thread(target=build)
first.start()
assert creating.wait(30)
creating.clear()
second = threading.Thread(target=build)
second.start()
second.join(30)
print(creating.is_set(), second.is_alive())
go_on.set()
first.join(30)
second.join(30)
"""


def test_two_threads_create_the_metrics_once(run_process: Callable[..., Any]) -> None:
    ran = run_process(THREADS)
    assert (ran.code, ran.output) == (0, "False False\n"), ran.log
