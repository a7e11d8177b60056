"""How long a thread that ends a span waits, with real receivers; bounds are wide for a busy machine."""

from __future__ import annotations

import gc
import logging
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import bentotrace
from bentotrace.pipeline.tracing import Tracing

pytest.importorskip("opentelemetry.proto", reason="the extra testing reads what arrives")

from bentotrace.testing import OTLPHTTPReceiver

CAPACITY = 64
# Each of these spans would wait 4 ms in a full queue, and all of them 80 s.
MANY = 20_000
SOON = 20.0


def build(port: int, **processor: Any) -> Tracing:
    endpoint = f"http://127.0.0.1:{port}"
    return bentotrace.build(
        exporter_type="otlp",
        sample_rate=1.0,
        timeout=5,
        otlp={"protocol": "http", "endpoint": endpoint},
        processor={
            "max_queue_size": CAPACITY,
            "max_export_batch_size": CAPACITY // 2,
            "shutdown_timeout": 0,
            **processor,
        },
    )


def end_spans(tracing: Tracing, number: int) -> float:
    """End spans, and return the seconds that it took."""
    tracer = tracing.provider.get_tracer("test")
    began = time.monotonic()
    for index in range(number):
        tracer.start_span(str(index)).end()
    return time.monotonic() - began


@pytest.fixture(autouse=True)
def alone(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Log nothing, and leave no pipeline to the next test."""
    caplog.set_level(logging.CRITICAL, "bentotrace")
    yield
    for thread in threading.enumerate():
        if thread.name == "bentotrace-otlp":
            thread.join(30)
    gc.collect()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port on which connections are accepted, and nothing is read or sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.mark.parametrize("threads", [1, 4])
def test_nothing_waits_for_a_receiver_that_is_away(closed_port: int, threads: int) -> None:
    with build(closed_port) as tracing:
        end_spans(tracing, 1)
        # The first attempt has failed; the export goes on.
        assert not tracing.flush(2)
        producers = [
            threading.Thread(target=end_spans, args=(tracing, MANY // threads))
            for _ in range(threads)
        ]
        began = time.monotonic()
        for producer in producers:
            producer.start()
        for producer in producers:
            producer.join()

        assert time.monotonic() - began < SOON
        (status,) = tracing.status().destinations
        assert status.exported == 0
        # Those that failed were in the queue, and room for others came with each.
        assert status.dropped_by_reason["queue_full"] >= MANY - 2 * CAPACITY - status.failed


def test_a_receiver_that_never_responds_is_waited_for_at_the_start_only(silent_port: int) -> None:
    with build(silent_port) as tracing:
        assert end_spans(tracing, MANY) < SOON


def test_a_receiver_that_no_longer_responds_is_waited_for_a_second_at_most() -> None:
    with OTLPHTTPReceiver() as receiver, build(receiver.port) as tracing:
        end_spans(tracing, CAPACITY)
        assert tracing.flush(30)
        receiver.respond_with(200, delay=30, times=100)

        assert end_spans(tracing, MANY) < SOON


def test_a_batch_job_loses_nothing_with_a_slow_receiver() -> None:
    with OTLPHTTPReceiver() as receiver:
        # Without waiting, nearly all spans would be dropped.
        receiver.respond_with(200, delay=0.05, times=1000)
        with build(receiver.port, on_full="wait") as tracing:
            end_spans(tracing, 10 * CAPACITY)
            assert tracing.flush(30)

            (status,) = tracing.status().destinations
        assert (status.ended, status.exported, status.dropped) == (10 * CAPACITY,) * 2 + (0,)
        assert [span.name for span in receiver.spans] == [*map(str, range(10 * CAPACITY))]


@pytest.mark.parametrize("threads", [1, 4])
def test_a_batch_job_waits_no_longer_than_its_bound(silent_port: int, threads: int) -> None:
    # One export takes up to 5 s, so the queue is full for longer than the bound.
    with build(silent_port, on_full="wait", on_full_timeout=1) as tracing:
        producers = [
            threading.Thread(target=end_spans, args=(tracing, MANY // threads))
            for _ in range(threads)
        ]
        began = time.monotonic()
        for producer in producers:
            producer.start()
        for producer in producers:
            producer.join()

        # All of them wait together once, and then no more until a batch is delivered.
        assert 1 <= time.monotonic() - began < SOON
        (status,) = tracing.status().destinations
        assert status.ended == MANY
        assert status.dropped + status.failed + status.pending == MANY
        assert status.pending <= 2 * CAPACITY


def test_within_the_bound_a_batch_job_gets_what_a_receiver_takes_late() -> None:
    with OTLPHTTPReceiver() as receiver:
        receiver.respond_with(200, delay=2, times=1)
        with build(receiver.port, on_full="wait", on_full_timeout=30) as tracing:
            assert end_spans(tracing, 4 * CAPACITY) >= 1
            assert tracing.flush(30)

            (status,) = tracing.status().destinations
        assert (status.exported, status.dropped) == (4 * CAPACITY, 0)
