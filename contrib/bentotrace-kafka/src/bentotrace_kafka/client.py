"""A client of one process, which sends messages and waits for the report on each."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bentotrace.transport import FailureKind
from confluent_kafka import KafkaError, KafkaException

# OpenTelemetry's instrumentation replaces confluent_kafka.Producer by a class that records a span
# for each message, also for those of an exporter.
from confluent_kafka.cimpl import Producer

from bentotrace_kafka.encoder import Message
from bentotrace_kafka.failures import failure_kind

__all__ = ["Client", "Report"]

Report = KafkaError | None
"""The report on a message: None if it was delivered."""

_POLL_SECONDS = 0.005


class Client:
    """Sends messages to one topic; nothing is opened before the first ``send``.

    Its threads do not survive a fork: a child creates another client, and never touches this one.
    One thread at a time may send or close; any may stop.

    Attributes:
        last_error: the last error of a connection since a message was delivered.
        retries: the number of errors so far after which librdkafka tried again.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        topic: str,
        *,
        log: Callable[[str], None],
        on_retry: Callable[[KafkaError], None],
    ) -> None:
        """Keep the settings.

        Args:
            settings: the settings of librdkafka.
            topic: the topic.
            log: receives librdkafka's log.
            on_retry: receives the errors after which librdkafka tries again.
        """
        self._settings = settings
        self._topic = topic
        self._log = log
        self._on_retry = on_retry
        self._producer: Producer | None = None
        self._is_stopped = False
        self._has_delivered = False
        self._final_error: KafkaError | None = None
        self.last_error: KafkaError | None = None
        self.retries = 0

    def send(self, messages: Sequence[Message], deadline: float) -> list[Report]:
        """Send messages, and return the report on each.

        A message without a report at the deadline, on the clock of ``time.monotonic``, is
        withdrawn; the brokers may have it nevertheless.

        Raises:
            KafkaException: librdkafka refuses the settings.
        """
        if self._is_stopped:
            return [KafkaError(KafkaError._DESTROY)] * len(messages)
        producer = self._producer or self._start()
        # Reports of the time without an export, such as idle connections that ended.
        producer.poll(0)
        self._final_error = None
        reports = _Reports(len(messages))
        for number, message in enumerate(messages):
            self._produce(producer, message, reports, number, deadline)
        while reports.missing and not self._gives_up(deadline):
            _serve(producer)
        if reports.missing:
            producer.purge()
            producer.poll(0)
        if reports.delivered:
            self._has_delivered = True
            self.last_error = None
        code = KafkaError._DESTROY if self._is_stopped else KafkaError._TIMED_OUT
        return reports.close(self._final_error or KafkaError(code))

    def _gives_up(self, deadline: float) -> bool:
        failed = self._is_stopped or self._final_error is not None
        return failed or time.monotonic() >= deadline

    def _produce(
        self,
        producer: Producer,
        message: Message,
        reports: _Reports,
        number: int,
        deadline: float,
    ) -> None:
        def deliver(error: KafkaError | None, _message: object) -> None:
            reports.add(number, error)

        while True:
            try:
                producer.produce(self._topic, message.body, message.key, on_delivery=deliver)
            except BufferError:
                # librdkafka's queue is full.
                if self._gives_up(deadline):
                    return
                _serve(producer)
            except KafkaException as error:
                reports.add(number, error.args[0])
                return
            else:
                return

    def _start(self) -> Producer:
        producer = Producer({**self._settings, "error_cb": self._on_error}, logger=_Log(self._log))
        # A child that frees its parent's producer at exit would wait forever for the producer's
        # threads, which it does not have.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(producer))
        self._producer = producer
        return producer

    def _on_error(self, error: KafkaError) -> None:
        # It only sums up what the errors of the brokers said.
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            return
        self.last_error = error
        kind = failure_kind(error)
        # Once messages were delivered, only this broker may have a wrong certificate.
        if kind is FailureKind.UNAUTHORIZED or (
            kind is FailureKind.TLS and not self._has_delivered
        ):
            self._final_error = error
        else:
            self.retries += 1
            self._on_retry(error)

    def stop(self) -> None:
        """Make a running ``send`` give up, and every later one fail."""
        self._is_stopped = True

    def close(self) -> None:
        """Close the connections, for good."""
        self.stop()
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close()
            ctypes.pythonapi.Py_DecRef(ctypes.py_object(producer))


class _Reports:
    """The reports on the messages of one ``send``; later ones are ignored."""

    def __init__(self, number: int) -> None:
        self._reports: dict[int, Report] = {}
        self._number = number
        self._is_closed = False
        self.delivered = 0

    @property
    def missing(self) -> int:
        return self._number - len(self._reports)

    def add(self, number: int, error: Report) -> None:
        if self._is_closed or (error is not None and error.code() in _WITHDRAWN):
            return
        self._reports[number] = error
        self.delivered += error is None

    def close(self, missing: KafkaError) -> list[Report]:
        """Return the reports, with that error for every message without one."""
        self._is_closed = True
        return [self._reports.get(number, missing) for number in range(self._number)]


_WITHDRAWN = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)


class _Log:
    """Passes on librdkafka's log, which would go to standard error."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def log(self, _level: int, message: str, *arguments: object) -> None:
        self._write(message % arguments)


def _serve(producer: Producer) -> None:
    """Call the callbacks that are due; else wait, in a way that greenlets can replace."""
    if not producer.poll(0):
        time.sleep(_POLL_SECONDS)
