"""What a person can do when an export fails, by the kind of the failure."""

from __future__ import annotations

from bentotrace.transport.outcome import FailureKind

__all__ = ["advice_on"]

_ADVICE = {
    FailureKind.NAME_RESOLUTION: "correct the host in the endpoint, or look at the name server",
    FailureKind.REFUSED: "start the receiver, or correct host and port of the endpoint",
    FailureKind.UNREACHABLE: "look at the routes and firewalls between here and the receiver",
    FailureKind.DISCONNECTED: "look at the receiver's log, and check port and TLS of the endpoint",
    FailureKind.TIMEOUT: (
        "look whether the receiver keeps up and a firewall lets packets through, or raise timeout"
    ),
    FailureKind.CLOSED: "raise processor.shutdown_timeout if this was at the process's end",
    FailureKind.UNEXPECTED: "turn on the logger bentotrace.transport at level DEBUG for more",
    FailureKind.TLS: "check the endpoint's scheme and the certificate files",
    FailureKind.PROXY: "correct the proxy variables, or name the receiver in NO_PROXY",
    FailureKind.PROTOCOL: "check port, protocol and scheme of the endpoint",
    FailureKind.UNAUTHORIZED: "set the headers with the credentials that the receiver asks for",
    FailureKind.NOT_SERVED: "check port, path and protocol of the endpoint",
    FailureKind.TOO_LARGE: "lower max_tag_value_length, or raise the receiver's limit",
    FailureKind.STATUS: "look at the receiver's log",
    FailureKind.PARTIAL: "look at the receiver's log",
}
_OF_ANOTHER_KIND = "look at the exporter's own log"


def advice_on(kind: str) -> str:
    """Say what can be done about the last error of a destination.

    Args:
        kind: as in :class:`~bentotrace.pipeline.status.ErrorStatus`; an exporter that does not
            report outcomes has kinds of its own.
    """
    known = {each.value: advice for each, advice in _ADVICE.items()}
    return known.get(kind, _OF_ANOTHER_KIND)
