"""What pipelines say of themselves as OpenTelemetry metrics, through the API's global meter.

Names, units and attributes: OpenTelemetry's semantic conventions, "SDK metrics".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache

from opentelemetry.metrics import CallbackOptions, Observation, get_meter

from bentotrace import __version__
from bentotrace.pipeline import lifetime
from bentotrace.pipeline.status import DestinationStatus, DropReason

__all__ = ["observe_pipelines"]

_ERROR_TYPES = {DropReason.QUEUE_FULL: "queue_full", DropReason.SHUTDOWN: "already_shutdown"}

_Read = Callable[[DestinationStatus], Iterable[tuple[int, str]]]


@cache
def observe_pipelines() -> None:
    """Make the instruments, once in a process; they read every pipeline with ``sdk_metrics``."""
    meter = get_meter("bentotrace", __version__)
    for kind, name, what, component, read in (
        (
            meter.create_observable_up_down_counter,
            "otel.sdk.processor.span.queue.size",
            "Spans that wait in the queue",
            "batching_span_processor",
            lambda status: [(status.queue_length, "")],
        ),
        (
            meter.create_observable_up_down_counter,
            "otel.sdk.processor.span.queue.capacity",
            "Spans that the queue can hold",
            "batching_span_processor",
            lambda status: [(status.queue_capacity, "")],
        ),
        (
            meter.create_observable_counter,
            "otel.sdk.processor.span.processed",
            "Spans that were handed to the exporter, or dropped",
            "batching_span_processor",
            _processed,
        ),
        (
            meter.create_observable_up_down_counter,
            "otel.sdk.exporter.span.inflight",
            "Spans that are being exported",
            "",
            lambda status: [(status.pending - status.queue_length, "")],
        ),
        (
            meter.create_observable_counter,
            "otel.sdk.exporter.span.exported",
            "Spans whose export has ended",
            "",
            _exported,
        ),
    ):
        kind(name, [_callback(component, read)], unit="{span}", description=what)


def _callback(component: str, read: _Read) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_options: CallbackOptions) -> Iterator[Observation]:
        rank = 0
        for pipeline in lifetime.pipelines():
            if not pipeline.sdk_metrics:
                continue
            for status in pipeline.status().destinations:
                kind = component or f"bentotrace_{status.exporter}_span_exporter"
                attributes = {
                    "otel.component.type": kind,
                    "otel.component.name": f"{kind}/{rank}",
                }
                rank += 1
                for value, error in read(status):
                    yield Observation(value, attributes | ({"error.type": error} if error else {}))

    return observe


def _processed(status: DestinationStatus) -> Iterator[tuple[int, str]]:
    yield status.ended - status.dropped - status.queue_length, ""
    for reason, count in status.dropped_by_reason.items():
        yield count, _ERROR_TYPES.get(reason, reason)


def _exported(status: DestinationStatus) -> Iterator[tuple[int, str]]:
    yield status.exported, ""
    for kind, count in status.failed_by_kind.items():
        yield count, kind
