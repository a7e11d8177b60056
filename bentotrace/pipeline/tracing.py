"""A running pipeline, and the one that is the process's global."""

from __future__ import annotations

import atexit
import time
import weakref
from collections.abc import Callable, Sequence
from types import TracebackType

from opentelemetry import trace as trace_api
from opentelemetry.sdk.trace import TracerProvider
from typing_extensions import Self

from bentotrace.config.load import Config
from bentotrace.pipeline.processor import BatchProcessor
from bentotrace.pipeline.status import Status

__all__ = ["Tracing"]


class Tracing:
    """A pipeline from a provider to its destinations.

    A context manager: leaving the block shuts it down. At the process's exit it is shut down too,
    within ``processor.shutdown_timeout``.

    Attributes:
        provider: give it to an instrumentation, or get tracers from it.
        config: what it was built from.
    """

    def __init__(
        self,
        provider: trace_api.TracerProvider,
        processors: Sequence[BatchProcessor],
        config: Config,
    ) -> None:
        self.provider = provider
        self.config = config
        self._processors = tuple(processors)
        at_exit = weakref.WeakMethod(self.shutdown)
        self._at_exit: Callable[[], None] = lambda: _shut_down(at_exit)
        atexit.register(self._at_exit)

    def status(self) -> Status:
        """Count the spans of every destination, now."""
        return Status(tuple(processor.status() for processor in self._processors))

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until all that has ended so far is exported, at most ``timeout`` seconds.

        Returns:
            True when every destination took all of it.
        """
        deadline = time.monotonic() + timeout
        results = [
            processor.force_flush(int(max(deadline - time.monotonic(), 0) * 1000))
            for processor in self._processors
        ]
        return all(results)

    def shutdown(self, timeout: float | None = None) -> bool:
        """Export what is queued and close the exporters; safe to call twice.

        Args:
            timeout: seconds for all of it; None takes ``processor.shutdown_timeout``.

        Returns:
            True when nothing had to be abandoned.
        """
        atexit.unregister(self._at_exit)
        if timeout is None:
            timeout = self.config.options.processor.shutdown_timeout
        deadline = time.monotonic() + timeout
        results = [
            processor.close(max(deadline - time.monotonic(), 0)) for processor in self._processors
        ]
        if isinstance(self.provider, TracerProvider):
            self.provider.shutdown()
        return all(results)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.shutdown()


def _shut_down(method: weakref.WeakMethod[Callable[..., bool]]) -> None:
    bound = method()
    if bound is not None:
        bound()
