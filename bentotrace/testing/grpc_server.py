"""A gRPC server of one unary method, with responses that a test can script."""

from __future__ import annotations

import base64
from abc import abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, NoReturn

import grpc
from attrs import frozen

from bentotrace.testing.receiver import Family, ReceivedSpan, Receiver, Request, join_headers

__all__ = ["GRPCReceiver", "Response"]

_MAX_REQUEST_SIZE = 4 * 1024 * 1024
_STOP_SECONDS = 5.0


@frozen
class Response:
    """The response to a call; see :meth:`GRPCReceiver.respond_with`.

    Attributes:
        code: the status.
        details: the status's message.
        metadata: the trailing metadata, as pairs of name and value.
        body: the response message, when the status is OK.
        delay: seconds to wait before the call is processed.
        rejected_spans: number of the call's last spans that are not kept.
    """

    code: grpc.StatusCode
    details: str = ""
    metadata: tuple[tuple[str, str | bytes], ...] = ()
    body: bytes = b""
    delay: float = 0.0
    rejected_spans: int = 0


class GRPCReceiver(Receiver):
    """A receiver of one unary method; a subclass names it and decodes the messages.

    Attributes:
        service: the full name of the service, with its package.
        method: the name of the method.
        family: "grpc".
        port: the port it listens on.

    Args:
        host: the address to listen on.
        port: the port to listen on; 0 for a free one.
        credentials: for TLS; None for plaintext.
        max_request_size: maximum size of a message in bytes; gRPC itself rejects a larger one with
            RESOURCE_EXHAUSTED, and it is not recorded. The default is gRPC's own.

    Raises:
        OSError: it cannot listen on the address.
    """

    family: ClassVar[Family] = "grpc"
    service: ClassVar[str]
    method: ClassVar[str]

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        credentials: grpc.ServerCredentials | None = None,
        max_request_size: int = _MAX_REQUEST_SIZE,
    ) -> None:
        self._scheme = "http" if credentials is None else "https"
        self._executor = ThreadPoolExecutor(4, thread_name_prefix=type(self).__name__)
        self._server = grpc.server(
            self._executor,
            # Without so_reuseport=0 a second receiver could share a port that is in use.
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", max_request_size),
            ],
        )
        handler = grpc.unary_unary_rpc_method_handler(self._receive)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(self.service, {self.method: handler}),)
        )
        super().__init__(host, port)
        self.port = self._bind(credentials)
        self._server.start()

    @property
    def endpoint(self) -> str:
        """The URL of the server, ``https`` with TLS."""
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
        """Script the response to the next calls; later ones get the usual response.

        Args:
            code: the status, or its name, as "UNAVAILABLE"; the spans are kept only with OK.
            details: the status's message.
            metadata: trailing metadata.
            delay: seconds to wait before the call is processed.
            times: the number of calls.
        """
        status = grpc.StatusCode[code] if isinstance(code, str) else code
        self._scripted.extend([Response(status, details, tuple(metadata), b"", delay)] * times)

    @abstractmethod
    def decode(self, body: bytes) -> list[ReceivedSpan]:
        """Decode a message; raise ValueError if it is malformed."""

    def _bind(self, credentials: grpc.ServerCredentials | None) -> int:
        try:
            if credentials is None:
                bound = self._server.add_insecure_port(self.address)
            else:
                bound = self._server.add_secure_port(self.address, credentials)
        except RuntimeError as error:
            self.stop()
            raise OSError(f"cannot listen on {self.address}: {error}") from error
        if bound == 0:
            self.stop()
            raise OSError(f"cannot listen on {self.address}")
        return int(bound)

    def stop(self) -> None:
        """Stop listening and end the threads."""
        self._server.stop(None).wait(_STOP_SECONDS)
        self._executor.shutdown(wait=True)

    def _receive(self, body: bytes, context: grpc.ServicerContext) -> bytes:
        path = f"/{self.service}/{self.method}"
        response: Response | None = self._next_scripted()
        if response is not None and self._closing.wait(response.delay):
            _abort(context, grpc.StatusCode.UNAVAILABLE, "the receiver is closing")
        spans: list[ReceivedSpan] = []
        try:
            spans = self.decode(body)
        except ValueError as error:
            self.reject(path, str(error), body)
            if response is None:
                response = Response(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        if response is None:
            response = Response(grpc.StatusCode.OK)
        request = Request(
            path=path,
            headers=join_headers(
                (key, base64.b64encode(value).decode() if isinstance(value, bytes) else value)
                for key, value in context.invocation_metadata()
            ),
            body_size=len(body),
            span_count=len(spans),
            status=response.code.value[0],
            body=body,
        )
        accepted = response.code is grpc.StatusCode.OK
        kept = len(spans) - response.rejected_spans if accepted else 0
        self.store(request, spans[: max(kept, 0)])
        context.set_trailing_metadata(response.metadata)
        if not accepted:
            _abort(context, response.code, response.details)
        return response.body


def _abort(context: grpc.ServicerContext, code: grpc.StatusCode, details: str) -> NoReturn:
    context.abort(code, details)
    raise AssertionError("abort returned")
