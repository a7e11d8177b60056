"""A running pipeline."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Sequence
from types import TracebackType

from opentelemetry import trace as trace_api
from opentelemetry.sdk.trace import TracerProvider
from typing_extensions import Self

from bentotrace.config.load import Config
from bentotrace.pipeline import lifetime
from bentotrace.pipeline.metrics import observe_pipelines
from bentotrace.pipeline.processor import BatchProcessor
from bentotrace.pipeline.provider import ProcessProvider
from bentotrace.pipeline.sampler import RequestSampler, change_rate
from bentotrace.pipeline.status import Status
from bentotrace.transport.deadline import Deadline

__all__ = ["Tracing"]

_logger = logging.getLogger("bentotrace")


class Tracing:
    """A pipeline from a provider to its destinations.

    A context manager: leaving the block shuts it down. It is shut down at the process's exit too,
    within ``processor.shutdown_timeout``, also when nobody keeps it: it lives as long as spans can
    arrive.

    Attributes:
        provider: give it to an instrumentation, or get tracers from it.
        config: what it was built from.
    """

    def __init__(
        self,
        provider: trace_api.TracerProvider,
        processors: Sequence[BatchProcessor],
        config: Config,
        *,
        owned: TracerProvider | None = None,
        sampler: RequestSampler | None = None,
        release: Callable[[], None] | None = None,
    ) -> None:
        """Take over a running pipeline.

        Args:
            provider: where spans come from.
            processors: where they go, one for each destination.
            config: what it was built from.
            owned: the provider again, if it is to be shut down with the pipeline.
            sampler: the provider's sampler, if it was made with the pipeline.
            release: undoes what building it did to the process.
        """
        self.provider = provider
        self.config = config
        self._processors = tuple(processors)
        self._owned = owned
        self._sampler = sampler
        # Also when nobody shuts it down.
        self._release = weakref.finalize(self, release) if release is not None else None
        for processor in self._processors:
            # Which keeps the pipeline alive as long as spans can arrive.
            processor.on_new_process = self._describe_process
        lifetime.watch(self)
        if self.sdk_metrics:
            observe_pipelines()

    @property
    def shutdown_timeout(self) -> float:
        """Seconds that :meth:`shutdown` takes at the most when it is not told."""
        return self.config.options.processor.shutdown_timeout

    @property
    def sdk_metrics(self) -> bool:
        """Whether its counts are OpenTelemetry metrics too."""
        return self.config.options.sdk_metrics

    def status(self) -> Status:
        """Count the spans of every destination, now."""
        return Status(tuple(processor.status() for processor in self._processors))

    def set_sample_rate(self, rate: float) -> None:
        """Record another share of the traces that begin from now on, in this process.

        What ``excluded_urls`` and ``sample_rates`` say stays so. Safe to call from any thread.

        Args:
            rate: from 0 (no trace) to 1 (every trace).

        Raises:
            ValueError: it is no such number.
            SampleRateError: this pipeline's traces are not chosen by a rate of its own.
        """
        change_rate(self._sampler, self.config.options, rate)

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until all that has ended so far is exported, at most ``timeout`` seconds.

        Returns:
            True when every destination took all of it.
        """
        deadline = Deadline.after(timeout)
        flushes = [(processor, processor.begin_flush()) for processor in self._processors]
        taken = [processor.end_flush(flush, deadline.remaining()) for processor, flush in flushes]
        return all(taken)

    def shutdown(self, timeout: float | None = None) -> bool:
        """Export what is queued and close the exporters; safe to call twice.

        A provider that was there before (``if_exists="attach"`` or ``"keep"``) stays open.

        Args:
            timeout: seconds for all of it; None takes ``processor.shutdown_timeout``.

        Returns:
            True when nothing had to be abandoned.
        """
        self.begin_shutdown()
        return self.end_shutdown(
            Deadline.after(self.shutdown_timeout if timeout is None else timeout)
        )

    def begin_shutdown(self) -> None:
        """Take no more spans and begin to export the rest."""
        for processor in self._processors:
            processor.begin_close()

    def end_shutdown(self, deadline: Deadline) -> bool:
        """Wait for what was begun, and abandon what is left at the deadline."""
        ended = [processor.end_close(deadline) for processor in self._processors]
        lifetime.forget(self)
        self._shut_owned_down()
        if self._release is not None:
            self._release()
        return all(ended)

    def after_fork(self) -> None:
        """Start afresh in a forked child; the parent's spans stay the parent's."""
        self._describe_process()
        for processor in self._processors:
            processor.after_fork()

    def _describe_process(self) -> None:
        if isinstance(self.provider, ProcessProvider):
            self.provider.describe_process()

    def _shut_owned_down(self) -> None:
        """Shut the provider down, with the processors that the application added to it."""
        owned, self._owned = self._owned, None
        if owned is None:
            return
        try:
            owned.shutdown()
        except Exception as error:
            _logger.warning(
                "a span processor that was added to the provider raised %s at its shutdown: %s",
                type(error).__name__,
                self.config.redaction.line(str(error)),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.shutdown()
