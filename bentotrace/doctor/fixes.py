"""What to do about a verdict: the log's advice, with the options and receivers of this case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from functools import partial
from typing import Literal
from urllib.parse import urlsplit

from bentotrace.delivery.advice import advice_on
from bentotrace.doctor.evidence import Evidence
from bentotrace.doctor.target import NetworkTarget
from bentotrace.doctor.verdict import Verdict, failure_kind_of
from bentotrace.transport.http import HTTPTransport
from bentotrace.values import frozen

__all__ = ["fix_of"]

_TIME = "%Y-%m-%d %H:%M"
_PATH_SECONDS = 2.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def fix_of(verdict: Verdict, evidence: Evidence) -> str:
    """Return in a few sentences what to do; "" when there is nothing.

    The plugin's own words have precedence: those of its check, then its advice.
    """
    failed = evidence.checks.failed
    if failed is not None and (failed.fix or verdict is Verdict.CHECK):
        return failed.fix
    if evidence.advice:
        return evidence.advice + _where_credentials_are(verdict, evidence)
    fix = _FIXES.get(verdict)
    if isinstance(fix, str):
        return fix.format_map(_words(evidence))
    return _advice(verdict, evidence) if fix is None else fix(evidence)


def _where_credentials_are(verdict: Verdict, evidence: Evidence) -> str:
    """Return a sentence on the plugin's options for credentials; "" if it is not about them."""
    rejected = verdict in {Verdict.UNAUTHENTICATED, Verdict.FORBIDDEN}
    if not rejected or not evidence.exporter.plugin.credentials:
        return ""
    if evidence.credentials_source is None:
        return f" Not set: {evidence.credentials}."
    return f" Sent: {evidence.credentials}."


def _advice(verdict: Verdict, evidence: Evidence) -> str:
    """Return the advice on a failure of this kind, as a sentence."""
    kind = failure_kind_of(verdict)
    if kind is None:
        return ""
    advice = advice_on(kind.value, **_words(evidence))
    return f"{advice[0].upper()}{advice[1:]}."


def _words(evidence: Evidence) -> Mapping[str, str]:
    grpc = evidence.transport == "grpc"
    client = "requires a client certificate"
    if evidence.source("client_certificate_file") is not None:
        option = evidence.option_and_source("client_certificate_file", fallback="")
        client = f"trusts the client certificate in {option}"
    return {
        "endpoint": evidence.endpoint_option,
        "receiver": f"the receiver on {evidence.peer}",
        "peer": evidence.peer,
        "host": evidence.host if evidence.target is not None else "the host",
        "proxy": "grpc_proxy, https_proxy or http_proxy" if grpc else "http_proxy or https_proxy",
        "headers": evidence.credentials,
        "authority": evidence.option("certificate_file") or "its option for an authority's file",
        "client": client,
        "exporter": evidence.name,
        "timeout": f"{evidence.exporter.timeout:g} s",
        "trace_id": evidence.export.trace_id,
    }


def _advise_on_success(evidence: Evidence) -> str:
    if evidence.target is None:
        return ""
    return (
        f"Look for trace {evidence.export.trace_id} in the backend; its only span is "
        '"bentotrace doctor".'
    )


def _closed_port(evidence: Evidence) -> str:
    fix = _advice(Verdict.CLOSED_PORT, evidence)
    if evidence.host in _LOOPBACK:
        fix += f" Within a container, {evidence.host} is the container itself."
    return fix


def _no_connection(evidence: Evidence) -> str:
    words = _words(evidence)
    option = words["proxy"] if evidence.proxied else evidence.endpoint_option
    return (
        "A firewall drops the packets, or the host is down: open the firewall between here and "
        f"{evidence.peer}, or correct host and port in {option}."
    )


def _disconnected(evidence: Evidence) -> str:
    fix = _advice(Verdict.DISCONNECTED, evidence)
    option = evidence.option("client_certificate_file")
    if evidence.target is not None and evidence.target.tls is not None and option is not None:
        fix += f" It may require a client certificate: {option}."
    return fix


def _tls_to_plaintext(evidence: Evidence) -> str:
    fix = f"Write http:// in {evidence.endpoint_option} if plaintext is intended"
    insecure = evidence.option("insecure")
    if evidence.transport == "grpc" and insecure is not None:
        fix += f", or {insecure}: true for an endpoint without a scheme"
    return f"{fix}; else send to a port that speaks TLS."


def _certificate_time(evidence: Evidence) -> str:
    certificate = evidence.probes.certificate
    if certificate is None:
        return "Renew the receiver's certificate, or set the clock of this machine."
    now = datetime.now(timezone.utc)
    if certificate.begins > now:
        return (
            f"It is valid from {certificate.begins:{_TIME}}, and the time here is {now:{_TIME}} "
            "(UTC): set the clock of this machine, or issue another certificate."
        )
    return (
        f"It expired on {certificate.ends:{_TIME}} (UTC): renew the receiver's certificate, and "
        "reload the receiver."
    )


def _certificate_authority(evidence: Evidence) -> str:
    certificate = evidence.probes.certificate
    issuer = "" if certificate is None else f" (issuer: {certificate.issuer})"
    option = _words(evidence)["authority"]
    if evidence.source("certificate_file") is not None:
        option = evidence.option_and_source("certificate_file", fallback=option)
        return (
            f"The file in {option} is not the authority of the receiver's certificate{issuer}: "
            "name the file of the right authority."
        )
    handshake = evidence.probes.handshake
    if evidence.transport == "grpc" and handshake is not None and handshake.failure is None:
        return (
            "This machine trusts it, but gRPC has its own list of authorities: name the machine's "
            f"file, such as /etc/ssl/certs/ca-certificates.crt, in {option}."
        )
    return f"Name the file of the authority of the receiver's certificate{issuer} in {option}."


def _certificate_name(evidence: Evidence) -> str:
    certificate = evidence.probes.certificate
    hosts = "" if certificate is None else ", ".join(certificate.hosts)
    if hosts:
        fix = f"It is for {hosts}: write that host in {evidence.endpoint_option}"
    else:
        fix = f"Write the host that the certificate is for in {evidence.endpoint_option}"
    return f"{fix}, or issue a certificate for {evidence.host}."


def _client_certificate(evidence: Evidence) -> str:
    certificate = evidence.option("client_certificate_file")
    if certificate is None:
        return (
            f"The exporter {evidence.name} cannot send one: configure the receiver not to require "
            "it, or use the exporter otlp, which can."
        )
    key = evidence.option("client_key_file")
    return f"Name the files of certificate and key in {certificate} and {key}."


def _served_protocol(served: Literal["http", "grpc"], evidence: Evidence) -> str:
    names = {"http": "HTTP", "grpc": "gRPC"}
    known, option = _known_receiver(evidence), evidence.endpoint_option
    if known is None:
        return f"Select {names[served]}, or correct the port in {option}."
    if known.grpc_port is None:
        return (
            f"{evidence.name} has no gRPC protocol: correct the port in {option} (usually port "
            f"{known.http_port})."
        )
    protocol, spoken, port = known.http_protocol, "grpc", known.grpc_port
    if served == "grpc":
        protocol, spoken, port = "grpc", "http", known.http_port
    return (
        f"Write {evidence.name}.protocol: {protocol}, or send to the receiver's {names[spoken]} "
        f"port, usually {port}, in {option}."
    )


def _unauthenticated(evidence: Evidence) -> str:
    fix = _advice(Verdict.UNAUTHENTICATED, evidence)
    if evidence.sent:
        return f"Sent: {evidence.sent}. {fix}"
    fix = f"No credentials were sent. {fix}"
    if evidence.exporter.plugin.credentials or evidence.option("headers") is None:
        return fix
    example = "{Authorization: {env: OTLP_TOKEN}}"
    return f"{fix} For example: {example}."


def _forbidden(evidence: Evidence) -> str:
    if not evidence.sent:
        return _unauthenticated(evidence)
    return f"Sent: {evidence.sent}. Permit these credentials to write traces, or send others."


def _not_found(evidence: Evidence) -> str:
    target, known, option = evidence.target, _known_receiver(evidence), evidence.endpoint_option
    if known is None or target is None or target.transport != "http":
        return _advice(Verdict.NOT_FOUND, evidence)
    if evidence.proxied:
        return f"Correct the path in {option}, usually {known.path}."
    found = _find_path(known, target)
    if found is None and target.path == known.path:
        return (
            f"{target.path} is the usual path, but {target.peer} serves no path of a well-known "
            f"receiver: correct host and port in {option}, or write the receiver's path there."
        )
    if found is None:
        return (
            f"Correct the path in {option}, usually {known.path}; {target.peer} serves no path of "
            "a well-known receiver, so the port may belong to another service."
        )
    receiver, path = found
    if receiver is not known:
        return (
            f"That server accepts {receiver.exporter} at {path}: write exporter_type: "
            f"{receiver.exporter}, or correct the port in {option}."
        )
    return f"{path} is served there: write {target.url}{path} in {option}."


def _server_error(evidence: Evidence) -> str:
    logs = "the receiver's log"
    if evidence.proxied:
        logs += f", and that of the proxy {evidence.peer},"
    return f"Check {logs} for the reason; the span has the trace id {evidence.export.trace_id}."


def _exporter(evidence: Evidence) -> str:
    if evidence.export.log:
        return f"It logged: {'; '.join(evidence.export.log)}"
    return (
        f"Check the options of {evidence.name} against what its receiver expects, and what it logs "
        "below WARNING."
    )


_FIXES: Mapping[Verdict, str | Callable[[Evidence], str]] = {
    Verdict.GOOD: _advise_on_success,
    Verdict.SENT: (
        "UDP reports a closed port by an ICMP error, which a firewall may drop; it does not "
        "confirm that a span arrived. Look for trace {trace_id} in the backend."
    ),
    Verdict.CLOSED_PORT: _closed_port,
    Verdict.NO_CONNECTION: _no_connection,
    Verdict.NO_RESPONSE: (
        "The receiver hangs, is slower than the timeout, or is another service: check its log and "
        "the port in {endpoint}, or raise timeout."
    ),
    Verdict.DISCONNECTED: _disconnected,
    Verdict.TLS_TO_PLAINTEXT: _tls_to_plaintext,
    Verdict.PLAINTEXT_TO_TLS: (
        "Write https:// in {endpoint}; for an authority of your own, name its file in {authority}."
    ),
    Verdict.CERTIFICATE_TIME: _certificate_time,
    Verdict.CERTIFICATE_AUTHORITY: _certificate_authority,
    Verdict.CERTIFICATE_NAME: _certificate_name,
    Verdict.CLIENT_CERTIFICATE: _client_certificate,
    Verdict.HTTP_TO_GRPC: partial(_served_protocol, "grpc"),
    Verdict.GRPC_TO_HTTP: partial(_served_protocol, "http"),
    Verdict.UNAUTHENTICATED: _unauthenticated,
    Verdict.FORBIDDEN: _forbidden,
    Verdict.NOT_FOUND: _not_found,
    Verdict.RATE_LIMITED: "Raise the receiver's limit, or send less: lower sample_rate.",
    Verdict.SERVER_ERROR: _server_error,
    Verdict.PARTIAL: _server_error,
    Verdict.EXPORTER: _exporter,
    Verdict.EXPORTER_HANGS: (
        "The exporter exceeds its timeout of {timeout}: report this to its author, and check "
        "whether its receiver responds."
    ),
    Verdict.WITHHELD: (
        "Remove the extension from extensions, or change which spans it passes: it gets every "
        "span before the exporter does."
    ),
}


@frozen
class KnownReceiver:
    """The receivers of one exporter.

    Attributes:
        exporter: the exporter type.
        path: of HTTP requests.
        http_port: the usual one.
        http_protocol: the value of the option ``protocol`` for HTTP; None when there is no option.
        grpc_port: the usual one; None when the exporter has no gRPC protocol.
        content_type: of HTTP requests.
        empty_body: a body without spans.
    """

    exporter: str
    path: str
    http_port: int
    http_protocol: str | None
    grpc_port: int | None
    content_type: str
    empty_body: bytes = b""


_KNOWN = (
    KnownReceiver("otlp", "/v1/traces", 4318, "http", 4317, "application/x-protobuf"),
    KnownReceiver("zipkin", "/api/v2/spans", 9411, None, None, "application/json", b"[]"),
    KnownReceiver("jaeger", "/api/traces", 14268, "thrift", 14250, "application/x-thrift"),
)


def _known_receiver(evidence: Evidence) -> KnownReceiver | None:
    """Return the receivers of a built-in exporter; None for a plugin of another project."""
    plugin = evidence.exporter.plugin
    # The other plugin may have the same name, but not the same extra.
    built_in = plugin.extra == f"bentotrace[{plugin.name}]"
    return next((known for known in _KNOWN if built_in and known.exporter == plugin.name), None)


def _find_path(own: KnownReceiver, target: NetworkTarget) -> tuple[KnownReceiver, str] | None:
    """Find a well-known path that a server serves; send no secret and no span."""
    for known, path in _candidates(own, urlsplit(target.path).path):
        transport = HTTPTransport(
            f"{target.url}{path}",
            timeout=_PATH_SECONDS,
            content_type=known.content_type,
            user_agent="bentotrace-doctor",
            tls=target.tls,
        )
        try:
            outcome = transport.send(known.empty_body)
        finally:
            transport.close()
        # A receiver that serves the path may reject a body without spans.
        if outcome.ok or outcome.status in {"400", "401", "403", "415", "422"}:
            return known, path
    return None


def _candidates(own: KnownReceiver, path: str) -> Iterator[tuple[KnownReceiver, str]]:
    """Yield the paths to try, beginning with the exporter's own below the configured path."""
    for known in sorted(_KNOWN, key=lambda known: known is not own):
        paths = [known.path]
        if known is own:
            paths.insert(0, path.rstrip("/") + known.path)
        for candidate in dict.fromkeys(paths):
            if candidate != path:
                yield known, candidate
