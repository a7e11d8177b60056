"""The verdicts, one for each mistake that can be distinguished, and the outcomes of each."""

from __future__ import annotations

import enum

from bentotrace.transport.outcome import FailureDetail, FailureKind, Outcome

__all__ = ["StepName", "Verdict", "failure_kind_of", "verdict_of"]


class StepName(enum.Enum):
    """The steps, in their order."""

    CONFIGURATION = "configuration"
    RESOLUTION = "name resolution"
    CONNECTION = "connection"
    TLS = "TLS"
    PROTOCOL = "protocol"
    AUTHENTICATION = "authentication"
    PATH = "path"
    RESPONSE = "response"
    EXPORT = "export"


class Verdict(enum.Enum):
    """The result of an examination.

    Attributes:
        word: the name, for programs.
        exit_code: the command's; the tens are the stage that the span reached.
        title: a short text for people.
        step: the step that failed.
    """

    GOOD = ("good", 0, "the span was accepted", StepName.RESPONSE)
    SENT = ("sent", 0, "the span was sent; UDP cannot confirm delivery", StepName.RESPONSE)
    NOTHING = ("nothing", 0, "nothing is sent, as configured", StepName.CONFIGURATION)

    CONFIGURATION = ("configuration", 1, "the configuration is invalid", StepName.CONFIGURATION)
    NO_EXPORTER = ("no_exporter", 3, "no exporter is selected", StepName.CONFIGURATION)

    NAME = ("name_not_resolved", 10, "the host name does not resolve", StepName.RESOLUTION)
    CLOSED_PORT = ("closed_port", 11, "the port is closed", StepName.CONNECTION)
    UNREACHABLE = ("unreachable", 12, "the host is unreachable", StepName.CONNECTION)
    NO_CONNECTION = ("no_connection", 13, "the connection timed out", StepName.CONNECTION)
    NO_RESPONSE = ("no_response", 14, "connected, but no response came", StepName.RESPONSE)
    DISCONNECTED = ("disconnected", 15, "the server closed the connection", StepName.RESPONSE)
    PROXY = ("proxy", 16, "the connection through the proxy failed", StepName.CONNECTION)

    TLS_TO_PLAINTEXT = ("tls_to_plaintext", 20, "TLS to a plaintext port", StepName.TLS)
    PLAINTEXT_TO_TLS = ("plaintext_to_tls", 21, "plaintext to a TLS port", StepName.TLS)
    CERTIFICATE_TIME = ("certificate_expired", 22, "the certificate is not valid now", StepName.TLS)
    CERTIFICATE_AUTHORITY = ("unknown_authority", 23, "the authority is not trusted", StepName.TLS)
    CERTIFICATE_NAME = ("wrong_name", 24, "the certificate is for another host", StepName.TLS)
    CLIENT_CERTIFICATE = (
        "client_certificate",
        25,
        "a client certificate is missing",
        StepName.TLS,
    )
    TLS = ("tls", 26, "the TLS handshake failed", StepName.TLS)

    HTTP_TO_GRPC = ("http_to_grpc", 30, "HTTP to a gRPC port", StepName.PROTOCOL)
    GRPC_TO_HTTP = ("grpc_to_http", 31, "gRPC to an HTTP port", StepName.PROTOCOL)
    PROTOCOL = ("protocol", 32, "the port speaks another protocol", StepName.PROTOCOL)

    UNAUTHENTICATED = (
        "unauthenticated",
        40,
        "the credentials are missing or invalid",
        StepName.AUTHENTICATION,
    )
    FORBIDDEN = ("forbidden", 41, "the credentials lack permission", StepName.AUTHENTICATION)
    NOT_FOUND = ("not_found", 42, "the path is not served", StepName.PATH)
    TOO_LARGE = ("too_large", 43, "the request is too large", StepName.RESPONSE)
    RATE_LIMITED = ("rate_limited", 44, "the receiver limits the rate", StepName.RESPONSE)
    SERVER_ERROR = ("server_error", 45, "the receiver has an error", StepName.RESPONSE)
    REJECTED = ("rejected", 46, "the receiver rejected the request", StepName.RESPONSE)
    PARTIAL = ("partial", 47, "the receiver rejected the span", StepName.RESPONSE)

    EXPORTER = ("exporter_failed", 50, "the exporter failed", StepName.EXPORT)
    EXPORTER_HANGS = ("exporter_hangs", 51, "the exporter did not return", StepName.EXPORT)
    WITHHELD = ("withheld", 52, "an extension withheld the span", StepName.EXPORT)
    CHECK = ("check_failed", 53, "a check of the exporter's own failed", StepName.EXPORT)

    def __init__(self, word: str, exit_code: int, title: str, step: StepName) -> None:
        self.word = word
        self.exit_code = exit_code
        self.title = title
        self.step = step

    @property
    def reached(self) -> bool:
        """Whether the span reached the receiver, or its exporter can say more than the probes."""
        return self.good or self.exit_code >= 40

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return self.exit_code == 0


_OF_DETAILS = {
    FailureDetail.RESOLVING: Verdict.NAME,
    FailureDetail.CONNECTING: Verdict.NO_CONNECTION,
    FailureDetail.NO_TLS: Verdict.TLS_TO_PLAINTEXT,
    FailureDetail.NEEDS_TLS: Verdict.PLAINTEXT_TO_TLS,
    FailureDetail.CERTIFICATE_TIME: Verdict.CERTIFICATE_TIME,
    FailureDetail.CERTIFICATE_AUTHORITY: Verdict.CERTIFICATE_AUTHORITY,
    FailureDetail.CERTIFICATE_NAME: Verdict.CERTIFICATE_NAME,
    FailureDetail.CLIENT_CERTIFICATE: Verdict.CLIENT_CERTIFICATE,
    FailureDetail.NEEDS_GRPC: Verdict.HTTP_TO_GRPC,
    FailureDetail.NEEDS_HTTP: Verdict.GRPC_TO_HTTP,
}
_OF_KINDS = {
    FailureKind.NAME_RESOLUTION: Verdict.NAME,
    FailureKind.REFUSED: Verdict.CLOSED_PORT,
    FailureKind.UNREACHABLE: Verdict.UNREACHABLE,
    FailureKind.DISCONNECTED: Verdict.DISCONNECTED,
    FailureKind.TIMEOUT: Verdict.NO_RESPONSE,
    FailureKind.TLS: Verdict.TLS,
    FailureKind.PROXY: Verdict.PROXY,
    FailureKind.PROTOCOL: Verdict.PROTOCOL,
    FailureKind.UNAUTHORIZED: Verdict.UNAUTHENTICATED,
    FailureKind.NOT_SERVED: Verdict.NOT_FOUND,
    FailureKind.TOO_LARGE: Verdict.TOO_LARGE,
    FailureKind.STATUS: Verdict.REJECTED,
    FailureKind.PARTIAL: Verdict.PARTIAL,
}
_OF_STATUSES = {
    "403": Verdict.FORBIDDEN,
    "PERMISSION_DENIED": Verdict.FORBIDDEN,
    "429": Verdict.RATE_LIMITED,
    "RESOURCE_EXHAUSTED": Verdict.RATE_LIMITED,
    "DATA_LOSS": Verdict.SERVER_ERROR,
    **dict.fromkeys(
        ("CANCELLED", "UNKNOWN", "DEADLINE_EXCEEDED", "ABORTED", "INTERNAL", "UNAVAILABLE"),
        Verdict.SERVER_ERROR,
    ),
}


def verdict_of(outcome: Outcome) -> Verdict:
    """Return the verdict on the outcome of a send."""
    if outcome.ok:
        return Verdict.GOOD
    if outcome.detail in _OF_DETAILS and outcome.kind is not FailureKind.PROXY:
        return _OF_DETAILS[outcome.detail]
    if outcome.kind in {FailureKind.STATUS, FailureKind.UNAUTHORIZED} and outcome.status:
        if outcome.status.startswith("5"):
            return Verdict.SERVER_ERROR
        if outcome.status in _OF_STATUSES:
            return _OF_STATUSES[outcome.status]
    if outcome.kind is None:
        return Verdict.EXPORTER
    return _OF_KINDS.get(outcome.kind, Verdict.EXPORTER)


def failure_kind_of(verdict: Verdict) -> FailureKind | None:
    """Return the kind of failure that a verdict is on; None when it is on a part of a kind."""
    return next((kind for kind, found in _OF_KINDS.items() if found is verdict), None)
