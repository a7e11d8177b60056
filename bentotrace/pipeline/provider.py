"""The provider of a pipeline's tracers."""

from __future__ import annotations

import os
import uuid
import weakref
from collections.abc import Mapping
from typing import Any

from opentelemetry import trace as trace_api
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, Resource
from opentelemetry.sdk.trace import Tracer, TracerProvider

from bentotrace.pipeline.ids import HandedIds

__all__ = ["DisabledProvider", "ProcessProvider", "own_instance"]


def own_instance() -> Resource:
    """Make what tells this process from all others."""
    return Resource({SERVICE_INSTANCE_ID: str(uuid.uuid4())})


class ProcessProvider(TracerProvider):
    """Has another ``service.instance.id`` in each process, unless one is configured.

    The SDK's own has that from 1.44 on, over what is configured too.
    """

    def __init__(self, configured: Mapping[str, Any], **options: Any) -> None:
        """Make a provider.

        Args:
            configured: resource attributes that are the same in every process.
            options: as the SDK's takes them.
        """
        super().__init__(id_generator=HandedIds(), **options)
        self._configured = Resource(configured)
        self._tracers_made: weakref.WeakSet[Tracer] = weakref.WeakSet()
        self._pid = os.getpid()

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace_api.Tracer:
        """Give a tracer, which this provider remembers."""
        tracer = super().get_tracer(*args, **kwargs)
        if isinstance(tracer, Tracer):
            self._tracers_made.add(tracer)
        return tracer

    def describe_process(self) -> None:
        """See to it that the next span describes this process."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._update_resource(own_instance())

    def _update_resource(self, resource: Resource) -> None:
        # The SDK calls it as well, in a forked child.
        self._resource = self._resource.merge(resource).merge(self._configured)
        for tracer in list(self._tracers_made):
            tracer.resource = self._resource


class DisabledProvider(ProcessProvider):
    """Makes spans that cost nothing and pass on the context of their parent.

    The SDK's own does that for ``OTEL_SDK_DISABLED``, and for that only.
    """

    def get_tracer(self, *_args: Any, **_kwargs: Any) -> trace_api.Tracer:
        """Give a tracer that makes such spans."""
        return trace_api.NoOpTracer()
