"""What to do about a failed export: the plugin's advice, else the general one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from bentotrace.config.load import ExporterConfig
from bentotrace.discovery.calls import describe, pass_interrupt, running
from bentotrace.interruptions import log_safely
from bentotrace.redaction import Redaction
from bentotrace.transport.outcome import FailureKind, Outcome

__all__ = ["Advise", "advice_on", "advise", "general_advice", "own_advice"]

Advise = Callable[[str, Outcome | None], str]
"""Returns what to do about a kind of failure, by what the exporter reported."""

_logger = logging.getLogger("bentotrace.delivery")

_LONGEST = 600
_ADVICE: Mapping[str, str] = {
    FailureKind.NAME_RESOLUTION.value: (
        "correct the host in {endpoint}, or make the name known where this runs: in the DNS, in "
        "/etc/hosts, in the network of the containers"
    ),
    FailureKind.REFUSED.value: "start {receiver}, or correct host and port in {endpoint}",
    FailureKind.UNREACHABLE.value: (
        "check routes and firewalls between here and {receiver}, or correct the host in {endpoint}"
    ),
    FailureKind.DISCONNECTED.value: (
        "check the receiver's log for why it closes connections, and host, port and scheme in "
        "{endpoint}"
    ),
    FailureKind.TIMEOUT.value: (
        "check whether the receiver keeps up and no firewall drops packets, check the port in "
        "{endpoint}, or raise timeout"
    ),
    FailureKind.CLOSED.value: "raise processor.shutdown_timeout if the process was exiting",
    FailureKind.UNEXPECTED.value: "set the logger bentotrace to DEBUG for more",
    FailureKind.TLS.value: (
        "check the certificate files, the scheme and port in {endpoint}, the receiver's TLS "
        "versions, and whether it {client}"
    ),
    FailureKind.PROXY.value: "correct the proxy in {proxy}, or name {host} in no_proxy",
    FailureKind.PROTOCOL.value: (
        "check host, port, scheme and path in {endpoint}, and the protocol: the server is not a "
        "receiver for this exporter"
    ),
    FailureKind.UNAUTHORIZED.value: (
        "correct or add the credentials that the receiver requires in {headers}"
    ),
    FailureKind.NOT_SERVED.value: (
        "check host, port and path in {endpoint}, and the protocol, or enable the receiver for "
        "{exporter} there"
    ),
    FailureKind.TOO_LARGE.value: (
        "raise the size limit of the receiver, or of a proxy before it, or lower "
        "max_tag_value_length"
    ),
    FailureKind.STATUS.value: (
        "check the receiver's log for the reason, and host, port and path in {endpoint}"
    ),
    FailureKind.PARTIAL.value: "check the receiver's log for the reason",
}
_GENERAL_WORDS: Mapping[str, str] = {
    "endpoint": "the endpoint",
    "receiver": "the receiver",
    "host": "its host",
    "proxy": "the proxy variables",
    "headers": "the option headers",
    "client": "requires a client certificate",
    "exporter": "this exporter",
}


def advice_on(kind: str, **words: str) -> str:
    """Return what to do about a kind of failure, as a clause that begins in lower case.

    The caller's ``words`` replace the general ones, such as "the endpoint".
    """
    advice = _ADVICE.get(kind, "check the exporter's own log")
    return advice.format_map({**_GENERAL_WORDS, **words})


def general_advice(kind: str, _outcome: Outcome | None) -> str:
    """Return the advice on a kind of failure."""
    return advice_on(kind)


def advise(
    exporter: ExporterConfig, redaction: Redaction, kind: str, outcome: Outcome | None
) -> str:
    """Return the advice of an exporter's plugin, else the one on a kind of failure."""
    own = "" if outcome is None else own_advice(exporter, redaction, outcome)
    name, credentials = exporter.plugin.name, exporter.plugin.credentials
    words = {"headers": " or ".join(f"{name}.{each}" for each in credentials)}
    return own or advice_on(kind, **words if credentials else {})


def own_advice(exporter: ExporterConfig, redaction: Redaction, outcome: Outcome) -> str:
    """Return what an exporter's plugin advises; "" without advice of its own."""
    plugin = exporter.plugin
    if plugin.advise is None:
        return ""
    what = f"advise() of exporter {plugin.name!r}"
    try:
        with running(what):
            text: object = plugin.advise(exporter.options, outcome)
    except BaseException as error:
        pass_interrupt(error)
        log_safely(_logger, logging.DEBUG, "%s raised %s", what, describe(error, redaction))
        return ""
    return redaction.line(text, _LONGEST) if isinstance(text, str) else ""
