"""Creates spans in a process that a published package also gets them in; prints what it saw.

``python program.py PACKAGE lean|sdk TIME``, with the time of the first span in nanoseconds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import SpanKind, Status, StatusCode

import bentotrace
from bentotrace.testing import OTLPHTTPReceiver

SECOND = 1_000_000_000


class Ids(RandomIdGenerator):
    """Creates the same ids in each run."""

    def __init__(self) -> None:
        self._last = 0

    def generate_span_id(self) -> int:
        self._last += 1
        return self._last

    generate_trace_id = generate_span_id


Read = Callable[[], list[Any]]


def _read(exporter: InMemorySpanExporter) -> Read:
    return lambda: [json.loads(span.to_json()) for span in exporter.get_finished_spans()]


def add_baggage(provider: TracerProvider) -> Read:
    from opentelemetry.processor.baggage import ALLOW_ALL_BAGGAGE_KEYS, BaggageSpanProcessor

    exporter = InMemorySpanExporter()
    provider.add_span_processor(BaggageSpanProcessor(ALLOW_ALL_BAGGAGE_KEYS))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return _read(exporter)


def add_langfuse(provider: TracerProvider) -> Read:
    from langfuse import Langfuse

    exporter = InMemorySpanExporter()
    client = Langfuse(
        public_key="public",
        secret_key="secret",
        base_url="http://127.0.0.1:9",
        tracer_provider=provider,
        span_exporter=exporter,
        should_export_span=lambda span: True,
    )

    def read() -> list[Any]:
        client.flush()
        return sorted(_read(exporter)(), key=lambda span: str(span["context"]["span_id"]))

    return read


def add_logfire(provider: TracerProvider) -> Read:
    from logfire.testing import TestExporter

    exporter = TestExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return lambda: exporter.exported_spans_as_dict(parse_json_attributes=True)


def add_openinference(provider: TracerProvider) -> Read:
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return _read(exporter)


def add_phoenix(provider: TracerProvider) -> Read:
    from phoenix.otel import SimpleSpanProcessor as PhoenixProcessor

    exporter = InMemorySpanExporter()
    provider.add_span_processor(PhoenixProcessor(exporter))
    return _read(exporter)


def _without_thread(span: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in span["data"].items() if name != "thread.id"}


def add_sentry(provider: TracerProvider) -> Read:
    import sentry_sdk
    from sentry_sdk.integrations.opentelemetry import SentrySpanProcessor

    sent: list[Any] = []

    def keep(event: Any, hint: Any) -> None:
        # These differ between any two runs.
        for name in ("event_id", "timestamp", "modules", "server_name", "contexts"):
            value = event.pop(name, None)
            if name == "contexts":
                event["trace"] = {**value["trace"], "otel": value.get("otel")}
        event["spans"] = [{**span, "data": _without_thread(span)} for span in event["spans"]]
        event["trace"]["data"] = _without_thread(event["trace"])
        sent.append(json.loads(json.dumps(event, default=str, sort_keys=True)))

    sentry_sdk.init(
        "http://public@127.0.0.1:9/1",
        instrumenter="otel",
        traces_sample_rate=1.0,
        before_send_transaction=keep,
        default_integrations=False,
    )
    provider.add_span_processor(SentrySpanProcessor())
    return lambda: sent


def add_traceloop(provider: TracerProvider) -> Read:
    from traceloop.sdk import Traceloop

    exporter = InMemorySpanExporter()
    trace.set_tracer_provider(provider)
    Traceloop.init(
        app_name="test",
        exporter=exporter,
        disable_batch=True,
        telemetry_enabled=False,
        instruments=set(),
    )
    return _read(exporter)


def make_tracer(package: str, provider: TracerProvider) -> trace.Tracer:
    tracer: Any = provider.get_tracer("test", "1")
    if package == "openinference":
        from openinference.instrumentation import OITracer, TraceConfig

        tracer = OITracer(tracer, config=TraceConfig())
    return tracer


def create_spans(tracer: trace.Tracer, time: int) -> None:
    token = context.attach(baggage.set_baggage("user", "7"))
    parent = tracer.start_span(
        "POST /classify",
        kind=SpanKind.SERVER,
        attributes={"http.request.method": "POST", "http.route": "/classify", "sizes": [1, 2]},
        start_time=time,
    )
    with trace.use_span(parent, end_on_exit=False):
        child = tracer.start_span(
            "SELECT",
            kind=SpanKind.CLIENT,
            attributes={"db.system": "sqlite", "gen_ai.request.model": "iris"},
            links=[trace.Link(parent.get_span_context(), {"reason": "test"})],
            start_time=time + SECOND,
        )
        child.set_attribute("db.rows", 3)
        child.add_event("row", {"number": 1}, time + SECOND + 1)
        child.end(time + 2 * SECOND)
        failed = tracer.start_span("fail", start_time=time + 2 * SECOND)
        failed.record_exception(ValueError("no"), timestamp=time + 2 * SECOND + 1)
        failed.set_status(Status(StatusCode.ERROR, "no"))
        failed.update_name("failed")
        failed.end(time + 3 * SECOND)
    parent.set_attributes({"http.response.status_code": 200, "bytes": 1.5})
    parent.end(time + 4 * SECOND)
    context.detach(token)


def main(package: str, spans: str, time: str) -> None:
    with OTLPHTTPReceiver() as receiver:
        source = {
            "exporter_type": "otlp",
            "sample_rate": 1,
            "spans": spans,
            "otlp": {"protocol": "http", "endpoint": receiver.endpoint},
            "resource": {"attributes": {"service.name": "test", "service.instance.id": "1"}},
        }
        tracing = bentotrace.build(source)
        tracing.provider.id_generator = Ids()
        read = globals()[f"add_{package}"](tracing.provider)
        create_spans(make_tracer(package, tracing.provider), int(time))
        used = tracing.status().spans
        tracing.shutdown()
        exported = [repr(span) for span in receiver.spans]
    found = {"spans": used, "seen": read(), "exported": exported}
    sys.stdout.write(f"{json.dumps(found, default=str)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
