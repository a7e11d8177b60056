"""Where well-known receivers take spans, and asking a server which of them it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlsplit

from attrs import frozen

from bentotrace.doctor.place import Place
from bentotrace.transport.http import HTTPTransport

__all__ = ["KnownReceiver", "find_path", "known_receiver"]

_TIMEOUT = 2.0


@frozen
class KnownReceiver:
    """What receivers of one exporter have in common.

    Attributes:
        exporter: the exporter type.
        path: of HTTP requests.
        http_port: the usual one.
        http_protocol: the value of the option ``protocol`` for HTTP; None when there is no option.
        grpc_port: the usual one; None when gRPC is not spoken.
        content_type: of HTTP requests.
        nothing: a body without spans.
    """

    exporter: str
    path: str
    http_port: int
    http_protocol: str | None
    grpc_port: int | None
    content_type: str
    nothing: bytes = b""

    def advice(self, transport: Literal["http", "grpc"]) -> str:
        """Say how that transport is chosen, and which port is usual for it."""
        port = self.grpc_port if transport == "grpc" else self.http_port
        protocol = "grpc" if transport == "grpc" else self.http_protocol
        usual = f"port {port}, which is the usual one for it"
        return usual if protocol is None else f"{self.exporter}.protocol: {protocol}"


_KNOWN = (
    KnownReceiver("otlp", "/v1/traces", 4318, "http", 4317, "application/x-protobuf"),
    KnownReceiver("zipkin", "/api/v2/spans", 9411, None, None, "application/json", b"[]"),
    KnownReceiver("jaeger", "/api/traces", 14268, "thrift", 14250, "application/x-thrift"),
)


def known_receiver(exporter: str) -> KnownReceiver | None:
    """Find the receivers of an exporter type."""
    return next((known for known in _KNOWN if known.exporter == exporter), None)


def find_path(exporter: str, place: Place) -> tuple[KnownReceiver, str] | None:
    """Ask a server that answered 404 which of the well-known paths it serves instead.

    Nothing secret is sent, and no span.

    Returns:
        The receiver and the path; None when it serves none of them.
    """
    scheme = "http" if place.tls is None else "https"
    host = f"[{place.host}]" if ":" in place.host else place.host
    for known, path in _candidates(exporter, urlsplit(place.path).path):
        transport = HTTPTransport(
            f"{scheme}://{host}:{place.port}{path}",
            timeout=_TIMEOUT,
            content_type=known.content_type,
            user_agent="bentotrace-doctor",
            tls=place.tls,
        )
        try:
            status = transport.send(known.nothing).status or ""
        finally:
            transport.close()
        # Of a body without spans a receiver may think as it likes, but not of the path.
        if status.startswith("2") or status in {"400", "401", "403", "415", "422"}:
            return known, path
    return None


def _candidates(exporter: str, path: str) -> Iterator[tuple[KnownReceiver, str]]:
    """Give the exporter's own paths first, below the one that is configured before all."""
    for known in sorted(_KNOWN, key=lambda known: known.exporter != exporter):
        paths = [known.path]
        if known.exporter == exporter:
            paths.insert(0, path.rstrip("/") + known.path)
        for candidate in dict.fromkeys(paths):
            if candidate != path:
                yield known, candidate
