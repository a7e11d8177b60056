"""Examine a configuration: send one span to every destination, and explain the result."""

from __future__ import annotations

import logging
from functools import partial

from attrs import evolve
from opentelemetry.sdk.resources import SERVICE_NAME, Resource

from bentotrace.config.diagnostics import Note
from bentotrace.config.effect import warn_unsampled
from bentotrace.config.load import Config, ExporterConfig
from bentotrace.config.options import TracingOptions
from bentotrace.delivery.advice import own_advice
from bentotrace.delivery.exporter import make_context, make_guarded
from bentotrace.delivery.guard import Guard
from bentotrace.delivery.reports import Reports
from bentotrace.doctor.checks import run_checks
from bentotrace.doctor.evidence import Evidence
from bentotrace.doctor.export import Export, check_exporter, export_span
from bentotrace.doctor.fixes import fix_of
from bentotrace.doctor.probe import Probes, probe, probe_protocol
from bentotrace.doctor.report import Diagnosis, Examination, State, Step, steps_of
from bentotrace.doctor.target import NetworkTarget, network_target
from bentotrace.doctor.verdict import StepName, Verdict, verdict_of
from bentotrace.exceptions import PluginError
from bentotrace.pipeline.provider import make_resource
from bentotrace.redaction import Redaction
from bentotrace.transport.outcome import FailureDetail, FailureKind, Outcome

__all__ = ["examine"]

_HOPELESS_SECONDS = 1.0
"""The timeout of an export that must fail according to a probe: enough to confirm it."""

_PROTOCOLS = {
    FailureDetail.NEEDS_TLS: "the server speaks TLS on that port",
    FailureDetail.NO_TLS: "the server speaks plaintext on that port",
    FailureDetail.NEEDS_GRPC: "the server speaks HTTP/2 on that port, as gRPC does",
    FailureDetail.NEEDS_HTTP: "the server speaks HTTP/1.1 on that port, not gRPC",
    FailureDetail.CLIENT_CERTIFICATE: "the server requires a client certificate",
}
_NOT_REACHED = {
    FailureKind.NAME_RESOLUTION,
    FailureKind.REFUSED,
    FailureKind.UNREACHABLE,
    FailureKind.DISCONNECTED,
}
_UNEXPLAINED = {FailureKind.DISCONNECTED, FailureKind.PROTOCOL, FailureKind.TIMEOUT}

_logger = logging.getLogger("bentotrace.doctor")


def examine(config: Config) -> Examination:
    """Send one span to every destination of a configuration, past sampling and queue.

    Each destination takes at most its timeout, and a few seconds for probes.
    """
    options = config.options
    resource = make_resource(options)
    notes = config.notes
    if config.exporters and options.records_nothing:
        notes += (Note(warn_unsampled(config)),)
    intentional = options.disabled or options.exporter_type
    return Examination(
        config.source,
        tuple(
            _diagnose(exporter, options, resource, config.redaction)
            for exporter in config.exporters
        ),
        notes,
        Verdict.NOTHING if intentional else Verdict.NO_EXPORTER,
    )


def _diagnose(
    exporter: ExporterConfig, options: TracingOptions, resource: Resource, redaction: Redaction
) -> Diagnosis:
    def make(reports: Reports, timeout: float = exporter.timeout) -> Guard:
        return make_guarded(
            evolve(exporter, timeout=timeout),
            options,
            resource,
            reports=reports,
            logger=_logger,
            redaction=redaction,
        )

    target = network_target(exporter.target)
    try:
        check_exporter(make, exporter.timeout)
    except (PluginError, TimeoutError) as error:
        verdict, reason = Verdict.CONFIGURATION, str(error)
        if isinstance(error, TimeoutError):
            verdict = Verdict.EXPORTER_HANGS
            reason = f"creating and closing the exporter {error}; report this to its author"
        step = Step(StepName.CONFIGURATION, State.FAILED, reason)
        export = Export(Outcome(ok=False, endpoint="", reason=reason))
        evidence = Evidence(exporter, target, export=export)
        return _diagnosis(evidence, (step,), verdict, "", redaction)
    probes = Probes() if target is None else probe(target, exporter.timeout, redaction)
    timeout = min(exporter.timeout, _HOPELESS_SECONDS) if probes.hopeless else exporter.timeout
    udp = target is not None and target.transport == "udp"
    export = export_span(
        partial(make, timeout=timeout),
        resource,
        timeout,
        redaction,
        twice=udp,
        extended=bool(exporter.extensions),
    )
    export = evolve(export, outcome=_refined(export.outcome, probes, target))
    verdict = verdict_of(export.outcome) if export.returned else Verdict.EXPORTER_HANGS
    if export.withheld:
        verdict = Verdict.WITHHELD
    if udp and verdict.good:
        verdict = Verdict.SENT
    service = str(resource.attributes.get(SERVICE_NAME, "without a name"))
    evidence = Evidence(exporter, target, service, probes, export)
    if verdict.reached and export.returned:
        context = make_context(exporter, options, resource, Reports(), _logger, redaction)
        evidence = evolve(evidence, checks=run_checks(exporter, context))
    if not export.outcome.ok and export.returned and not export.withheld:
        evidence = evolve(evidence, advice=own_advice(exporter, redaction, export.outcome))
    steps = steps_of(evidence, verdict)
    if verdict.good and evidence.checks.failed is not None:
        verdict = Verdict.CHECK
    return _diagnosis(evidence, steps, verdict, fix_of(verdict, evidence), redaction)


def _diagnosis(
    evidence: Evidence,
    steps: tuple[Step, ...],
    verdict: Verdict,
    fix: str,
    redaction: Redaction,
) -> Diagnosis:
    redact = redaction.redact
    target = evidence.exporter.target
    return Diagnosis(
        exporter=evidence.name,
        protocol=target.protocol if target is not None else "",
        endpoint=redact(evidence.endpoint),
        endpoint_source=evidence.endpoint_source,
        steps=tuple(evolve(step, message=redact(step.message)) for step in steps),
        verdict=verdict,
        reason=redact(_reason(evidence, verdict)),
        fix=redact(fix),
        trace_id=evidence.export.trace_id,
    )


def _reason(evidence: Evidence, verdict: Verdict) -> str:
    failed = evidence.checks.failed
    return failed.message if verdict is Verdict.CHECK and failed else evidence.outcome.reason


def _refined(outcome: Outcome, probes: Probes, target: NetworkTarget | None) -> Outcome:
    """Complete the exporter's outcome with the results of the probes."""
    if outcome.ok or target is None:
        return outcome
    # gRPC reports only the last address, such as ::1 of localhost, although another accepted.
    masked = outcome.kind is FailureKind.REFUSED and probes.accepted is not None
    seen = probes.failure
    if seen is not None and seen.kind is not None:
        same = outcome.kind is seen.kind and outcome.detail is None
        # An export that timed out may have failed for this, except a TLS failure, which takes no
        # time. gRPC reports one address only, and calls its proxy the server.
        late = outcome.kind is FailureKind.TIMEOUT and seen.kind is not FailureKind.TLS
        proxied = seen.kind is FailureKind.PROXY and outcome.kind in _NOT_REACHED
        # The exporter of another client library may not know why it failed.
        vague = outcome.kind in {None, FailureKind.UNEXPECTED} and outcome.status is None
        if same or late or masked or proxied or vague:
            reason = (
                f"{seen.reason} ({outcome.reason})" if vague and outcome.reason else seen.reason
            )
            outcome = evolve(outcome, kind=seen.kind, detail=seen.detail, reason=reason)
            masked = False
    explained = outcome.detail not in {None, FailureDetail.HANDSHAKE} or not (
        masked or outcome.kind in _UNEXPLAINED
    )
    if explained or target.proxy is not None or target.transport == "udp":
        return outcome
    detail = probe_protocol(target)
    if detail is not None:
        reported = "" if masked else f" ({outcome.reason})"
        return evolve(outcome, detail=detail, reason=_PROTOCOLS[detail] + reported)
    if masked:
        reason = f"{probes.accepted} accepts the connection and closes it; {outcome.reason}"
        return evolve(outcome, kind=FailureKind.DISCONNECTED, reason=reason)
    return outcome
