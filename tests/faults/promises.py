"""What the tests of promises share: the transports, a service, failing and TLS receivers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import define

from ..servers import Certificates
from .stages import retry_info
from .transports import TRANSPORTS, Transport

SENDERS = TRANSPORTS[:5]
AUTHORITIES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


@define(eq=False)
class Service:
    """A service that sends one span at a time."""

    tracing: Any

    def send(self) -> bool:
        """Return whether a span arrived."""
        self.tracing.provider.get_tracer("service").start_span("work").end()
        return bool(self.tracing.flush(30))

    @property
    def status(self) -> Any:
        return self.tracing.status().destinations[0]

    @property
    def kind(self) -> str:
        return str(self.status.last_error.kind)


def url(port: int, scheme: str = "http", host: str = "127.0.0.1") -> str:
    return f"{scheme}://{host}:{port}"


def fail(
    receiver: Any, transport: Transport, status: int, code: str, *, times: int = 1, wait: int = 0
) -> None:
    """Make a receiver fail, with a status over HTTP and a code over gRPC."""
    if transport.family == "http":
        receiver.respond_with(
            status, headers={"retry-after": str(wait)} if wait else {}, times=times
        )
    else:
        metadata = [("grpc-status-details-bin", retry_info(wait))] if wait else []
        receiver.respond_with(code, metadata=metadata, times=times)


def receive_tls(
    transport: Transport, certificates: Certificates, port: int = 0, client_ca: str | None = None
) -> Any:
    """Start a receiver with TLS; with a client's authority it requires a certificate."""
    if transport.family == "http":
        context = certificates.server_context()
        if client_ca is not None:
            import ssl

            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_ca)
        return transport.receive(port, ssl_context=context)
    import grpc

    pair = (Path(certificates.key_file).read_bytes(), Path(certificates.cert_file).read_bytes())
    root = None if client_ca is None else Path(client_ca).read_bytes()
    credentials = grpc.ssl_server_credentials([pair], root, root is not None)
    return transport.receive(port, credentials=credentials)
