"""A receiver over gRPC that answers as a test wants; grpcio is imported only where it is used."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from attrs import Factory, define

METHOD = "/test.Receiver/Take"


@define(eq=False)
class Receiver:
    """Answers with the replies in turn, the last one repeated.

    A reply is the answer's bytes, an error ``(code, details, trailers)``, or a number of seconds
    to take.
    """

    replies: list[Any] = Factory(lambda: [b"answer"])
    bodies: list[bytes] = Factory(list)
    metadata: list[dict[str, Any]] = Factory(list)
    times: list[float] = Factory(list)
    method: str = METHOD

    def service(self, details: Any) -> Any:
        import grpc

        if details.method != self.method:
            return None
        return grpc.unary_unary_rpc_method_handler(self.take)

    def take(self, body: bytes, call: Any) -> bytes:
        self.bodies.append(body)
        self.metadata.append(dict(call.invocation_metadata()))
        self.times.append(time.monotonic())
        answer = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(answer, tuple):
            code, text, *trailers = answer
            call.set_trailing_metadata(tuple(trailers))
            call.abort(code, text)
        if isinstance(answer, float):
            ended = threading.Event()
            call.add_callback(ended.set)
            ended.wait(answer)
            return b"late"
        assert isinstance(answer, bytes)
        return answer


def credentials(certificates: Any, *, ask_client: bool = False) -> Any:
    import grpc

    pair = (Path(certificates.key_file).read_bytes(), Path(certificates.cert_file).read_bytes())
    roots = Path(certificates.ca_file).read_bytes() if ask_client else None
    return grpc.ssl_server_credentials([pair], roots, ask_client)
