"""The provider of a pipeline's tracers, its resource and its limits."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import time
import uuid
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import asdict
from opentelemetry import trace as trace_api
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, Tracer, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from bentotrace.config.options import TracingOptions, service_as_text
from bentotrace.delivery.processor import BatchProcessor
from bentotrace.interruptions import WeakList
from bentotrace.pipeline.environment import correct_variables, detect_resource
from bentotrace.pipeline.sampler import WithoutMessages
from bentotrace.spans import (
    LeanProcessors,
    LeanTracer,
    Processors,
    adopt_settings,
    find_difference,
    find_metrics,
)

__all__ = [
    "DisabledProvider",
    "ProcessProvider",
    "choose_spans",
    "limit_repeats",
    "make_limits",
    "make_resource",
]

LEAN = "lean"
_UNSUPPORTED = "sdk: the installed opentelemetry-sdk is not supported by spans: lean"

_logger = logging.getLogger("bentotrace")
_REPEAT_SECONDS = 60.0
_MOST_MESSAGES = 1000
_NO_OP = trace_api.NoOpTracer()


class ProcessProvider(TracerProvider):
    """A provider with a new ``service.instance.id`` in each process, unless one is configured.

    The SDK's own does this from 1.44 on, and overwrites a configured one.

    Attributes:
        spans: "lean" or "sdk"; "sdk: REASON" where lean spans are configured but not possible.
    """

    def __init__(
        self,
        configured: Mapping[str, Any],
        *,
        resource: Resource,
        spans: str = "sdk",
        asgi_message_spans: bool = True,
        **options: Any,
    ) -> None:
        """Create a provider; the ``configured`` attributes are the same in every process.

        ``spans`` and ``asgi_message_spans`` are the options of these names.
        """
        self._asgi_message_spans = asgi_message_spans
        self.spans = choose_spans(spans)
        if self.spans.startswith(_UNSUPPORTED):
            reason = self.spans.removeprefix("sdk: ")
            _logger.warning("%s; its own spans are used, which cost more", reason)
        self._processors = LeanProcessors() if self.spans == LEAN else Processors()
        self._configured = Resource(configured)
        self._described = resource
        self._instance = Resource.get_empty()
        self._pid = os.getpid()
        self._tracers_made: WeakList[Tracer] = WeakList()
        self._successor: ProcessProvider | None = None
        self._closed = False
        super().__init__(resource=resource, active_span_processor=self._processors, **options)
        if hasattr(os, "register_at_fork"):
            # Runs after the SDK's own hook, which changes the tracers too.
            describe = weakref.WeakMethod(self.describe_process)
            os.register_at_fork(after_in_child=lambda: (describe() or object)())

    @property
    def resource(self) -> Resource:
        """The resource of this process."""
        current = self.current()
        return self._described if current is self else current.resource

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace_api.Tracer:
        """Return a tracer whose resource follows this process."""
        if self._successor is None:
            tracer = super().get_tracer(*args, **kwargs)
            if isinstance(tracer, Tracer) and tracer not in self._tracers_made:
                if self.spans == LEAN:
                    LeanTracer.adopt(tracer)
                self._leave_out_messages(tracer)
                self._tracers_made.add(tracer)
        # Another thread may have replaced this provider meanwhile.
        current = self.current()
        return tracer if current is self else current.get_tracer(*args, **kwargs)

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Add a processor to this provider, or to the one that replaced it."""
        if self._successor is None:
            super().add_span_processor(span_processor)
        # Another thread may have replaced this provider meanwhile.
        current = self.current()
        if current is not self and span_processor not in current._processors.added:
            current.add_span_processor(span_processor)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush this provider, or the one that replaced it."""
        current = self.current()
        flush = super().force_flush if current is self else current.force_flush
        return flush(timeout_millis)

    def shutdown(self) -> None:
        """Shut this provider down, or the one that replaced it."""
        self.current().close()

    def current(self) -> ProcessProvider:
        """Return the provider that replaced this one last, or this one."""
        provider = self
        while provider._successor is not None:
            provider = provider._successor
        return provider

    def close(self) -> None:
        """Shut this provider down, with its processors; nothing once it is replaced."""
        if self._successor is None:
            self._closed = True
            super().shutdown()

    def replace(
        self, successor: ProcessProvider, earlier: Iterable[trace_api.TracerProvider] = ()
    ) -> None:
        """Pass all calls to another provider, and let its pipeline have the spans of all tracers.

        The processors of the application are the successor's from now on. OpenTelemetry has a
        global provider that cannot be set twice.

        Args:
            successor: the other provider.
            earlier: those that were replaced before; they keep no provider in between alive.
        """
        former, model = self.current(), successor.get_tracer(__name__)
        former._pass_processors_on(successor)
        # From here on, other threads get tracers of the successor.
        former._successor = self._successor = successor
        # Another thread may have added one meanwhile.
        former._pass_processors_on(successor)
        for tracer in former._tracers_made:
            if isinstance(model, Tracer):
                adopt_settings(tracer, model)
                successor._leave_out_messages(tracer)
            else:
                tracer.sampler = ALWAYS_OFF
            successor._tracers_made.add(tracer)
        for provider in (former, self, *earlier):
            if isinstance(provider, ProcessProvider):
                provider._successor = successor
                provider._processors.pass_on(successor._processors)
                provider.sampler = successor.sampler
        # The successor is shut down by its own pipeline, or its own hook.
        atexit.unregister(former.shutdown)

    def _pass_processors_on(self, successor: ProcessProvider) -> None:
        """Add the processors of the application that still work to another provider."""
        for processor in self._processors.added:
            # A pipeline shuts down those that it has built.
            is_own = isinstance(processor, BatchProcessor)
            ends = getattr(type(processor), "shutdown", None) is not SpanProcessor.shutdown
            if not (is_own or (self._closed and ends) or processor in successor._processors.added):
                successor.add_span_processor(processor)

    def _leave_out_messages(self, tracer: Tracer) -> None:
        """Create no spans of single ASGI messages, unless the option turns them on."""
        if tracer.instrumentation_info.name.startswith("opentelemetry.instrumentation."):
            if not self._asgi_message_spans:
                tracer.sampler = WithoutMessages(tracer.sampler)
            if isinstance(tracer, LeanTracer):
                tracer.asgi_message_spans = self._asgi_message_spans

    def describe_process(self) -> None:
        """Update the resource of the provider and its tracers in a new process."""
        if self._successor is not None:
            # Its tracers have the resource of the successor.
            return
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._instance = _make_instance()
        # The SDK may have updated its resource; our values override it.
        self._described = (
            _with_service_as_text(super().resource).merge(self._instance).merge(self._configured)
        )
        for tracer in self._tracers_made:
            tracer.resource = self._described


def choose_spans(configured: str) -> str:
    """Return which spans are created, by the option: "lean", "sdk", or "sdk: REASON"."""
    if configured != LEAN:
        return "sdk"
    # Metrics first: those of the application would count the spans of the comparison.
    counted = find_metrics()
    if counted:
        return f"sdk: {counted}"
    difference = find_difference()
    return f"{_UNSUPPORTED} ({difference})" if difference else LEAN


def _make_instance() -> Resource:
    return Resource({SERVICE_INSTANCE_ID: str(uuid.uuid4())})


class DisabledProvider(ProcessProvider):
    """Creates no-op spans that propagate the context of their parent.

    The SDK's own does this only for ``OTEL_SDK_DISABLED``.
    """

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace_api.Tracer:
        """Return a tracer that creates no-op spans until this provider is replaced."""
        successor = self.current()
        if successor is not self:
            return successor.get_tracer(*args, **kwargs)
        return _DisabledTracer(lambda: self.current().get_tracer(*args, **kwargs))


class _DisabledTracer(trace_api.NoOpTracer):
    """Creates no-op spans until its provider is replaced; libraries get their tracers only once."""

    def __init__(self, find: Callable[[], trace_api.Tracer]) -> None:
        self._find = find
        self._found: trace_api.Tracer | None = None

    def _current(self) -> trace_api.Tracer:
        if self._found is None:
            found = self._find()
            if isinstance(found, _DisabledTracer):
                return _NO_OP
            self._found = found
        return self._found

    def start_span(self, *args: Any, **kwargs: Any) -> trace_api.Span:
        return self._current().start_span(*args, **kwargs)

    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
        return self._current().start_as_current_span(*args, **kwargs)


def make_resource(options: TracingOptions) -> Resource:
    """Return the resource of the SDK's detectors, overridden by the configured attributes."""
    correct_variables()
    attributes = dict(options.resource.attributes)
    if not os.environ.get("OTEL_SERVICE_NAME", "x").strip():
        # The SDK would use blanks as a name.
        attributes.setdefault(SERVICE_NAME, "")
    # The SDK adds an instance itself from 1.43 on.
    return _make_instance().merge(_with_service_as_text(detect_resource(attributes)))


def _with_service_as_text(resource: Resource) -> Resource:
    """Correct the attributes of detectors."""
    return Resource(service_as_text(resource.attributes), resource.schema_url)


def make_limits(options: TracingOptions) -> SpanLimits:
    """Return the limits of a configuration.

    All are passed, because the SDK reads the variables of the others: it raises for a malformed
    one, and reads a blank one as "no limit".
    """
    length = options.max_tag_value_length
    if length is None:
        length = SpanLimits.UNSET
    # The SDK raises at the start of a span for more.
    counts = {name: min(count, sys.maxsize) for name, count in asdict(options.limits).items()}
    return SpanLimits(
        max_attributes=counts["attribute_count"],
        max_span_attributes=counts["attribute_count"],
        max_event_attributes=counts["event_attribute_count"],
        max_link_attributes=counts["link_attribute_count"],
        max_events=counts["event_count"],
        max_links=counts["link_count"],
        max_attribute_length=length,
        max_span_attribute_length=length,
    )


def limit_repeats(limits: SpanLimits) -> Callable[[], None] | None:
    """Limit the SDK's log, which has a WARNING for every attribute value that is cut.

    Returns:
        A function that reverts it; None when no value is cut.
    """
    if limits.max_attribute_length is None:
        return None
    sdk = logging.getLogger("opentelemetry.attributes")
    repeats = _Repeats()
    sdk.addFilter(repeats)
    return lambda: sdk.removeFilter(repeats)


class _Repeats(logging.Filter):
    """Passes each message once a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._passed: set[int] = set()
        self._forget_at = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now >= self._forget_at or len(self._passed) >= _MOST_MESSAGES:
            self._passed = set()
            self._forget_at = now + _REPEAT_SECONDS
        try:
            message = hash(record.getMessage())
        # The handlers report a malformed record.
        except Exception:
            return True
        if message in self._passed:
            return False
        self._passed.add(message)
        return True
