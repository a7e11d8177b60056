"""Connect to a destination without its exporter: name, port, TLS handshake, protocol.

A probe never decides a verdict alone; it shows the step that fails, and explains what the
exporter's outcome leaves open.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from bentotrace.deadline import Deadline
from bentotrace.doctor.target import NetworkTarget, format_peer
from bentotrace.redaction import Redaction
from bentotrace.transport import Resolution, SocketAddress, attempt_from_error
from bentotrace.transport.outcome import FailureDetail, FailureKind
from bentotrace.transport.retry import Attempt
from bentotrace.transport.tls import TLSConfig, TLSFileError, TLSLayer, make_ssl_context
from bentotrace.values import frozen

__all__ = [
    "Certificate",
    "Probe",
    "Probes",
    "fetch_certificate",
    "parse_certificate",
    "probe",
    "probe_protocol",
]

_LONGEST_SECONDS = 3.0
_PROTOCOL_SECONDS = 1.5
_NO_SECRETS = Redaction()
# Source: OpenSSL, x509_vfy.h: X509_V_FLAG_NO_CHECK_TIME, for which ``ssl`` has no name.
_NO_CHECK_TIME = 0x200000
# Source: RFC 9113, section 3.4, and an empty SETTINGS frame.
_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
_SETTINGS = 4
_REFUSALS: Mapping[FailureKind | None, str] = {
    FailureKind.REFUSED: "refused",
    FailureKind.TIMEOUT: "timed out",
}


@frozen
class Probe:
    """The result of one probe.

    Attributes:
        seen: the observation, as text; "" when it failed.
        failure: why it failed.
        seconds: duration.
    """

    seen: str
    failure: Attempt | None
    seconds: float


@frozen
class Certificate:
    """A server's certificate.

    Attributes:
        hosts: the names and addresses that it is for.
        issuer: the name of its issuer.
        begins: start of its validity.
        ends: end of its validity.
    """

    hosts: tuple[str, ...]
    issuer: str
    begins: datetime
    ends: datetime

    def __str__(self) -> str:
        hosts = ", ".join(self.hosts)
        return f"certificate for {hosts} from {self.issuer}, valid until {self.ends:%Y-%m-%d}"


@frozen
class Probes:
    """The results of all probes, up to the first failure.

    Attributes:
        resolution: of the host name.
        connection: of connecting.
        handshake: of a TLS handshake with the files of the configuration.
        accepted: the first address that accepted a connection, as ``host:port``.
        certificate: the server's, also when it is not trusted.
    """

    resolution: Probe | None = None
    connection: Probe | None = None
    handshake: Probe | None = None
    accepted: str | None = None
    certificate: Certificate | None = None

    @property
    def failure(self) -> Attempt | None:
        """The failure that ended the probing."""
        probes = (self.resolution, self.connection, self.handshake)
        failures = (probe.failure for probe in probes if probe is not None)
        return next((failure for failure in failures if failure is not None), None)

    @property
    def hopeless(self) -> bool:
        """Whether an export would retry until its timeout without a chance of success."""
        if self.failure is None or self.handshake is not None:
            return False
        return self.failure.kind is not FailureKind.TIMEOUT


def probe(target: NetworkTarget, timeout: float, redaction: Redaction = _NO_SECRETS) -> Probes:
    """Resolve the name, connect, and do the TLS handshake if the target uses TLS.

    Args:
        target: the destination.
        timeout: seconds for each of the three, at most 3.
        redaction: masks secrets in errors.
    """
    prober = _Prober(target, min(timeout, _LONGEST_SECONDS), redaction)
    resolution, addresses = prober.resolve()
    if resolution.failure is not None or target.transport == "udp":
        return Probes(resolution)
    connection, accepted = prober.connect(addresses)
    if connection.failure is not None or target.tls is None or target.proxy is not None:
        return Probes(resolution, connection, accepted=accepted)
    handshake, certificate = prober.handshake(target.tls)
    return Probes(resolution, connection, handshake, accepted, certificate)


@frozen
class _Prober:
    target: NetworkTarget
    timeout: float
    redaction: Redaction

    def resolve(self) -> tuple[Probe, Sequence[SocketAddress]]:
        host, port = self.target.address
        kind = socket.SOCK_DGRAM if self.target.transport == "udp" else socket.SOCK_STREAM
        started = time.monotonic()
        try:
            addresses = Resolution(host, port, kind).addresses(Deadline.after(self.timeout))
        except OSError as error:
            return _failed(self._explain(error, "resolving"), started), ()
        found = list(dict.fromkeys(str(address[3][0]) for address in addresses))
        shown = f"the proxy {host}" if self.target.proxy is not None else host
        if found == [host]:
            return _succeeded(f"not needed: {shown} is an address", started), addresses
        return _succeeded(f"{shown} is {' and '.join(found)}", started), addresses

    def connect(self, addresses: Sequence[SocketAddress]) -> tuple[Probe, str | None]:
        started = time.monotonic()
        deadline = Deadline.after(self.timeout)
        refusals: list[str] = []
        failure = Attempt(ok=False)
        for tried, (family, kind, protocol, address) in enumerate(addresses):
            peer = format_peer(*address[:2])
            with socket.socket(family, kind, protocol) as sock:
                sock.settimeout(max(deadline.remaining() / (len(addresses) - tried), 0.001))
                try:
                    sock.connect(address)
                except OSError as error:
                    failure = self._explain(error, "connecting")
                    refusals.append(f"{peer} {_REFUSALS.get(failure.kind, 'is unreachable')}")
                    continue
            shown = f"the proxy at {peer}" if self.target.proxy is not None else peer
            return _succeeded("; ".join((f"connected to {shown}", *refusals)), started), peer
        return _failed(failure, started), None

    def handshake(self, files: TLSConfig) -> tuple[Probe, Certificate | None]:
        target, started = self.target, time.monotonic()
        try:
            context = make_ssl_context(files)
        except TLSFileError as error:
            failure = Attempt(ok=False, kind=FailureKind.TLS, reason=str(error))
            return _failed(failure, started), None
        context.set_alpn_protocols(["h2" if target.transport == "grpc" else "http/1.1"])
        try:
            with _tls_connection(context, target.address, target.host, self.timeout) as layer:
                certificate = parse_certificate(layer.tls.getpeercert())
                seen = str(layer.tls.version()) + (
                    f"; {certificate}" if certificate is not None else ""
                )
                return _succeeded(seen, started), certificate
        except OSError as error:
            failed = _failed(self._explain(error, "handshake"), started)
            certificate = None
            if isinstance(error, ssl.SSLCertVerificationError):
                certificate = fetch_certificate(target.host, target.port, self.timeout)
            return failed, certificate

    def _explain(self, error: Exception, phase: str) -> Attempt:
        return attempt_from_error(
            error,
            phase=phase,
            peer=str(self.target.proxy or self.target.peer),
            through_proxy=self.target.proxy is not None,
            timeout=self.timeout,
            redaction=self.redaction,
        )


def _succeeded(seen: str, started: float) -> Probe:
    return Probe(seen, None, time.monotonic() - started)


def _failed(failure: Attempt, started: float) -> Probe:
    return Probe("", failure, time.monotonic() - started)


def parse_certificate(found: Mapping[str, Any] | None) -> Certificate | None:
    """Convert the result of :meth:`ssl.SSLSocket.getpeercert`; None when it has no dates."""
    if not found:
        return None
    try:
        begins, ends = (
            datetime.fromtimestamp(ssl.cert_time_to_seconds(found[name]), timezone.utc)
            for name in ("notBefore", "notAfter")
        )
    except (OverflowError, ValueError):
        return None
    issuer = {name: value for part in found.get("issuer", ()) for name, value in part}
    words = ("commonName", "organizationName", "organizationalUnitName")
    return Certificate(
        tuple(value for _, value in found.get("subjectAltName", ())),
        next((issuer[word] for word in words if word in issuer), "an issuer without a name"),
        begins,
        ends,
    )


def fetch_certificate(host: str, port: int, timeout: float) -> Certificate | None:
    """Return the certificate of a server that is not trusted; None when that fails.

    ``ssl`` parses only a verified certificate, so it is fetched first, and then used as its own
    authority.
    """
    context = _unverified_context()
    try:
        with _tls_connection(context, (host, port), host, timeout) as layer:
            encoded = layer.tls.getpeercert(binary_form=True)
        if encoded is None:
            return None
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
        context.load_verify_locations(cadata=encoded)
        with _tls_connection(context, (host, port), host, timeout) as layer:
            return parse_certificate(layer.tls.getpeercert())
    except (OSError, ValueError):
        return None


def probe_protocol(target: NetworkTarget) -> FailureDetail | None:
    """Return why exporter and server do not understand each other; None when that is not clear."""
    context = _unverified_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    http: int | None = None
    tls = asks_certificate = False
    try:
        with (
            contextlib.suppress(OSError),
            _tls_connection(
                context, target.address, target.address[0], _PROTOCOL_SECONDS
            ) as connection,
        ):
            tls = True
            http = 2 if connection.tls.selected_alpn_protocol() == "h2" else None
            try:
                http = _http_version(connection) or http
            except ssl.SSLError as error:
                http = None
                asks_certificate = "CERTIFICATE_REQUIRED" in (error.reason or "").upper()
        if not tls:
            with socket.create_connection(target.address, _PROTOCOL_SECONDS) as sock:
                http = _http_version(sock)
    except OSError:
        return None
    if tls != (target.tls is not None):
        if tls:
            return FailureDetail.NEEDS_TLS
        return None if http is None else FailureDetail.NO_TLS
    if asks_certificate:
        return FailureDetail.CLIENT_CERTIFICATE
    if target.transport == "http" and http == 2:
        return FailureDetail.NEEDS_GRPC
    return FailureDetail.NEEDS_HTTP if target.transport == "grpc" and http == 1 else None


def _http_version(sock: socket.socket | TLSLayer) -> int | None:
    """Begin HTTP/2 and return the version of the response; None when it is not HTTP."""
    sock.sendall(_HTTP2_PREFACE)
    response = b""
    while len(response) < 5:
        received = sock.recv(64)
        if not received:
            break
        response += received
    if response.startswith(b"HTTP/") or response.lstrip().startswith(b"<"):
        return 1
    return 2 if response[3:4] == bytes((_SETTINGS,)) else None


def _unverified_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextlib.contextmanager
def _tls_connection(
    context: ssl.SSLContext, address: tuple[str, int], host: str, timeout: float
) -> Iterator[TLSLayer]:
    deadline = Deadline.after(timeout)
    with socket.create_connection(address, timeout) as sock:

        def armed() -> socket.socket:
            remaining = deadline.remaining()
            if not remaining:
                raise TimeoutError
            sock.settimeout(remaining)
            return sock

        layer = TLSLayer(
            context, host, lambda size: armed().recv(size), lambda data: armed().sendall(data)
        )
        layer.handshake()
        yield layer
