"""A running pipeline, and the counts of all pipelines as OpenTelemetry metrics."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from types import TracebackType

from opentelemetry import trace as trace_api
from opentelemetry.metrics import CallbackOptions, Observation, get_meter

from bentotrace._version import __version__
from bentotrace.config.effect import summarize
from bentotrace.config.load import Config
from bentotrace.config.rates import check_rate
from bentotrace.deadline import Deadline
from bentotrace.delivery import process
from bentotrace.delivery.accounting import Flush
from bentotrace.delivery.final_report import report_losses
from bentotrace.delivery.processor import BatchProcessor
from bentotrace.delivery.status import DestinationStatus, DropReason, Status
from bentotrace.exceptions import SampleRateError
from bentotrace.interruptions import raised_by_signal
from bentotrace.pipeline.provider import ProcessProvider
from bentotrace.pipeline.sampler import RequestSampler

__all__ = ["Tracing"]

Flushes = Sequence[tuple[BatchProcessor, Flush]]

_logger = logging.getLogger("bentotrace")


class Tracing:
    """A pipeline from a provider to its destinations.

    As a context manager it shuts down at the end of the block. It also shuts down at exit, within
    ``processor.shutdown_timeout``, and lives as long as spans can arrive.

    ``configure(if_exists="replace")`` shuts it down. From then on its provider and its tracers,
    :meth:`flush` and :meth:`set_sample_rate` are those of the new pipeline; everything else is
    still about this one.

    Attributes:
        provider: pass it to an instrumentation, or get tracers from it.
        config: the configuration.
    """

    def __init__(
        self,
        provider: trace_api.TracerProvider,
        processors: Sequence[BatchProcessor],
        config: Config,
        *,
        owned: ProcessProvider | None = None,
        sampler: RequestSampler | None = None,
        release: Callable[[], None] | None = None,
    ) -> None:
        """Wrap a running pipeline.

        ``owned`` is the provider if the pipeline shuts it down, ``sampler`` its sampler if it was
        built with the pipeline, and ``release`` reverts changes to the process.
        """
        self.provider = provider
        self.config = config
        self._processors = tuple(processors)
        self._owned = owned
        self._losses_reported = False
        self._closed = False
        self._successor: Tracing | None = None
        self._sampler = sampler
        # Also runs without a call of shutdown().
        self._release = weakref.finalize(self, release) if release is not None else None
        for processor in self._processors:
            # This reference keeps the pipeline alive as long as spans can arrive.
            processor.on_new_process = self._describe_process
        process.watch(self)
        if self.sdk_metrics:
            _create_instruments_once()

    @property
    def shutdown_timeout(self) -> float:
        """The default timeout of :meth:`shutdown` in seconds."""
        return self.config.options.processor.shutdown_timeout

    @property
    def sdk_metrics(self) -> bool:
        """Whether its counts are OpenTelemetry metrics too."""
        return self.config.options.sdk_metrics

    def status(self) -> Status:
        """Return the current counts of every destination; the final ones after the shutdown."""
        return Status(
            tuple(processor.status() for processor in self._processors),
            spans=self.provider.spans if isinstance(self.provider, ProcessProvider) else "",
        )

    def set_sample_rate(self, rate: float) -> None:
        """Change the share of traces that are recorded, for traces that start from now on.

        ``excluded_urls`` and ``sample_rates`` stay in effect. Any thread may call.

        Args:
            rate: from 0 (no trace) to 1 (every trace).

        Raises:
            ValueError: it is not such a number.
            SampleRateError: the pipeline has no sampler with a rate, or was shut down.
        """
        current = self._current()
        if current is not self:
            current.set_sample_rate(rate)
            return
        rate = check_rate(rate)
        options, sampler = self.config.options, self._sampler
        if options.disabled:
            raise SampleRateError("tracing is disabled; enable it and start again")
        if sampler is None:
            raise SampleRateError("the existing provider keeps its own sampler; change that one")
        if not options.takes_rate:
            raise SampleRateError(options.why_no_rate)
        if self._closed:
            raise SampleRateError("the pipeline was shut down; start another")
        before, sampler.rate = sampler.rate, rate
        _logger.info("sample_rate changed from %g to %g", before, rate)

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until all spans that have ended are exported, at most ``timeout`` seconds.

        Returns:
            True when every destination accepted all of them.
        """
        deadline = Deadline.after(timeout)
        return self.end_flush(self.begin_flush(), deadline)

    def begin_flush(self) -> Flushes:
        """Begin to export the queued spans."""
        # One that is being replaced may still export.
        processors = dict.fromkeys((*self._processors, *self._current()._processors))
        return [(processor, processor.begin_flush()) for processor in processors]

    def end_flush(self, flushes: Flushes, deadline: Deadline) -> bool:
        """Wait for a flush; True when every destination accepted all of its spans."""
        taken = [processor.end_flush(flush, deadline.remaining()) for processor, flush in flushes]
        return all(taken)

    def shutdown(self, timeout: float | None = None) -> bool:
        """Export the queued spans and close the exporters; safe to call twice.

        An existing provider (``if_exists="attach"`` or ``"keep"``) stays open.

        Args:
            timeout: seconds; None means ``processor.shutdown_timeout``.

        Returns:
            True when no span was abandoned.
        """
        self.begin_shutdown()
        return self.end_shutdown(
            Deadline.after(self.shutdown_timeout if timeout is None else timeout)
        )

    def begin_shutdown(self) -> None:
        """Accept no more spans and begin to export the rest."""
        self._closed = True
        for processor in self._processors:
            processor.begin_close()

    def end_shutdown(self, deadline: Deadline) -> bool:
        """Wait for the export, and abandon the rest at the deadline."""
        ended = [processor.end_close(deadline) for processor in self._processors]
        if not self._losses_reported:
            self._losses_reported = True
            report_losses(_logger, self.status().destinations)
        self._shut_owned_down()
        if self._release is not None:
            self._release()
        process.forget(self)
        return all(ended)

    def replace_by(self, successor: Tracing) -> None:
        """Pass flushes and changes of the rate on to the pipeline that replaces this one."""
        self._successor = successor

    def _current(self) -> Tracing:
        """Return the pipeline that replaced this one last, or this one."""
        pipeline = self
        while pipeline._successor is not None:
            pipeline = pipeline._successor
        return pipeline

    def after_fork(self) -> None:
        """Use new queues in a forked child; the parent exports its own spans."""
        for processor in self._processors:
            processor.after_fork()

    def _describe_process(self) -> None:
        if isinstance(self.provider, ProcessProvider):
            self.provider.describe_process()

    def _shut_owned_down(self) -> None:
        """Shut the provider down, with the processors that the application added to it."""
        owned = self._owned
        if owned is None:
            return
        try:
            owned.close()
        except Exception as error:
            # Interrupted, it is called again by the next shutdown.
            if raised_by_signal(error):
                raise
            _logger.warning(
                "a span processor that was added to the provider raised %s at shutdown: %s",
                type(error).__name__,
                self.config.redaction.line(str(error)),
            )
        self._owned = None

    def __repr__(self) -> str:
        if not self.config.settings:
            return "<Tracing: nothing is traced, because of an error; see the log>"
        return f"<Tracing from {self.config.source}: {summarize(self.config)}; {self.status()}>"

    def __enter__(self) -> Tracing:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.shutdown()


# Names, units and attributes: OpenTelemetry's semantic conventions, "SDK metrics".
_PROCESSOR = "otel.sdk.processor.span"
_EXPORTER = "otel.sdk.exporter.span"
_ERROR_TYPES = {DropReason.QUEUE_FULL: "queue_full", DropReason.SHUTDOWN: "already_shutdown"}

# Error types and values; "" for no error.
_Values = Iterable[tuple[str, int]]
_Read = Callable[[DestinationStatus], _Values]


_created: dict[str, object] = {}


def _create_instruments_once() -> None:
    # In one step: of two threads, one creates them. A lock could be held at a fork.
    own = object()
    if _created.setdefault("by", own) is own:
        _create_instruments()


def _create_instruments() -> None:
    """Create the instruments, which read every pipeline with ``sdk_metrics``."""
    meter = get_meter("bentotrace", __version__)
    counter, gauge = meter.create_observable_counter, meter.create_observable_up_down_counter
    instruments: tuple[tuple[Callable[..., object], str, str, _Read], ...] = (
        (gauge, f"{_PROCESSOR}.queue.size", "Spans that wait in the queue", _queue_length),
        (gauge, f"{_PROCESSOR}.queue.capacity", "Spans that the queue can hold", _queue_capacity),
        (
            counter,
            f"{_PROCESSOR}.processed",
            "Spans passed to the exporter, or dropped",
            _processed,
        ),
        (gauge, f"{_EXPORTER}.inflight", "Spans that are being exported", _in_flight),
        (counter, f"{_EXPORTER}.exported", "Spans whose export has ended", _exported),
    )
    for create, name, description, read in instruments:
        component = "batching_span_processor" if name.startswith(_PROCESSOR) else ""
        callback = partial(_observe, component, read)
        create(name, [callback], unit="{span}", description=description)


def _observe(component: str, read: _Read, _options: CallbackOptions) -> Iterator[Observation]:
    pipelines = [pipeline for pipeline in process.pipelines() if pipeline.sdk_metrics]
    destinations = [status for pipeline in pipelines for status in pipeline.status().destinations]
    for rank, status in enumerate(destinations):
        kind = component or f"bentotrace_{status.exporter}_span_exporter"
        attributes = {"otel.component.type": kind, "otel.component.name": f"{kind}/{rank}"}
        for error, value in read(status):
            yield Observation(value, attributes | ({"error.type": error} if error else {}))


def _queue_length(status: DestinationStatus) -> _Values:
    return [("", status.queue_length)]


def _queue_capacity(status: DestinationStatus) -> _Values:
    return [("", status.queue_capacity)]


def _in_flight(status: DestinationStatus) -> _Values:
    return [("", status.pending - status.queue_length)]


def _processed(status: DestinationStatus) -> _Values:
    processed = status.ended - status.dropped - status.queue_length
    dropped = status.dropped_by_reason.items()
    return [("", processed), *((_ERROR_TYPES.get(key, key), count) for key, count in dropped)]


def _exported(status: DestinationStatus) -> _Values:
    return [("", status.exported), *status.failed_by_kind.items()]
