"""Tracing for gRPC servers and clients, synchronous and asyncio.

Each server or channel uses its own tracing and nothing global is patched, unlike with the
instrumentors of OpenTelemetry, whose client uses the global provider only. A server::

    from concurrent import futures

    import bentotrace
    import grpc
    from bentotrace.integrations.grpc import server_interceptor

    tracing = bentotrace.configure("tracing.yaml")
    server = grpc.server(futures.ThreadPoolExecutor(), interceptors=[server_interceptor(tracing)])

A client, whose calls carry the trace to the server::

    channel = grpc.insecure_channel("localhost:50051")
    channel = trace_channel(channel, tracing)

With asyncio::

    server = grpc.aio.server(interceptors=[aio_server_interceptor(tracing)])

    channel = grpc.aio.insecure_channel(
        "localhost:50051", interceptors=aio_client_interceptors(tracing)
    )

``excluded_urls`` and ``sample_rates``, which apply if bentotrace built the tracing, match a method
as ``/package.Service/Method``. Without a tracing, the global tracer provider is used. The extra
``grpc-instrumentation`` installs the dependencies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from opentelemetry.trace import TracerProvider

from bentotrace.integrations import _requires
from bentotrace.pipeline.tracing import Tracing

if TYPE_CHECKING:
    import grpc

with _requires("grpc-instrumentation"):
    from opentelemetry.instrumentation import grpc as instrumentation
    from opentelemetry.instrumentation.grpc import grpcext

__all__ = [
    "aio_client_interceptors",
    "aio_server_interceptor",
    "server_interceptor",
    "trace_channel",
]


def server_interceptor(tracing: Tracing | None = None) -> grpc.ServerInterceptor:
    """Return an interceptor that traces the calls to a ``grpc.server``."""
    return instrumentation.server_interceptor(tracer_provider=_provider(tracing))


def trace_channel(channel: grpc.Channel, tracing: Tracing | None = None) -> grpc.Channel:
    """Return the channel with its calls traced."""
    interceptor = instrumentation.client_interceptor(tracer_provider=_provider(tracing))
    return grpcext.intercept_channel(channel, interceptor)


def aio_server_interceptor(tracing: Tracing | None = None) -> grpc.aio.ServerInterceptor:
    """Return an interceptor that traces the calls to a ``grpc.aio.server``."""
    return instrumentation.aio_server_interceptor(tracer_provider=_provider(tracing))


def aio_client_interceptors(tracing: Tracing | None = None) -> Sequence[grpc.aio.ClientInterceptor]:
    """Return interceptors for a channel of ``grpc.aio``, one for each kind of call."""
    return list(instrumentation.aio_client_interceptors(tracer_provider=_provider(tracing)))


def _provider(tracing: Tracing | None) -> TracerProvider | None:
    return tracing.provider if tracing is not None else None
