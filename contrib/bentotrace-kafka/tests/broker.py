"""A broker for tests: the one of librdkafka, which speaks Kafka's protocol on loopback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from bentotrace.encoding import field, read_fields
from bentotrace.testing.jaeger_protobuf import decode_post_spans
from bentotrace.testing.otlp import decode_request
from bentotrace.testing.receiver import ReceivedSpan, Receiver, Request
from confluent_kafka import Consumer, Message, Producer, TopicPartition

__all__ = ["JaegerBroker", "OTLPBroker"]

_START_SECONDS = 10.0
_POLL_SECONDS = 0.1
_JOIN_SECONDS = 10.0
_PARTITIONS = 4


class _Log:
    """Drops librdkafka's log: the tests end brokers that are in use."""

    def log(self, *_arguments: object) -> None:
        pass


class Broker(Receiver):
    """Keeps the spans and the messages of one topic.

    Attributes:
        messages: key, value and partition of each message.
    """

    family = "tcp"
    # The length of a response that does not come.
    beginning = b"\0\0\0\xc8"
    topic: str
    decode: Callable[[bytes], Sequence[ReceivedSpan]]

    def __init__(self, **settings: Any) -> None:
        self._log = _Log()
        mock = {
            "test.mock.num.brokers": 1,
            **settings,
        }
        self._host = Producer(mock, logger=self._log)
        (broker,) = self._host.list_topics(timeout=_START_SECONDS).brokers.values()
        super().__init__(broker.host, broker.port)
        self.messages: list[tuple[bytes, bytes, int]] = []
        self._reader = threading.Thread(target=self._read, args=[self._connect()])
        self._reader.start()

    @property
    def endpoint(self) -> str:
        return self.address

    def _connect(self) -> Consumer:
        """Return a consumer that has reached the end of every partition, which are all empty."""
        settings = {
            "bootstrap.servers": self.address,
            "group.id": "tests",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
        }
        consumer = Consumer(settings, logger=self._log)
        self._host.list_topics(self.topic, _START_SECONDS)
        ends = [TopicPartition(self.topic, number, 0) for number in range(_PARTITIONS)]
        consumer.assign(ends)
        reached = set()
        for message in consumer.consume(_PARTITIONS, _START_SECONDS):
            reached.add(message.partition())
        assert len(reached) == _PARTITIONS, "the consumer did not start"
        return consumer

    def _read(self, consumer: Consumer) -> None:
        while not self._closing.is_set():
            message = consumer.poll(_POLL_SECONDS)
            if message is not None and message.error() is None:
                self._keep(message)
        consumer.close()

    def _keep(self, message: Message) -> None:
        key, value, partition = message.key(), message.value(), message.partition()
        assert isinstance(key, bytes)
        assert isinstance(value, bytes)
        assert partition is not None
        self.messages.append((key, value, partition))
        try:
            spans = type(self).decode(value)
        except ValueError as error:
            self.reject(self.topic, str(error), value)
            return
        request = Request(path=self.topic, body_size=len(value), span_count=len(spans), status=0)
        self.store(request, spans)

    def stop(self) -> None:
        self._reader.join(_JOIN_SECONDS)
        self._host.close()


class OTLPBroker(Broker):
    topic = "otlp_spans"
    decode = staticmethod(decode_request)


_PROCESS_OF_SPAN = 10


def _decode_span(body: bytes) -> Sequence[ReceivedSpan]:
    """Decode a span with its process, by the decoder of a batch."""
    (process,) = (value for number, _, value in read_fields(body) if number == _PROCESS_OF_SPAN)
    assert isinstance(process, bytes)
    end = field(b"\x52", process)
    assert body.endswith(end)
    batch = field(b"\x0a", body.removesuffix(end)) + field(b"\x12", process)
    return decode_post_spans(field(b"\x0a", batch))


class JaegerBroker(Broker):
    topic = "jaeger-spans"
    decode = staticmethod(_decode_span)
