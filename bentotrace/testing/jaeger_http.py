"""The receiver of Jaeger's Thrift over HTTP."""

from __future__ import annotations

from bentotrace.testing.http_server import Answer, HTTPReceiver
from bentotrace.testing.jaeger_thrift import decode_batch
from bentotrace.testing.spans import ReceivedSpan

__all__ = ["JaegerHTTPReceiver"]


class JaegerHTTPReceiver(HTTPReceiver):
    """Receives ``POST /api/traces``, a Batch in Thrift's binary protocol, as the collector does.

    Arguments as :class:`HTTPReceiver`.
    """

    _path = "/api/traces"
    _content_types = frozenset({"application/x-thrift", "application/vnd.apache.thrift.binary"})
    _success = Answer(202)

    def _decode(self, body: bytes) -> list[ReceivedSpan]:
        return decode_batch(body)
