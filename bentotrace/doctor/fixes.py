"""What to do about a verdict."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

from bentotrace.doctor.case import Case
from bentotrace.doctor.receivers import find_path
from bentotrace.doctor.verdict import Verdict

__all__ = ["fix_of"]

_TIME = "%Y-%m-%d %H:%M"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def fix_of(verdict: Verdict, case: Case) -> str:
    """Say in a few sentences what to do; "" when there is nothing."""
    fix = _FIXES.get(verdict)
    return "" if fix is None else fix(case)


def _good(case: Case) -> str:
    if case.place is None:
        return ""
    return f'Look for trace {case.trial.trace_id} there; its one span is "bentotrace doctor".'


def _sent(case: Case) -> str:
    return (
        "UDP tells when nobody listens, by an ICMP message, which a firewall may swallow; it does "
        "not tell that a span arrived. That only the backend shows: look for trace "
        f"{case.trial.trace_id}."
    )


def _name(case: Case) -> str:
    return (
        f"Correct the host in {case.options.endpoint}, or make the name known where this runs: "
        "in the DNS, in /etc/hosts, in the network of the containers."
    )


def _closed_port(case: Case) -> str:
    fix = f"Start the receiver on {case.peer}, or correct host and port in {case.options.endpoint}."
    if case.host in _LOOPBACK:
        fix += f" Within a container, {case.host} is the container itself."
    return fix


def _unreachable(case: Case) -> str:
    return (
        f"Look at the routes and firewalls between here and {case.peer}, or correct the host in "
        f"{case.options.endpoint}."
    )


def _no_connection(case: Case) -> str:
    return (
        "A firewall drops the packets, or the host is down: open the way from here to "
        f"{case.peer}, or correct host and port in {_endpoint_or_proxy(case)}."
    )


def _no_answer(case: Case) -> str:
    return (
        "The receiver is stuck, slower than the timeout, or something else: look at its log, check "
        f"the port in {case.options.endpoint}, or raise timeout."
    )


def _disconnected(case: Case) -> str:
    fix = (
        "Look at the receiver's log for why it closes connections, and check host and port in "
        f"{case.options.endpoint}."
    )
    option = case.options.name("client_certificate_file")
    if case.place is not None and case.place.tls is not None and option is not None:
        fix += f" It may ask for a client certificate: {option}."
    return fix


def _proxy(case: Case) -> str:
    host = "the host" if case.place is None else case.host
    return (
        f"Correct the proxy in {_proxy_variables(case)}, or name {host} in no_proxy to send past "
        "it."
    )


def _tls_to_plaintext(case: Case) -> str:
    fix = f"Write http:// in {case.options.endpoint} if plaintext is meant"
    insecure = case.options.name("insecure")
    if case.grpc and insecure is not None:
        fix += f", or {insecure}: true for an endpoint without a scheme"
    return f"{fix}; else send to a port that speaks TLS."


def _plaintext_to_tls(case: Case) -> str:
    return (
        f"Write https:// in {case.options.endpoint}; if its authority is your own, name the "
        f"authority's file in {_authority_option(case)}."
    )


def _certificate_time(case: Case) -> str:
    certificate = case.certificate
    if certificate is None:
        return "Renew the receiver's certificate, or set the clock of this machine."
    now = datetime.now(timezone.utc)
    if certificate.begins > now:
        return (
            f"It is valid from {certificate.begins:{_TIME}} on, and here it is {now:{_TIME}} "
            "(UTC): set the clock of this machine, or issue another certificate."
        )
    return (
        f"It ended on {certificate.ends:{_TIME}} (UTC): renew the receiver's certificate, "
        "and have the receiver load it."
    )


def _certificate_authority(case: Case) -> str:
    certificate = case.certificate
    issuer = "" if certificate is None else f" (issuer: {certificate.issuer})"
    option = _authority_option(case)
    given = case.options.source("certificate_file")
    if given is not None:
        return (
            f"The file in {option} ({given}) is not the authority of the receiver's certificate"
            f"{issuer}: name the file of the one that is."
        )
    handshake = case.probes.handshake
    if case.grpc and handshake is not None and handshake.failure is None:
        return (
            "This machine trusts it, but gRPC brings authorities of its own: name the machine's "
            f"file, such as /etc/ssl/certs/ca-certificates.crt, in {option}."
        )
    return f"Name the file of the authority of the receiver's certificate{issuer} in {option}."


def _certificate_name(case: Case) -> str:
    certificate = case.certificate
    if certificate is None or not certificate.hosts:
        return (
            f"Write the host that the certificate is for in {case.options.endpoint}, or issue one "
            f"for {case.host}."
        )
    return (
        f"It is for {', '.join(certificate.hosts)}: write that host in {case.options.endpoint}, or "
        f"issue a certificate for {case.host}."
    )


def _client_certificate(case: Case) -> str:
    certificate = case.options.name("client_certificate_file")
    if certificate is None:
        return (
            f"The exporter {case.exporter.plugin.name} shows none: have the receiver not ask for "
            "one, or use the exporter otlp, which can."
        )
    key = case.options.name("client_key_file")
    return f"Name the files of certificate and key in {certificate} and {key}."


def _tls(case: Case) -> str:
    given = case.options.source("client_certificate_file")
    client = "asks for a client certificate"
    if given is not None:
        option = case.options.name("client_certificate_file")
        client = f"trusts the client certificate in {option} ({given})"
    return (
        f"Look at the receiver's log, its TLS versions and whether it {client}; check the port in "
        f"{case.options.endpoint}."
    )


def _http_to_grpc(case: Case) -> str:
    known = case.known
    if known is None:
        return f"Choose gRPC, or correct the port in {case.options.endpoint}."
    if known.grpc_port is None:
        return (
            f"{case.exporter.plugin.name} is not spoken over gRPC: correct the port in "
            f"{case.options.endpoint} to {known.advice('http')}."
        )
    return (
        f"Write {known.advice('grpc')}, or send to the receiver's HTTP port, usually "
        f"{known.http_port}, in {case.options.endpoint}."
    )


def _grpc_to_http(case: Case) -> str:
    known = case.known
    if known is None:
        return f"Choose HTTP, or correct the port in {case.options.endpoint}."
    return (
        f"Write {known.advice('http')}, or send to the receiver's gRPC port, usually "
        f"{known.grpc_port}, in {case.options.endpoint}."
    )


def _protocol(case: Case) -> str:
    return (
        "What answers there is no receiver of this exporter: check host, port and path in "
        f"{case.options.endpoint}."
    )


def _unauthenticated(case: Case) -> str:
    option = case.options.name("headers") or "its headers"
    sent = case.headers_sent
    if sent:
        given = _given(case, option)
        return f"Sent was {sent}: correct the value in {given}, or add what the receiver asks for."
    return (
        f"No credentials are sent: give what the receiver asks for in {option}, for example "
        "{Authorization: {env: OTLP_TOKEN}}."
    )


def _forbidden(case: Case) -> str:
    sent = case.headers_sent
    if not sent:
        return _unauthenticated(case)
    return (
        f"Sent was {sent}, which the receiver may know and not allow: let it take traces, or send "
        "other credentials."
    )


def _not_found(case: Case) -> str:
    place, name = case.place, case.exporter.plugin.name
    if place is None or place.transport != "http":
        return (
            f"The server has no receiver for the exporter {name}: turn it on there, or check host "
            f"and port in {case.options.endpoint}."
        )
    usual = f", usually {case.known.path}" if case.known is not None else ""
    if place.proxy is not None:
        return f"Correct the path in {case.options.endpoint}{usual}."
    found = find_path(name, place)
    if found is None and case.known is not None and place.path == case.known.path:
        return (
            f"{place.path} is the usual path, and no path of a well-known receiver is served on "
            f"{case.peer}: correct host and port in {case.options.endpoint}, or write the path "
            "that the receiver has there."
        )
    if found is None:
        return (
            f"Correct the path in {case.options.endpoint}{usual}; no path of a well-known receiver "
            f"is served on {case.peer}, so the port may be another's."
        )
    receiver, path = found
    if receiver.exporter != name:
        return (
            f"Spans of {receiver.exporter} are taken there, at {path}: write exporter_type: "
            f"{receiver.exporter}, or correct the port in {case.options.endpoint}."
        )
    scheme = "http" if place.tls is None else "https"
    url = f"{scheme}://{place.peer}{path}"
    return f"{path} is served there: write {url} in {case.options.endpoint}."


def _too_large(case: Case) -> str:
    return (
        "One span alone is too large for it: raise the limit of the receiver, or of the proxy "
        "before it."
    )


def _rate_limited(case: Case) -> str:
    return "Raise the receiver's limit, or send less: lower sample_rate."


def _server_error(case: Case) -> str:
    whose = "the receiver's log"
    if case.place is not None and case.place.proxy is not None:
        whose += f", and at that of the proxy {case.peer}"
    return f"Look at {whose}; the span was of trace {case.trial.trace_id}."


def _rejected(case: Case) -> str:
    return (
        f"Look at the receiver's log for why; check host, port and path in {case.options.endpoint}."
    )


def _exporter(case: Case) -> str:
    said = "; ".join(case.trial.log)
    if said:
        return f"It logged: {said}"
    return (
        f"Check the options of {case.exporter.plugin.name} against what its receiver expects; what "
        "else it says, it logs below WARNING."
    )


def _exporter_hangs(case: Case) -> str:
    return (
        f"The exporter does not keep its timeout of {case.exporter.timeout:g} s; tell whoever "
        "published it, and look whether its receiver answers."
    )


def _proxy_variables(case: Case) -> str:
    return "grpc_proxy, https_proxy or http_proxy" if case.grpc else "http_proxy or https_proxy"


def _endpoint_or_proxy(case: Case) -> str:
    proxied = case.place is not None and case.place.proxy is not None
    return _proxy_variables(case) if proxied else case.options.endpoint


def _authority_option(case: Case) -> str:
    return case.options.name("certificate_file") or "its option for an authority's file"


def _given(case: Case, option: str) -> str:
    source = case.options.source("headers")
    return option if source is None else f"{option} ({source})"


_FIXES: dict[Verdict, Callable[[Case], str]] = {
    Verdict.GOOD: _good,
    Verdict.SENT: _sent,
    Verdict.NAME: _name,
    Verdict.CLOSED_PORT: _closed_port,
    Verdict.UNREACHABLE: _unreachable,
    Verdict.NO_CONNECTION: _no_connection,
    Verdict.NO_ANSWER: _no_answer,
    Verdict.DISCONNECTED: _disconnected,
    Verdict.PROXY: _proxy,
    Verdict.TLS_TO_PLAINTEXT: _tls_to_plaintext,
    Verdict.PLAINTEXT_TO_TLS: _plaintext_to_tls,
    Verdict.CERTIFICATE_TIME: _certificate_time,
    Verdict.CERTIFICATE_AUTHORITY: _certificate_authority,
    Verdict.CERTIFICATE_NAME: _certificate_name,
    Verdict.CLIENT_CERTIFICATE: _client_certificate,
    Verdict.TLS: _tls,
    Verdict.HTTP_TO_GRPC: _http_to_grpc,
    Verdict.GRPC_TO_HTTP: _grpc_to_http,
    Verdict.PROTOCOL: _protocol,
    Verdict.UNAUTHENTICATED: _unauthenticated,
    Verdict.FORBIDDEN: _forbidden,
    Verdict.NOT_FOUND: _not_found,
    Verdict.TOO_LARGE: _too_large,
    Verdict.RATE_LIMITED: _rate_limited,
    Verdict.SERVER_ERROR: _server_error,
    Verdict.REJECTED: _rejected,
    Verdict.PARTIAL: _server_error,
    Verdict.EXPORTER: _exporter,
    Verdict.EXPORTER_HANGS: _exporter_hangs,
}
