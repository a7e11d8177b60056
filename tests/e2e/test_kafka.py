"""What only a real Kafka shows: a broker that ends and comes back, and a topic with a limit."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

import bentotrace

from . import composed
from .backends import Jaeger, get, poll
from .brokers import Kafka

pytestmark = pytest.mark.e2e

ROUNDS = 20
SPANS = 10


def test_a_broker_that_is_killed_and_started_again_loses_nothing_with_the_spool(
    kafka: Kafka, kafka_jaeger: Jaeger, tmp_path: Path
) -> None:
    service = f"restart-{secrets.token_hex(4)}"
    tracing = bentotrace.build(
        {
            "exporter_type": "kafka",
            "sample_rate": 1,
            "timeout": 2,
            "resource": {"attributes": {"service.name": service}},
            "kafka": {"brokers": kafka.address},
            "spool": {"path": str(tmp_path / "spool")},
        }
    )
    tracer = tracing.provider.get_tracer("restart")
    sent = {}
    for number in range(ROUNDS):
        if number == ROUNDS // 2:
            assert tracing.flush(30)
            kafka.kill()
        with tracer.start_as_current_span(f"root {number}") as root:
            for child in range(1, SPANS):
                tracer.start_span(f"span {child}").end()
        sent[f"{root.get_span_context().trace_id:032x}"] = SPANS
    assert not tracing.flush(3)
    kept = tracing.status().destinations[0]
    assert (kept.exported, kept.failed, kept.dropped) == (ROUNDS // 2 * SPANS, 0, 0)

    kafka.start()
    assert tracing.flush(60)
    tracing.shutdown()

    status = tracing.status().destinations[0]
    assert (status.exported, status.failed, status.dropped) == (ROUNDS * SPANS, 0, 0)
    for trace_id, spans in sent.items():
        found = kafka_jaeger.trace(trace_id, spans=spans, within=60).spans
        assert len({span.span_id for span in found}) == spans


def test_the_service_of_the_compose_file_shows_in_jaeger(
    kafka: Kafka, kafka_jaeger: Jaeger, tmp_path: Path
) -> None:
    variables = composed.variables("kafka.yaml", "service", kafka=kafka.address)
    with composed.running_service(tmp_path, variables) as url:
        assert get(f"{url}/price/tulip")[0] == 200
    traces = poll(lambda: kafka_jaeger.traces("shop"), bool, within=60)

    (trace,) = traces
    assert "GET /price/{item}" in {span.name for span in trace.spans}


def test_what_the_topic_finds_too_large_arrives_in_parts_or_is_counted(kafka: Kafka) -> None:
    topic = f"small-{secrets.token_hex(4)}"
    kafka.create_topics([topic], max_message_bytes="4000")
    tracing = bentotrace.build(
        {
            "exporter_type": "kafka",
            "sample_rate": 1,
            "kafka": {"brokers": kafka.address, "topic": topic},
        }
    )
    tracer = tracing.provider.get_tracer("large")
    with tracer.start_as_current_span("root"):
        for _ in range(15):
            tracer.start_span("span", attributes={"text": "x" * 1000}).end()
        tracer.start_span("huge", attributes={"text": "x" * 8000}).end()
    tracing.shutdown()

    status = tracing.status().destinations[0]
    assert (status.ended, status.exported, status.failed) == (17, 16, 1)
    assert status.last_error is not None
    assert status.last_error.kind == "too_large"
    assert "span 'huge' alone is too large" in status.last_error.reason
