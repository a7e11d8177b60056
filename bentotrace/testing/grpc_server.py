"""A gRPC server of one unary method that hands every message to a decoder."""

from __future__ import annotations

import base64
from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, NoReturn

import grpc
from attrs import frozen

from bentotrace.testing.receiver import Receiver
from bentotrace.testing.spans import ReceivedSpan, Request

__all__ = ["Answer", "GRPCReceiver"]

_MAX_REQUEST_SIZE = 4 * 1024 * 1024
_STOP_SECONDS = 5.0


@frozen
class Answer:
    """What a call is answered with.

    Attributes:
        code: the status.
        details: the status's message.
        metadata: trailing metadata.
        body: the response message, when the status is OK.
        delay: seconds between the call and what is done with it.
        rejected_spans: how many of the call's last spans are not kept.
    """

    code: grpc.StatusCode
    details: str = ""
    metadata: tuple[tuple[str, str | bytes], ...] = ()
    body: bytes = b""
    delay: float = 0.0
    rejected_spans: int = 0


class GRPCReceiver(Receiver):
    """A receiver of one unary method.

    Args:
        host: the address to listen on.
        port: the port to listen on; 0 takes a free one.
        credentials: speak TLS with them.
        max_request_size: bytes of a message that are taken; more is answered RESOURCE_EXHAUSTED by
            gRPC itself, and leaves no trace here. The default is gRPC's own.

    Raises:
        OSError: the address cannot be listened on.
    """

    _service: ClassVar[str]
    _method: ClassVar[str]

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        credentials: grpc.ServerCredentials | None = None,
        max_request_size: int = _MAX_REQUEST_SIZE,
    ) -> None:
        self._scheme = "http" if credentials is None else "https"
        self._answers: deque[Answer] = deque()
        self._executor = ThreadPoolExecutor(4, thread_name_prefix=type(self).__name__)
        self._server = grpc.server(
            self._executor,
            # Without so_reuseport=0 a second receiver could share a port that is taken.
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", max_request_size),
            ],
        )
        handler = grpc.unary_unary_rpc_method_handler(self._receive)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(self._service, {self._method: handler}),)
        )
        super().__init__(host, port)
        self._port = self._bind(credentials)
        self._server.start()

    @property
    def endpoint(self) -> str:
        """The URL of the server, whose scheme says whether it speaks TLS."""
        return f"{self._scheme}://{self.address}"

    def respond_with(
        self,
        code: grpc.StatusCode | str,
        details: str = "",
        *,
        metadata: Sequence[tuple[str, str | bytes]] = (),
        delay: float = 0.0,
        times: int = 1,
    ) -> None:
        """Answer the next calls so, one after the other; then as usual again.

        Args:
            code: the status, or its name as "UNAVAILABLE"; unless it is OK, the spans are not kept.
            details: the status's message.
            metadata: trailing metadata.
            delay: seconds between the call and what is done with it.
            times: how many calls are answered so.
        """
        status = grpc.StatusCode[code] if isinstance(code, str) else code
        self._answers.extend([Answer(status, details, tuple(metadata), b"", delay)] * times)

    @abstractmethod
    def _decode(self, body: bytes) -> list[ReceivedSpan]:
        """Decode a message; ValueError when it is malformed."""

    def _bind(self, credentials: grpc.ServerCredentials | None) -> int:
        try:
            if credentials is None:
                bound = self._server.add_insecure_port(self.address)
            else:
                bound = self._server.add_secure_port(self.address, credentials)
        except RuntimeError as error:
            self._stop()
            raise OSError(f"cannot listen on {self.address}: {error}") from error
        if bound == 0:
            self._stop()
            raise OSError(f"cannot listen on {self.address}")
        return int(bound)

    def _stop(self) -> None:
        self._server.stop(None).wait(_STOP_SECONDS)
        self._executor.shutdown(wait=True)

    def _receive(self, body: bytes, context: grpc.ServicerContext) -> bytes:
        path = f"/{self._service}/{self._method}"
        answer = self._next_answer()
        if answer is not None and self._closing.wait(answer.delay):
            _abort(context, grpc.StatusCode.UNAVAILABLE, "the receiver is closing")
        spans: list[ReceivedSpan] = []
        try:
            spans = self._decode(body)
        except ValueError as error:
            self._reject(path, str(error), body)
            if answer is None:
                answer = Answer(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        if answer is None:
            answer = Answer(grpc.StatusCode.OK)
        request = Request(
            path=path,
            headers=_headers_of(context),
            body_size=len(body),
            span_count=len(spans),
            status=answer.code.value[0],
            body=body,
        )
        taken = answer.code is grpc.StatusCode.OK
        kept = len(spans) - answer.rejected_spans if taken else 0
        self._store(request, spans[: max(kept, 0)])
        context.set_trailing_metadata(answer.metadata)
        if not taken:
            _abort(context, answer.code, answer.details)
        return answer.body

    def _next_answer(self) -> Answer | None:
        try:
            return self._answers.popleft()
        except IndexError:
            return None


def _headers_of(context: grpc.ServicerContext) -> dict[str, str]:
    headers: dict[str, str] = {}
    for key, value in context.invocation_metadata():
        text = base64.b64encode(value).decode() if isinstance(value, bytes) else value
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _abort(context: grpc.ServicerContext, code: grpc.StatusCode, details: str) -> NoReturn:
    context.abort(code, details)
    raise AssertionError("abort returned")
