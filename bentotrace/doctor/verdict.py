"""What is wrong, by the outcome of a send: one verdict for each mistake that can be told apart."""

from __future__ import annotations

import enum

from bentotrace.transport.outcome import FailureDetail, FailureKind, Outcome

__all__ = ["StepName", "Verdict", "verdict_of"]


class StepName(enum.Enum):
    """What is tried, in its order."""

    CONFIGURATION = "configuration"
    RESOLUTION = "name resolution"
    CONNECTION = "connection"
    TLS = "TLS"
    PROTOCOL = "protocol"
    AUTHENTICATION = "authentication"
    PATH = "path"
    ANSWER = "answer"
    EXPORT = "export"


class Verdict(enum.Enum):
    """What an examination comes to.

    Attributes:
        exit_code: of the command; the tens tell how far the span came.
        title: a few words for a person.
        step: where it failed.
    """

    GOOD = ("good", 0, "the span was taken", StepName.ANSWER)
    SENT = ("sent", 0, "the span was sent, and UDP tells no more", StepName.ANSWER)
    NOTHING = ("nothing", 0, "nothing is sent, as it is configured", StepName.CONFIGURATION)

    CONFIGURATION = ("configuration", 1, "the configuration is wrong", StepName.CONFIGURATION)
    NO_EXPORTER = ("no_exporter", 3, "no exporter is selected", StepName.CONFIGURATION)

    NAME = ("name_not_resolved", 10, "the host name does not resolve", StepName.RESOLUTION)
    CLOSED_PORT = ("closed_port", 11, "the port is closed", StepName.CONNECTION)
    UNREACHABLE = ("unreachable", 12, "there is no way to the host", StepName.CONNECTION)
    NO_CONNECTION = ("no_connection", 13, "nobody takes the connection", StepName.CONNECTION)
    NO_ANSWER = ("no_answer", 14, "the connection is taken, and nothing said", StepName.ANSWER)
    DISCONNECTED = ("disconnected", 15, "the connection is closed unanswered", StepName.ANSWER)
    PROXY = ("proxy", 16, "the proxy does not let through", StepName.CONNECTION)

    TLS_TO_PLAINTEXT = ("tls_to_plaintext", 20, "TLS to a plaintext port", StepName.TLS)
    PLAINTEXT_TO_TLS = ("plaintext_to_tls", 21, "plaintext to a TLS port", StepName.TLS)
    CERTIFICATE_TIME = ("certificate_expired", 22, "the certificate is out of date", StepName.TLS)
    CERTIFICATE_AUTHORITY = (
        "unknown_authority",
        23,
        "the certificate is from an authority that is not trusted",
        StepName.TLS,
    )
    CERTIFICATE_NAME = ("wrong_name", 24, "the certificate is for another host", StepName.TLS)
    CLIENT_CERTIFICATE = (
        "client_certificate",
        25,
        "the server asks for a client certificate",
        StepName.TLS,
    )
    TLS = ("tls", 26, "TLS fails", StepName.TLS)

    HTTP_TO_GRPC = ("http_to_grpc", 30, "HTTP to a gRPC port", StepName.PROTOCOL)
    GRPC_TO_HTTP = ("grpc_to_http", 31, "gRPC to an HTTP port", StepName.PROTOCOL)
    PROTOCOL = ("protocol", 32, "something else listens on that port", StepName.PROTOCOL)

    UNAUTHENTICATED = (
        "unauthenticated",
        40,
        "the credentials are missing, or not accepted (401)",
        StepName.AUTHENTICATION,
    )
    FORBIDDEN = ("forbidden", 41, "the credentials do not suffice (403)", StepName.AUTHENTICATION)
    NOT_FOUND = ("not_found", 42, "the path is not served (404, 405)", StepName.PATH)
    TOO_LARGE = ("too_large", 43, "the request is too large (413)", StepName.ANSWER)
    RATE_LIMITED = ("rate_limited", 44, "the receiver wants less (429)", StepName.ANSWER)
    SERVER_ERROR = ("server_error", 45, "the receiver has an error (5xx)", StepName.ANSWER)
    REJECTED = ("rejected", 46, "the receiver refuses the request", StepName.ANSWER)
    PARTIAL = ("partial", 47, "the receiver refuses the span", StepName.ANSWER)

    EXPORTER = ("exporter_failed", 50, "the exporter fails", StepName.EXPORT)
    EXPORTER_HANGS = ("exporter_hangs", 51, "the exporter does not return", StepName.EXPORT)

    def __init__(self, word: str, exit_code: int, title: str, step: StepName) -> None:
        self.word = word
        self.exit_code = exit_code
        self.title = title
        self.step = step

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
    FailureKind.TIMEOUT: Verdict.NO_ANSWER,
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
    **dict.fromkeys(
        (
            "CANCELLED",
            "UNKNOWN",
            "DEADLINE_EXCEEDED",
            "ABORTED",
            "INTERNAL",
            "UNAVAILABLE",
            "DATA_LOSS",
        ),
        Verdict.SERVER_ERROR,
    ),
}


def verdict_of(outcome: Outcome) -> Verdict:
    """Tell what the outcome of a send means."""
    if outcome.ok:
        return Verdict.GOOD
    if outcome.detail in _OF_DETAILS and outcome.kind is not FailureKind.PROXY:
        return _OF_DETAILS[outcome.detail]
    if outcome.kind in {FailureKind.STATUS, FailureKind.UNAUTHORIZED} and outcome.status:
        if outcome.status.startswith("5"):
            return Verdict.SERVER_ERROR
        if outcome.status in _OF_STATUSES:
            return _OF_STATUSES[outcome.status]
    return (
        Verdict.EXPORTER if outcome.kind is None else _OF_KINDS.get(outcome.kind, Verdict.EXPORTER)
    )
