"""Bytes to a receiver, and a plain account of what became of them.

An exporter plugin encodes a batch and hands the bytes to a transport; the transport's ``send``
returns an :class:`Outcome` within the timeout and never raises for what the network does.

=============  ===================================================================================
module         what is in it
=============  ===================================================================================
``http``       :class:`~bentotrace.transport.http.HTTPTransport`: POST, in HTTP/1.1
``grpc``       :class:`~bentotrace.transport.grpc.GRPCTransport`: one unary method, on grpcio
``udp``        :class:`~bentotrace.transport.udp.UDPTransport`: datagrams that fit, at a pace
``halving``    :func:`~bentotrace.transport.halving.send_in_halves`: less at a time when asked
``outcome``    :class:`Outcome`, :class:`FailureKind`, :class:`FailureDetail`: what came of a send
``retry``      :class:`~bentotrace.transport.retry.Backoff` and the loop both transports run in
``deadline``   :class:`~bentotrace.transport.deadline.Deadline`: the end of a whole call
``tls``        :class:`TLSConfig`: the files of a TLS connection, checked before it is needed
``headers``    header and metadata rules
``protobuf``   the few lines of Protocol Buffers that reading an answer takes
``rpc_status`` reading ``google.rpc.Status``, the answer that says why and when to come back
``proxy``      the proxy variables of the environment
``suppression``  :func:`suppress_instrumentation`: no spans about sending spans
=============  ===================================================================================

A transport takes the configuration's :class:`~bentotrace.redaction.Redaction` (a plugin has it as
``context.redaction``), adds its headers and credentials, and shows none of them in an outcome.

Importing this package costs neither ``ssl`` nor grpc; import
``bentotrace.transport.http`` or ``bentotrace.transport.grpc`` for a transport.
"""

from __future__ import annotations

from bentotrace.transport.outcome import FailureDetail, FailureKind, Outcome
from bentotrace.transport.retry import Backoff
from bentotrace.transport.suppression import suppress_instrumentation
from bentotrace.transport.tls import TLSConfig, TLSFileError

__all__ = [
    "Backoff",
    "FailureDetail",
    "FailureKind",
    "Outcome",
    "TLSConfig",
    "TLSFileError",
    "suppress_instrumentation",
]
