"""Transports: send bytes to a receiver, and return the outcome.

An exporter plugin encodes a batch and hands the bytes to a transport; the transport's ``send``
returns an :class:`Outcome` within the timeout and never raises for what the network does.

=============  ===================================================================================
module         what is in it
=============  ===================================================================================
``exporter``   the exporter of an encoder and a transport, enough for most plugins
``options``    sections of options: :class:`~bentotrace.transport.options.HTTPClientOptions`,
               :class:`~bentotrace.transport.options.GRPCClientOptions`
``endpoint``   URLs and gRPC targets
``headers``    the rules for headers, per transport; the headers of a response
``basic_auth`` :func:`~bentotrace.transport.basic_auth.basic_auth`: one header from two options
``http``       :class:`~bentotrace.transport.http.HTTPTransport`: POST, in HTTP/1.1
``grpc``       :class:`~bentotrace.transport.grpc.GRPCTransport`: one unary method, on grpcio
``udp``        :class:`~bentotrace.transport.udp.UDPTransport`: datagrams, at a limited rate
``outcome``    :class:`Outcome`, :class:`FailureKind`, :class:`FailureDetail`
``splitting``  :func:`~bentotrace.transport.splitting.send_in_parts`: smaller messages
``retry``      :class:`~bentotrace.transport.retry.Backoff` and the loop of attempts
``tls``        :class:`TLSConfig`: the files of a TLS connection
=============  ===================================================================================

A transport masks the secrets of its :class:`~bentotrace.redaction.Redaction` (in plugins:
``context.redaction``), its headers and its credentials in every outcome.

Importing this package imports neither ``ssl`` nor grpc nor h11; import
``bentotrace.transport.http`` or ``bentotrace.transport.grpc`` for a transport.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bentotrace.interruptions import log_safely
from bentotrace.transport._proxy import (
    Proxy,
    find_grpc_proxy,
    find_proxy,
    proxy_secrets,
)
from bentotrace.transport._resolution import Resolution, SocketAddress
from bentotrace.transport.outcome import FailureDetail, FailureKind, Outcome
from bentotrace.transport.retry import Backoff, suppress_instrumentation
from bentotrace.transport.tls import TLSConfig, TLSFileError

if TYPE_CHECKING:
    from bentotrace.transport._http_failure import attempt_from_error

__all__ = [
    "Backoff",
    "FailureDetail",
    "FailureKind",
    "Outcome",
    "Proxy",
    "Resolution",
    "SocketAddress",
    "TLSConfig",
    "TLSFileError",
    "attempt_from_error",
    "find_grpc_proxy",
    "find_proxy",
    "log_safely",
    "proxy_secrets",
    "suppress_instrumentation",
]


def __getattr__(name: str) -> Any:
    if name != "attempt_from_error":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Its module imports h11.
    from bentotrace.transport._http_failure import attempt_from_error

    return attempt_from_error
