"""The exporter of OTLP: encodes a batch, sends it, and reads a partial success."""

from __future__ import annotations

import json
import logging
from contextlib import suppress

from attrs import evolve
from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace.encoding import read_fields
from bentotrace.plugin import BuildContext
from bentotrace.transport import FailureKind, Outcome, log_safely
from bentotrace.transport.exporter import grpc_exporter, http_exporter
from bentotrace_otlp.config import OTLPOptions
from bentotrace_otlp.encoder import TraceEncoder

__all__ = ["create"]

# The digits and the sign of 64 bits.
_LONGEST_NUMBER = 20
_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def create(options: OTLPOptions, context: BuildContext) -> SpanExporter:
    """Return an exporter for the selected protocol; open no connection."""
    encode, endpoint = TraceEncoder().encode, options.resolved()
    judge = _Judge(context)
    if options.protocol == "grpc":
        return grpc_exporter(
            encode,
            endpoint,
            _METHOD,
            options.grpc,
            context,
            compression=options.compression,
            judge=judge,
        )
    return http_exporter(
        encode,
        endpoint.address,
        options.http,
        context,
        content_type="application/x-protobuf",
        compression=options.compression,
        judge=judge,
    )


class _Judge:
    """Reads the partial success in a response; logs a receiver's warning once."""

    def __init__(self, context: BuildContext) -> None:
        self._context = context
        self._warned = False

    def __call__(self, outcome: Outcome) -> Outcome:
        """Turn a response with rejected spans into a failure."""
        if not outcome.ok or not outcome.body:
            return outcome
        try:
            rejected, message = _partial_success(outcome.body)
        except ValueError:
            # Some receivers respond with plain text.
            return outcome
        message = self._context.redaction.line(message)
        if rejected > 0:
            reason = (
                f"the receiver accepted the request but rejected {rejected} of its spans: "
                f"{message or 'without a reason'}"
            )
            return evolve(
                outcome, ok=False, kind=FailureKind.PARTIAL, reason=reason, rejected=rejected
            )
        if not message and not rejected:
            return outcome
        reason = f"the receiver accepted the spans with a warning: {message or rejected}"
        if not self._warned:
            self._warned = True
            log_safely(self._context.logger, logging.WARNING, "%s (logged once)", reason)
        return evolve(outcome, reason=reason)


def _partial_success(body: bytes) -> tuple[int, str]:
    """Return the number of rejected spans and the message of a response.

    ``ExportTraceServiceResponse{1: partial_success{1: rejected_spans, 2: error_message}}``, in
    protobuf or JSON, whatever type the response claims.

    Raises:
        ValueError: it is neither.
    """
    if body.lstrip().startswith(b"{"):
        with suppress(ValueError, RecursionError):
            return _partial_success_in_json(body)
    rejected, message = 0, ""
    for number, _, value in read_fields(body):
        if number != 1 or not isinstance(value, bytes):
            continue
        for inner, _, content in read_fields(value):
            if inner == 1 and isinstance(content, int):
                rejected = content - (1 << 64) if content >> 63 else content
            elif inner == 2 and isinstance(content, bytes):
                message = content.decode("utf-8", "replace")
    return rejected, message


def _partial_success_in_json(body: bytes) -> tuple[int, str]:
    # Numbers stay text: parsing thousands of digits is slow, or an error.
    response = json.loads(body, parse_int=str, parse_float=str)
    content = response.get("partialSuccess", response.get("partial_success"))
    if not isinstance(content, dict):
        return 0, ""
    rejected = str(content.get("rejectedSpans", content.get("rejected_spans", 0)))
    message = content.get("errorMessage", content.get("error_message"))
    message = message if isinstance(message, str) else ""
    try:
        return int(rejected.partition(".")[0][:_LONGEST_NUMBER]), message
    except ValueError:
        return 0, message
