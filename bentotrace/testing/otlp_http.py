"""The receiver of OTLP over HTTP."""

from __future__ import annotations

from bentotrace.testing.http_server import Answer, HTTPReceiver
from bentotrace.testing.otlp import decode_request, partial_success
from bentotrace.testing.spans import ReceivedSpan

__all__ = ["OTLPHTTPReceiver"]

_PROTOBUF = "application/x-protobuf"


class OTLPHTTPReceiver(HTTPReceiver):
    """Receives ``POST /v1/traces``, protobuf, plain or gzip; arguments as :class:`HTTPReceiver`."""

    _path = "/v1/traces"
    _content_types = frozenset({_PROTOBUF})
    _success = Answer(200, {"content-type": _PROTOBUF})

    def respond_with_partial_success(
        self, rejected_spans: int, message: str = "", *, times: int = 1
    ) -> None:
        """Answer the next requests 200, but say that so many of their spans were not taken.

        The last ``rejected_spans`` of each request are not kept.
        """
        body = partial_success(rejected_spans, message)
        answer = Answer(
            200, {"content-type": _PROTOBUF}, body, rejected_spans=max(rejected_spans, 0)
        )
        self._answers.extend([answer] * times)

    def _decode(self, body: bytes) -> list[ReceivedSpan]:
        return decode_request(body)
