"""What can be seen of a place without an exporter: its addresses, its port, its TLS.

A probe never decides a verdict alone; it shows how far one comes, and tells apart what the
exporter's outcome leaves open.
"""

from __future__ import annotations

import socket
import ssl
import time

from attrs import frozen

from bentotrace.doctor.certificate import Certificate, certificate_of, fetch_certificate
from bentotrace.doctor.place import Place, peer_of
from bentotrace.redaction import Redaction
from bentotrace.transport._http_failure import attempt_from_error
from bentotrace.transport._resolution import Address, Resolution
from bentotrace.transport.deadline import Deadline
from bentotrace.transport.outcome import FailureKind
from bentotrace.transport.retry import Attempt
from bentotrace.transport.tls import TLSFileError, make_ssl_context

__all__ = ["Connection", "Handshake", "LookUp", "Probes", "probe"]

_LONGEST_SECONDS = 3.0
_NO_SECRETS = Redaction()


@frozen
class LookUp:
    """What the name resolves to.

    Attributes:
        addresses: in the order in which they are tried; none when that failed.
        failure: why it failed.
        seconds: how long it took.
    """

    addresses: tuple[Address, ...]
    failure: Attempt | None
    seconds: float


@frozen
class Connection:
    """Who takes a connection.

    Attributes:
        address: the first address that does, as ``host:port``; None when none does.
        refusals: the addresses before it, each with what it did.
        failure: why none does.
        seconds: how long it took.
    """

    address: str | None
    refusals: tuple[str, ...]
    failure: Attempt | None
    seconds: float


@frozen
class Handshake:
    """A TLS handshake with the files of the configuration.

    Attributes:
        version: as "TLSv1.3"; None when it failed.
        certificate: the server's, also when it is not trusted.
        failure: why it failed.
        seconds: how long it took.
    """

    version: str | None
    certificate: Certificate | None
    failure: Attempt | None
    seconds: float


@frozen
class Probes:
    """What was seen, up to the first failure."""

    resolution: LookUp | None = None
    connection: Connection | None = None
    handshake: Handshake | None = None

    @property
    def failure(self) -> Attempt | None:
        """The failure that ended the probing."""
        for step in (self.resolution, self.connection, self.handshake):
            if step is not None and step.failure is not None:
                return step.failure
        return None

    @property
    def hopeless(self) -> bool:
        """Whether an export would try again and again, and its time change nothing."""
        if self.failure is None or self.handshake is not None:
            return False
        return self.failure.kind is not FailureKind.TIMEOUT


def probe(place: Place, timeout: float, redaction: Redaction = _NO_SECRETS) -> Probes:
    """Look at a place: resolve, connect, and shake hands where TLS is spoken.

    Args:
        place: where.
        timeout: seconds for each of the three, at the most.
        redaction: masks what must not be quoted from an error.
    """
    timeout = min(timeout, _LONGEST_SECONDS)
    resolution = _resolve(place, timeout, redaction)
    if resolution.failure is not None or place.transport == "udp":
        return Probes(resolution)
    connection = _connect(place, resolution, timeout, redaction)
    if connection.failure is not None or place.tls is None or place.proxy is not None:
        return Probes(resolution, connection)
    return Probes(resolution, connection, _shake_hands(place, timeout, redaction))


def _resolve(place: Place, timeout: float, redaction: Redaction) -> LookUp:
    host, port = place.address
    started = time.monotonic()
    kind = socket.SOCK_DGRAM if place.transport == "udp" else socket.SOCK_STREAM
    try:
        found = Resolution(host, port, kind).addresses(Deadline.after(timeout))
    except OSError as error:
        failure = _failure(error, "resolving", place, timeout, redaction)
        return LookUp((), failure, time.monotonic() - started)
    return LookUp(tuple(found), None, time.monotonic() - started)


def _connect(place: Place, resolution: LookUp, timeout: float, redaction: Redaction) -> Connection:
    started = time.monotonic()
    deadline = Deadline.after(timeout)
    refusals: list[str] = []
    failure: Attempt | None = None
    for tried, (family, kind, protocol, address) in enumerate(resolution.addresses):
        shown = peer_of(*address[:2])
        with socket.socket(family, kind, protocol) as sock:
            sock.settimeout(max(deadline.remaining() / (len(resolution.addresses) - tried), 0.001))
            try:
                sock.connect(address)
            except OSError as error:
                failure = _failure(error, "connecting", place, timeout, redaction)
                refusals.append(f"{shown} {_did(failure)}")
                continue
        return Connection(shown, tuple(refusals), None, time.monotonic() - started)
    return Connection(None, tuple(refusals), failure, time.monotonic() - started)


def _did(failure: Attempt) -> str:
    if failure.kind is FailureKind.REFUSED:
        return "refused"
    return "did not answer" if failure.kind is FailureKind.TIMEOUT else "cannot be reached"


def _shake_hands(place: Place, timeout: float, redaction: Redaction) -> Handshake:
    assert place.tls is not None
    started = time.monotonic()
    try:
        context = make_ssl_context(place.tls)
    except TLSFileError as error:
        failure = Attempt(ok=False, kind=FailureKind.TLS, reason=str(error))
        return Handshake(None, None, failure, time.monotonic() - started)
    context.set_alpn_protocols(["h2" if place.transport == "grpc" else "http/1.1"])
    try:
        with (
            socket.create_connection(place.address, timeout) as sock,
            context.wrap_socket(sock, server_hostname=place.host) as tls,
        ):
            certificate = certificate_of(tls.getpeercert())
            return Handshake(tls.version(), certificate, None, time.monotonic() - started)
    except OSError as error:
        seconds = time.monotonic() - started
        certificate = None
        if isinstance(error, ssl.SSLCertVerificationError):
            certificate = fetch_certificate(place.host, place.port, timeout)
        failure = _failure(error, "handshake", place, timeout, redaction)
        return Handshake(None, certificate, failure, seconds)


def _failure(
    error: Exception, phase: str, place: Place, timeout: float, redaction: Redaction
) -> Attempt:
    return attempt_from_error(
        error,
        phase=phase,
        peer=str(place.proxy or place.peer),
        through_proxy=place.proxy is not None,
        timeout=timeout,
        redaction=redaction,
    )
