"""What was tried, step by step, told from what was seen and from what became of the span."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from bentotrace.doctor.case import Case
from bentotrace.doctor.examination import State, Step
from bentotrace.doctor.probe import Probes
from bentotrace.doctor.verdict import StepName, Verdict
from bentotrace.transport.outcome import FailureDetail, Outcome

__all__ = ["steps_of"]

_OF_REQUESTS = (
    StepName.CONFIGURATION,
    StepName.RESOLUTION,
    StepName.CONNECTION,
    StepName.TLS,
    StepName.PROTOCOL,
    StepName.AUTHENTICATION,
    StepName.PATH,
    StepName.ANSWER,
)
_OF_DATAGRAMS = (
    StepName.CONFIGURATION,
    StepName.RESOLUTION,
    StepName.CONNECTION,
    StepName.ANSWER,
)
_OF_EXPORTERS = (StepName.CONFIGURATION, StepName.EXPORT)
_UNKNOWN_WITHOUT_ANSWER = {StepName.PROTOCOL, StepName.AUTHENTICATION, StepName.PATH}
_UNANSWERED = {Verdict.NO_ANSWER, Verdict.DISCONNECTED, Verdict.EXPORTER, Verdict.EXPORTER_HANGS}


def steps_of(case: Case, outcome: Outcome, verdict: Verdict, reason: str) -> tuple[Step, ...]:
    """Tell the steps; the exporter's outcome counts where a probe saw something else."""
    names = _names(case)
    teller = _Teller(case, outcome)
    if verdict.good:
        return tuple(teller.good(name) for name in names)
    failed = names.index(_failed(verdict, case.probes, outcome, names))
    steps = []
    for position, name in enumerate(names):
        if position < failed:
            unknown = verdict in _UNANSWERED and name in _UNKNOWN_WITHOUT_ANSWER
            told = "not known without an answer"
            steps.append(Step(name, State.UNKNOWN, told) if unknown else teller.good(name))
        elif position == failed:
            steps.append(Step(name, State.FAILED, reason, teller.seconds(name)))
        else:
            steps.append(Step(name, State.NOT_REACHED, "not reached"))
    return tuple(steps)


def _names(case: Case) -> Sequence[StepName]:
    if case.place is None:
        return _OF_EXPORTERS
    return _OF_DATAGRAMS if case.place.transport == "udp" else _OF_REQUESTS


def _failed(
    verdict: Verdict, probes: Probes, outcome: Outcome, names: Sequence[StepName]
) -> StepName:
    step = verdict.step
    if verdict is Verdict.NO_ANSWER and outcome.detail is FailureDetail.HANDSHAKE:
        step = StepName.TLS
    # Where the exporter tells of what a probe saw as well, the probe knows the step.
    for seen, probed in (
        (StepName.RESOLUTION, probes.resolution),
        (StepName.TLS, probes.handshake),
    ):
        failure = probed.failure if probed is not None else None
        if failure is not None and failure.reason == outcome.reason:
            step = seen
    return step if step in names else names[-1]


@frozen
class _Teller:
    """Tells of steps that went well."""

    case: Case
    outcome: Outcome

    def good(self, name: StepName) -> Step:
        return Step(name, State.GOOD, self._told(name), self.seconds(name))

    def seconds(self, name: StepName) -> float | None:
        probes = self.case.probes
        step = {
            StepName.RESOLUTION: probes.resolution,
            StepName.CONNECTION: probes.connection,
            StepName.TLS: probes.handshake,
        }.get(name)
        if step is not None:
            return step.seconds
        if name is StepName.EXPORT:
            return self.case.trial.seconds
        udp = self.case.place is not None and self.case.place.transport == "udp"
        return self.outcome.elapsed if name is StepName.ANSWER and not udp else None

    def _told(self, name: StepName) -> str:
        if name is StepName.CONFIGURATION:
            return self._configuration()
        if name is StepName.RESOLUTION:
            return self._resolution()
        if name is StepName.CONNECTION:
            return self._connection()
        if name is StepName.TLS:
            return self._tls()
        if name is StepName.PROTOCOL:
            return "gRPC is spoken" if self.case.grpc else "HTTP is spoken"
        if name is StepName.AUTHENTICATION:
            sent = self.case.headers_sent
            if not sent:
                return "no credentials are sent, and none asked for"
            return f"accepted: {sent}" if self.outcome.ok else f"not refused: {sent}"
        if name is StepName.PATH:
            return self._path()
        return self._answer()

    def _configuration(self) -> str:
        return f"good; service {self.case.service}; timeout {self.case.exporter.timeout:g} s"

    def _resolution(self) -> str:
        place, resolution = self.case.place, self.case.probes.resolution
        if place is None or resolution is None:
            return "left to the exporter"
        host = place.address[0]
        through = f"the proxy {host}" if place.proxy is not None else host
        if resolution.failure is not None:
            return f"the exporter finds it, although a look-up failed: {resolution.failure.reason}"
        addresses = list(dict.fromkeys(str(found[3][0]) for found in resolution.addresses))
        if addresses == [host]:
            return f"none needed: {through} is an address"
        return f"{through} is {' and '.join(addresses)}"

    def _connection(self) -> str:
        place, connection = self.case.place, self.case.probes.connection
        if place is not None and place.transport == "udp":
            return "none: UDP has no connections"
        if connection is None:
            return "left to the exporter"
        if connection.address is None:
            reason = connection.failure.reason if connection.failure is not None else ""
            return f"the exporter connects, although an attempt failed: {reason}"
        through = (
            f"the proxy at {connection.address}" if place and place.proxy else connection.address
        )
        return "; ".join((f"{through} takes it", *connection.refusals))

    def _tls(self) -> str:
        place, handshake = self.case.place, self.case.probes.handshake
        if place is None or place.tls is None:
            return "none: plaintext"
        if handshake is None:
            return "spoken through the proxy"
        if handshake.failure is not None:
            return f"the exporter agrees, although an attempt failed: {handshake.failure.reason}"
        told = str(handshake.version)
        certificate = handshake.certificate
        if certificate is not None:
            told += (
                f"; certificate for {', '.join(certificate.hosts)} from {certificate.issuer}, "
                f"valid until {certificate.ends:%Y-%m-%d}"
            )
        return told

    def _path(self) -> str:
        place = self.case.place
        path = "the method" if place is None or place.transport != "http" else place.path
        return f"{path} is served" if self.outcome.ok else f"{path}: not refused"

    def _answer(self) -> str:
        place = self.case.place
        if place is not None and place.transport == "udp":
            return "UDP has none: two datagrams were sent, and no ICMP message came back"
        return self.outcome.reason or "the exporter says that it delivered the span"
