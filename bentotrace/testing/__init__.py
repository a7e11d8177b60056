"""Receivers that listen on loopback, decode what an exporter sends, and keep it for a test to read.

::

    from bentotrace.testing import OTLPHTTPReceiver

    with OTLPHTTPReceiver() as receiver:
        ...  # export to receiver.endpoint
        (span,) = receiver.wait(1)
        assert span.attributes["http.request.method"] == "GET"

=====================  =============================================  ==========================
receiver               takes                                          module
=====================  =============================================  ==========================
`OTLPHTTPReceiver`     ``POST /v1/traces``, protobuf                  `.otlp_http`
`OTLPGRPCReceiver`     ``TraceService/Export``                        `.otlp_grpc`
`JaegerUDPReceiver`    the agent's datagrams, compact or binary       `.jaeger_udp`
`JaegerHTTPReceiver`   ``POST /api/traces``, Thrift binary            `.jaeger_http`
`JaegerGRPCReceiver`   ``CollectorService/PostSpans``                 `.jaeger_grpc`
`ZipkinReceiver`       ``POST /api/v2/spans``, JSON                   `.zipkin`
=====================  =============================================  ==========================

All are a `Receiver` and give `ReceivedSpan`, whatever the wire, and a `Request` for each request.
They read with the libraries of others (protobuf, opentelemetry-proto, thrift, json) and are strict:
what a lenient server would skip is in ``receiver.errors``, each a `Rejected`.

Each receiver imports what it decodes with when it is first asked for; the extra ``testing`` brings
all of it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bentotrace.testing.receiver import Receiver
from bentotrace.testing.spans import (
    ReceivedEvent,
    ReceivedLink,
    ReceivedSpan,
    Rejected,
    Request,
)

if TYPE_CHECKING:
    from bentotrace.testing.jaeger_grpc import JaegerGRPCReceiver
    from bentotrace.testing.jaeger_http import JaegerHTTPReceiver
    from bentotrace.testing.jaeger_udp import JaegerUDPReceiver
    from bentotrace.testing.otlp_grpc import OTLPGRPCReceiver
    from bentotrace.testing.otlp_http import OTLPHTTPReceiver
    from bentotrace.testing.zipkin import ZipkinReceiver

__all__ = [
    "JaegerGRPCReceiver",
    "JaegerHTTPReceiver",
    "JaegerUDPReceiver",
    "OTLPGRPCReceiver",
    "OTLPHTTPReceiver",
    "ReceivedEvent",
    "ReceivedLink",
    "ReceivedSpan",
    "Receiver",
    "Rejected",
    "Request",
    "ZipkinReceiver",
]

_MODULES = {
    "JaegerGRPCReceiver": "jaeger_grpc",
    "JaegerHTTPReceiver": "jaeger_http",
    "JaegerUDPReceiver": "jaeger_udp",
    "OTLPGRPCReceiver": "otlp_grpc",
    "OTLPHTTPReceiver": "otlp_http",
    "ZipkinReceiver": "zipkin",
}

_OPTIONAL_PACKAGES = ("google", "grpc", "opentelemetry.proto", "thrift")


def __getattr__(name: str) -> Any:
    """Import a receiver, and the libraries it decodes with, when somebody asks for it."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if not any(missing == p or missing.startswith(f"{p}.") for p in _OPTIONAL_PACKAGES):
            raise
        raise ImportError(
            f"{name} decodes with {missing}, which is not installed; "
            f"pip install 'bentotrace[testing]'",
            name=missing,
        ) from error


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
