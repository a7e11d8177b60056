"""The exporter: sends a batch, splits what is too large, and reports what became of each span."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from attrs import evolve, field, frozen
from bentotrace.plugin import BuildContext
from bentotrace.transport import FailureKind, Outcome
from bentotrace.transport.exporter import OutcomeExporter
from bentotrace.transport.splitting import explain_size
from confluent_kafka import KafkaError, KafkaException
from opentelemetry.sdk.trace import ReadableSpan

from bentotrace_kafka.client import Client, Report
from bentotrace_kafka.encoder import Encode, Message, make_encoder
from bentotrace_kafka.failures import failure_kind, reason_of
from bentotrace_kafka.options import KafkaOptions

__all__ = ["KafkaExporter"]

_ACKS = {"all": -1, "leader": 1, "none": 0}
# Source: librdkafka, the defaults of batch.size and topic.metadata.propagation.max.ms.
_BATCH_BYTES = 1_000_000
_PROPAGATION_SECONDS = 30.0
_CLOSE_SECONDS = 1.0


@frozen
class _Process:
    """What one process has; another one has its own."""

    client: Client
    encode: Encode
    lock: threading.Lock = field(factory=threading.Lock)


class KafkaExporter(OutcomeExporter):
    """Sends the spans of each trace in a message of their own, and waits for the brokers."""

    def __init__(self, options: KafkaOptions, context: BuildContext) -> None:
        """Open nothing."""
        super().__init__(context, self._close_client)
        self._build_context = context
        self._options = options
        self._settings = librdkafka_settings(options, context.timeout)
        self._processes: dict[int, _Process] = {}
        self._is_closed = False

    def export_outcomes(self, spans: Sequence[ReadableSpan]) -> Iterator[tuple[Outcome, int]]:
        """Send a batch; yield each outcome that spans had, and their number."""
        started = time.monotonic()
        deadline = started + self._build_context.timeout
        here = self._here()
        before = here.client.retries
        if here.lock.acquire(timeout=self._build_context.timeout):
            try:
                outcomes = self._deliver(here, spans, deadline)
            finally:
                here.lock.release()
        else:
            outcomes = Counter({self._timed_out(None): len(spans)})
        attempts, elapsed = 1 + here.client.retries - before, time.monotonic() - started
        for outcome, number in outcomes.items():
            yield evolve(outcome, attempts=attempts, elapsed=elapsed), number

    def _deliver(
        self, here: _Process, spans: Sequence[ReadableSpan], deadline: float
    ) -> Counter[Outcome]:
        """Send a batch, and what is too large of it in smaller messages."""
        outcomes: Counter[Outcome] = Counter()
        groups = self.encode_groups(spans, here.encode, by_resource=False)
        waiting = [messages for _, messages in groups]
        while waiting:
            together = waiting.pop()
            reports = self._send(here.client, together, deadline)
            for message, outcome in zip(together, reports, strict=True):
                if outcome.kind is FailureKind.TOO_LARGE and len(together) > 1:
                    # A broker refuses a whole batch of messages.
                    waiting.append([message])
                elif outcome.kind is FailureKind.TOO_LARGE and len(message.spans) > 1:
                    middle = len(message.spans) // 2
                    halves = message.spans[:middle], message.spans[middle:]
                    waiting += [here.encode(half) for half in halves]
                else:
                    outcomes[outcome] += len(message.spans)
        return outcomes

    def _send(
        self, client: Client, messages: Sequence[Message], deadline: float
    ) -> Iterator[Outcome]:
        try:
            reports = client.send(messages, deadline)
        except KafkaException as error:
            # librdkafka refuses a setting, or a file of it.
            reports = [error.args[0]] * len(messages)
        for message, report in zip(messages, reports, strict=True):
            yield explain_size(self._outcome(report, client), message.spans, len(message.body))

    def _outcome(self, report: Report, client: Client) -> Outcome:
        if report is None:
            return Outcome(ok=True, endpoint=self._options.endpoint)
        if report.code() == KafkaError._TIMED_OUT:
            return self._timed_out(client.last_error)
        if report.code() == KafkaError._DESTROY:
            return self._failure(FailureKind.CLOSED, "the exporter was shut down")
        reason = reason_of(report, self._options)
        return self._failure(failure_kind(report), reason, report.name())

    def _timed_out(self, cause: KafkaError | None) -> Outcome:
        reason = f"not confirmed within the {self._build_context.timeout:.3g} s timeout"
        if cause is None:
            return self._failure(FailureKind.TIMEOUT, reason)
        reason = f"{reason}: {reason_of(cause, self._options)}"
        return self._failure(failure_kind(cause), reason, cause.name())

    def _failure(self, kind: FailureKind, reason: str, status: str | None = None) -> Outcome:
        reason = self._build_context.redaction.line(reason)
        return Outcome(
            ok=False, endpoint=self._options.endpoint, kind=kind, status=status, reason=reason
        )

    def _here(self) -> _Process:
        """Return what this process has; never free what its parent had."""
        found = self._processes.get(os.getpid())
        if found is None:
            client = Client(
                self._settings, self._options.topic_name, log=self._log, on_retry=self._retried
            )
            made = _Process(client, make_encoder(self._options.encoding))
            found = self._processes.setdefault(os.getpid(), made)
        if self._is_closed:
            found.client.stop()
        return found

    def _retried(self, error: KafkaError) -> None:
        reason = reason_of(error, self._options)
        outcome = self._failure(failure_kind(error), reason, error.name())
        self._build_context.report_retry(outcome)

    def _log(self, line: str) -> None:
        context = self._build_context
        context.logger.debug("librdkafka: %s", context.redaction.line(line))

    def _close_client(self) -> None:
        self._is_closed = True
        here = self._processes.get(os.getpid())
        if here is None:
            return
        here.client.stop()
        if here.lock.acquire(timeout=_CLOSE_SECONDS):
            try:
                here.client.close()
            finally:
                here.lock.release()


def librdkafka_settings(options: KafkaOptions, timeout: float) -> dict[str, Any]:
    """Return the settings of librdkafka for an exporter."""
    tls, sasl = options.tls, options.sasl
    milliseconds = max(1_000, int(timeout * 1_000))
    protocol = "ssl" if tls.enabled else "plaintext"
    settings: dict[str, Any] = {
        "bootstrap.servers": ",".join(options.brokers),
        "client.id": "bentotrace",
        "acks": _ACKS[options.acks],
        "compression.type": options.compression,
        "message.max.bytes": options.max_message_bytes,
        "batch.size": min(_BATCH_BYTES, options.max_message_bytes),
        # As Java's and the Collector's producers, so that the spans of a trace meet.
        "partitioner": "murmur2_random",
        "security.protocol": f"sasl_{protocol}" if sasl.mechanism else protocol,
        # A broker that returns is found while the next batch waits.
        "reconnect.backoff.max.ms": 1_000,
        "socket.timeout.ms": milliseconds,
        "request.timeout.ms": milliseconds,
        # Otherwise a topic that does not exist is reported after 30 s.
        "topic.metadata.propagation.max.ms": int(min(_PROPAGATION_SECONDS, timeout / 2) * 1_000),
    }
    if sasl.mechanism:
        settings |= {
            "sasl.mechanism": sasl.mechanism,
            "sasl.username": sasl.username,
            "sasl.password": sasl.password,
        }
    if tls.enabled:
        files = {
            "ssl.ca.location": tls.certificate_file,
            "ssl.certificate.location": tls.client_certificate_file,
            "ssl.key.location": tls.client_key_file,
        }
        settings |= {name: path for name, path in files.items() if path is not None}
    return settings
