"""The report of an examination: every step of every destination, as plain values."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

import attrs
from attrs import field

from bentotrace.config.diagnostics import Note
from bentotrace.doctor.evidence import Evidence
from bentotrace.doctor.probe import Probe
from bentotrace.doctor.verdict import StepName, Verdict
from bentotrace.problems import Problem
from bentotrace.transport.outcome import FailureDetail
from bentotrace.values import frozen

__all__ = ["Diagnosis", "Examination", "State", "Step", "steps_of"]


class State(enum.Enum):
    """The result of a step."""

    GOOD = "good"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """Neither success nor failure was observed."""
    NOT_REACHED = "not_reached"


@frozen
class Step:
    """A step of the examination.

    Attributes:
        name: its name; text for a step of the exporter's plugin.
        state: the result.
        message: the observation, in one line.
        seconds: duration; None when it is not measured.
    """

    name: StepName | str
    state: State
    message: str
    seconds: float | None = None

    @property
    def label(self) -> str:
        """The name as text."""
        return self.name if isinstance(self.name, str) else self.name.value


@frozen
class Diagnosis:
    """The result for one destination.

    Attributes:
        exporter: the exporter type.
        protocol: the protocol; "" when there is only one.
        endpoint: the endpoint of the span, without credentials.
        endpoint_source: where the endpoint is configured; "" when unknown.
        steps: the steps, in order.
        verdict: the result.
        reason: why, in one line.
        fix: what to do about it.
        trace_id: the span's trace, as a backend shows it.
    """

    exporter: str
    protocol: str
    endpoint: str
    endpoint_source: str
    steps: tuple[Step, ...]
    verdict: Verdict
    reason: str
    fix: str
    trace_id: str


@frozen
class Examination:
    """The result for a configuration.

    Attributes:
        source: where the configuration was read from.
        diagnoses: one for each destination, in the order of the configuration.
        notes: notes and warnings that do not affect the test export.
        nothing: the verdict when there is no destination.
        problems: of the configuration; with any, nothing was sent.
    """

    source: str
    diagnoses: tuple[Diagnosis, ...]
    notes: tuple[Note, ...] = ()
    nothing: Verdict = field(default=Verdict.NOTHING)
    problems: tuple[Problem, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The first verdict that is not good, else the first."""
        verdicts = [diagnosis.verdict for diagnosis in self.diagnoses] or [self.nothing]
        return next((verdict for verdict in verdicts if not verdict.good), verdicts[0])

    def as_dict(self) -> dict[str, Any]:
        """Return the same as plain values, for JSON."""
        return {
            "good": self.verdict.good,
            "verdict": self.verdict.word,
            "exit_code": self.verdict.exit_code,
            "source": self.source,
            "problems": [problem.as_dict() for problem in self.problems],
            "notes": [attrs.asdict(note) for note in self.notes],
            "destinations": [_as_dict(diagnosis) for diagnosis in self.diagnoses],
        }


def _as_dict(diagnosis: Diagnosis) -> dict[str, Any]:
    found = attrs.asdict(diagnosis, recurse=False)
    verdict, steps = found.pop("verdict"), found.pop("steps")
    return {
        **found,
        "verdict": verdict.word,
        "exit_code": verdict.exit_code,
        "steps": [attrs.asdict(step, value_serializer=_plain) for step in steps],
    }


def _plain(_step: Any, _field: Any, value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    return round(value, 4) if isinstance(value, float) else value


_DATAGRAM_STEPS = (
    StepName.CONFIGURATION,
    StepName.RESOLUTION,
    StepName.CONNECTION,
    StepName.RESPONSE,
)
_REQUEST_STEPS = tuple(name for name in StepName if name is not StepName.EXPORT)
_NEED_A_RESPONSE = {StepName.PROTOCOL, StepName.AUTHENTICATION, StepName.PATH}
_WITHOUT_RESPONSE = {
    Verdict.NO_RESPONSE,
    Verdict.DISCONNECTED,
    Verdict.EXPORTER,
    Verdict.EXPORTER_HANGS,
    Verdict.WITHHELD,
}


def steps_of(evidence: Evidence, verdict: Verdict) -> tuple[Step, ...]:
    """Return the steps; where a probe saw something else, the exporter's outcome has precedence."""
    names: Sequence[StepName] = _REQUEST_STEPS
    if evidence.target is None:
        names = (StepName.CONFIGURATION, StepName.EXPORT)
    elif evidence.transport == "udp":
        names = _DATAGRAM_STEPS
    failed = len(names) if verdict.good else names.index(_failed_step(evidence, verdict, names))
    steps = []
    for position, name in enumerate(names):
        if position > failed:
            step = Step(name, State.NOT_REACHED, "not reached")
        elif position == failed:
            step = Step(name, State.FAILED, evidence.outcome.reason, _seconds(evidence, name))
        elif verdict in _WITHOUT_RESPONSE and name in _NEED_A_RESPONSE:
            step = Step(name, State.UNKNOWN, "unknown without a response")
        else:
            seen = _observation(evidence, name)
            step = Step(name, State.GOOD, seen, _seconds(evidence, name))
        steps.append(step)
    for own in evidence.checks.steps:
        state = State.GOOD if own.check.ok else State.FAILED
        steps.append(Step(own.check.name, state, own.check.message, own.seconds))
    return tuple(steps)


def _failed_step(evidence: Evidence, verdict: Verdict, names: Sequence[StepName]) -> StepName:
    outcome, probes = evidence.outcome, evidence.probes
    step = verdict.step
    if verdict is Verdict.NO_RESPONSE and outcome.detail is FailureDetail.HANDSHAKE:
        step = StepName.TLS
    # The same failure as a probe's belongs to the probe's step.
    steps = {StepName.RESOLUTION: probes.resolution, StepName.TLS: probes.handshake}
    for name, probed in steps.items():
        failure = probed.failure if probed is not None else None
        if failure is not None and failure.reason == outcome.reason:
            step = name
    return step if step in names else names[-1]


def _seconds(evidence: Evidence, name: StepName) -> float | None:
    probes = evidence.probes
    probed = {
        StepName.RESOLUTION: probes.resolution,
        StepName.CONNECTION: probes.connection,
        StepName.TLS: probes.handshake,
    }.get(name)
    if probed is not None:
        return probed.seconds
    if name is StepName.EXPORT:
        return evidence.export.seconds
    timed = name is StepName.RESPONSE and evidence.transport != "udp"
    return evidence.outcome.elapsed if timed else None


def _observation(evidence: Evidence, name: StepName) -> str:
    """Return what was observed of a step that succeeded."""
    target, probes, outcome = evidence.target, evidence.probes, evidence.outcome
    udp = evidence.transport == "udp"
    match name:
        case StepName.CONFIGURATION:
            return f"good; service {evidence.service}; timeout {evidence.exporter.timeout:g} s"
        case StepName.RESOLUTION:
            return _probed(probes.resolution, "left to the exporter")
        case StepName.CONNECTION:
            unseen = "none: UDP has no connections" if udp else "left to the exporter"
            return _probed(probes.connection, unseen)
        case StepName.TLS:
            plaintext = target is None or target.tls is None
            return _probed(
                probes.handshake, "none: plaintext" if plaintext else "through the proxy"
            )
        case StepName.PROTOCOL:
            return f"the server speaks {'gRPC' if evidence.transport == 'grpc' else 'HTTP'}"
        case StepName.AUTHENTICATION:
            if not evidence.sent:
                return "no credentials were sent, and none required"
            return f"{'accepted' if outcome.ok else 'not rejected'}: {evidence.sent}"
        case StepName.PATH:
            path = (
                target.path if target is not None and evidence.transport == "http" else "the method"
            )
            return f"{path} is served" if outcome.ok else f"{path}: not rejected"
    if udp:
        return "none over UDP: two datagrams were sent, and no ICMP error came back"
    return outcome.reason or "the exporter reported success"


def _probed(probe: Probe | None, unseen: str) -> str:
    if probe is None:
        return unseen
    if probe.failure is not None:
        return f"the exporter succeeded, although a probe failed: {probe.failure.reason}"
    return probe.seen
