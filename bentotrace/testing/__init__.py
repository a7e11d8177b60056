"""Receivers for tests of exporters: they listen on loopback, decode and keep what is sent.

::

    from bentotrace.testing import OTLPHTTPReceiver

    with OTLPHTTPReceiver() as receiver:
        ...  # export to receiver.endpoint
        (span,) = receiver.wait(1)
        assert span.attributes["http.request.method"] == "GET"

=====================  =============================================  ==========================
receiver               receives                                       module
=====================  =============================================  ==========================
`OTLPHTTPReceiver`     ``POST /v1/traces``, protobuf                  `.otlp`
`OTLPGRPCReceiver`     ``TraceService/Export``                        `.otlp_grpc`
`JaegerUDPReceiver`    the agent's datagrams, compact or binary       `.jaeger_thrift`
`JaegerHTTPReceiver`   ``POST /api/traces``, Thrift binary            `.jaeger_thrift`
`JaegerGRPCReceiver`   ``CollectorService/PostSpans``                 `.jaeger_protobuf`
`ZipkinReceiver`       ``POST /api/v2/spans``, JSON                   `.zipkin`
=====================  =============================================  ==========================

`HTTPReceiver`, `GRPCReceiver` and `UDPReceiver` are the bases of these, and of your own. The other
modules: `.contract` has the tests of an exporter's duties, `.faults` what a receiver may do wrong,
`.certificates` certificates, `.spans` spans, `.strategies` hypothesis' strategies for spans,
`.fixtures` fixtures for pytest.

Each is a `Receiver`, with a `ReceivedSpan` for each span, whatever the format, and a `Request` for
each request. They decode with independent libraries (protobuf, opentelemetry-proto, thrift, json)
and are strict: what a lenient server would skip is a `Rejected` in ``receiver.errors``.

Each receiver imports its libraries on first access; the extra ``testing`` installs all of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bentotrace.testing.receiver import (
    ReceivedEvent,
    ReceivedLink,
    ReceivedSpan,
    Receiver,
    Rejected,
    Request,
)

if TYPE_CHECKING:
    from bentotrace.testing.grpc_server import GRPCReceiver
    from bentotrace.testing.http_server import HTTPReceiver
    from bentotrace.testing.jaeger_protobuf import JaegerGRPCReceiver
    from bentotrace.testing.jaeger_thrift import JaegerHTTPReceiver, JaegerUDPReceiver
    from bentotrace.testing.otlp import OTLPHTTPReceiver
    from bentotrace.testing.otlp_grpc import OTLPGRPCReceiver
    from bentotrace.testing.udp_server import UDPReceiver
    from bentotrace.testing.zipkin import ZipkinReceiver

__all__ = [
    "GRPCReceiver",
    "HTTPReceiver",
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
    "UDPReceiver",
    "ZipkinReceiver",
]

_MODULES = {
    "GRPCReceiver": "grpc_server",
    "HTTPReceiver": "http_server",
    "JaegerGRPCReceiver": "jaeger_protobuf",
    "JaegerHTTPReceiver": "jaeger_thrift",
    "JaegerUDPReceiver": "jaeger_thrift",
    "OTLPGRPCReceiver": "otlp_grpc",
    "OTLPHTTPReceiver": "otlp",
    "UDPReceiver": "udp_server",
    "ZipkinReceiver": "zipkin",
}

_OPTIONAL_PACKAGES = ("google", "grpc", "opentelemetry.proto", "thrift")


def __getattr__(name: str) -> Any:
    """Import a receiver, and the libraries it decodes with, on first access."""
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
