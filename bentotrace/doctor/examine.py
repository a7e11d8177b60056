"""Examine: send one span to every destination, and tell what became of it and why."""

from __future__ import annotations

from attrs import evolve
from opentelemetry.sdk.resources import SERVICE_NAME, Resource

from bentotrace.config.load import Config, ExporterConfig
from bentotrace.config.options import TracingOptions
from bentotrace.config.report import Note
from bentotrace.doctor.case import Case
from bentotrace.doctor.examination import Diagnosis, Examination, State, Step
from bentotrace.doctor.fixes import fix_of
from bentotrace.doctor.language import detail_of_language
from bentotrace.doctor.options import Options
from bentotrace.doctor.place import Place, place_of
from bentotrace.doctor.probe import Probes, probe
from bentotrace.doctor.steps import steps_of
from bentotrace.doctor.trial import Trial, make_and_close, try_out
from bentotrace.doctor.verdict import StepName, Verdict, verdict_of
from bentotrace.exceptions import PluginError
from bentotrace.pipeline.announce import no_trace
from bentotrace.pipeline.resource import make_resource
from bentotrace.redaction import Redaction, without_credentials
from bentotrace.transport.outcome import FailureDetail, FailureKind, Outcome

__all__ = ["examine"]

_HOPELESS_SECONDS = 1.0
"""What an export has that a probe has found hopeless, to say the same."""

_LANGUAGES = {
    FailureDetail.NEEDS_TLS: "the server speaks TLS on that port",
    FailureDetail.NO_TLS: "the server speaks plaintext on that port",
    FailureDetail.NEEDS_GRPC: "the server speaks HTTP/2 on that port, as gRPC does",
    FailureDetail.NEEDS_HTTP: "the server speaks HTTP/1.1 on that port, and no gRPC",
    FailureDetail.CLIENT_CERTIFICATE: "the server asks for a client certificate",
}
_NOT_REACHED = {
    FailureKind.NAME_RESOLUTION,
    FailureKind.REFUSED,
    FailureKind.UNREACHABLE,
    FailureKind.DISCONNECTED,
}
_UNEXPLAINED = {FailureKind.DISCONNECTED, FailureKind.PROTOCOL, FailureKind.TIMEOUT}


def examine(config: Config) -> Examination:
    """Send one span to every destination of a configuration.

    Sampling and the queue have no part in it. A destination takes its timeout at the most, and a
    few seconds more where it takes probes to find out what is wrong.
    """
    resource = make_resource(config.options)
    notes = config.notes
    nothing = no_trace(config.options, config.source) if config.exporters else None
    if nothing is not None:
        notes += (Note(nothing),)
    meant = config.options.disabled or config.options.exporter_type
    redaction = config.redaction
    return Examination(
        config.source,
        tuple(
            _diagnose(exporter, config.options, resource, redaction)
            for exporter in config.exporters
        ),
        notes,
        Verdict.NOTHING if meant else Verdict.NO_EXPORTER,
    )


def _diagnose(
    exporter: ExporterConfig, options: TracingOptions, resource: Resource, redaction: Redaction
) -> Diagnosis:
    place = place_of(exporter.target)
    try:
        make_and_close(exporter, options, resource, redaction)
    except PluginError as error:
        step = Step(StepName.CONFIGURATION, State.FAILED, str(error))
        return _diagnosis(exporter, place, redaction, (step,), Verdict.CONFIGURATION, str(error))
    except TimeoutError:
        reason = "it is not made and closed, long after its timeout; tell whoever published it"
        step = Step(StepName.CONFIGURATION, State.FAILED, reason)
        return _diagnosis(exporter, place, redaction, (step,), Verdict.EXPORTER_HANGS, reason)
    probes = Probes() if place is None else probe(place, exporter.timeout, redaction)
    timeout = min(exporter.timeout, _HOPELESS_SECONDS) if probes.hopeless else exporter.timeout
    udp = place is not None and place.transport == "udp"
    trial = try_out(evolve(exporter, timeout=timeout), options, resource, redaction, twice=udp)
    outcome = _refined(_outcome_of(trial), probes, place)
    verdict = _verdict(trial, outcome, udp)
    service = str(resource.attributes.get(SERVICE_NAME, "without a name"))
    case = Case(exporter, service, Options(exporter, place), place, probes, trial)
    steps = steps_of(case, outcome, verdict, outcome.reason)
    return _diagnosis(
        exporter,
        place,
        redaction,
        steps,
        verdict,
        outcome.reason,
        fix=fix_of(verdict, case),
        trace_id=trial.trace_id,
    )


def _diagnosis(
    exporter: ExporterConfig,
    place: Place | None,
    redaction: Redaction,
    steps: tuple[Step, ...],
    verdict: Verdict,
    reason: str,
    fix: str = "",
    trace_id: str = "",
) -> Diagnosis:
    target = exporter.target
    found = Diagnosis(
        exporter=exporter.plugin.name,
        protocol=target.protocol if target is not None else "",
        endpoint=without_credentials(target.endpoint) if target is not None else "",
        endpoint_source=Options(exporter, place).endpoint_source,
        steps=steps,
        verdict=verdict,
        reason=reason,
        fix=fix,
        trace_id=trace_id,
    )
    return _redacted(found, redaction)


def _redacted(diagnosis: Diagnosis, redaction: Redaction) -> Diagnosis:
    """Leave every secret out of what is told."""
    redact = redaction.redact
    return evolve(
        diagnosis,
        endpoint=redact(diagnosis.endpoint),
        reason=redact(diagnosis.reason),
        fix=redact(diagnosis.fix),
        steps=tuple(evolve(step, told=redact(step.told)) for step in diagnosis.steps),
    )


def _outcome_of(trial: Trial) -> Outcome:
    """Give what the exporter reported, or as much of it as its result says."""
    if trial.outcome is not None and (not trial.outcome.ok or trial.taken):
        return trial.outcome
    reason = trial.reason if trial.returned else "it does not return, long after its timeout"
    return Outcome(ok=trial.taken, endpoint="", reason=reason, elapsed=trial.seconds)


def _verdict(trial: Trial, outcome: Outcome, udp: bool) -> Verdict:
    if not trial.returned:
        return Verdict.EXPORTER_HANGS
    verdict = verdict_of(outcome)
    return Verdict.SENT if udp and verdict.good else verdict


def _refined(outcome: Outcome, probes: Probes, place: Place | None) -> Outcome:
    """Tell apart what the exporter's outcome leaves open."""
    if outcome.ok or outcome.kind is None or place is None:
        return outcome
    masked = _is_masked(outcome, probes)
    seen = probes.failure
    if seen is not None and seen.kind is not None:
        same = outcome.kind is seen.kind and outcome.detail is None
        # An export that ran out of time may have been about to say this, but for a failure of
        # TLS, which takes no time; gRPC tells of one address only, and calls its proxy the server.
        late = outcome.kind is FailureKind.TIMEOUT and seen.kind is not FailureKind.TLS
        proxied = seen.kind is FailureKind.PROXY and outcome.kind in _NOT_REACHED
        if same or late or masked or proxied:
            outcome = evolve(outcome, kind=seen.kind, detail=seen.detail, reason=seen.reason)
            masked = False
    explained = outcome.detail not in {None, FailureDetail.HANDSHAKE} or not (
        masked or outcome.kind in _UNEXPLAINED
    )
    if explained or place.proxy is not None or place.transport == "udp":
        return outcome
    detail = detail_of_language(place)
    if detail is not None:
        told = "" if masked else f" ({outcome.reason})"
        return evolve(outcome, detail=detail, reason=_LANGUAGES[detail] + told)
    if masked and probes.connection is not None:
        reason = f"{probes.connection.address} takes the connection and closes it; {outcome.reason}"
        return evolve(outcome, kind=FailureKind.DISCONNECTED, reason=reason)
    return outcome


def _is_masked(outcome: Outcome, probes: Probes) -> bool:
    """Whether the failure is of another address than the one that takes connections.

    gRPC reports the last address that it tried, as ``::1`` of localhost.
    """
    return (
        outcome.kind is FailureKind.REFUSED
        and probes.connection is not None
        and probes.connection.address is not None
    )
