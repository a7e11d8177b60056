"""What tracing costs a service, ours and upstream's: CPU of its whole process, and spans lost.

An application process makes and exports spans to a receiver in another process, first with a pause
for the exporter every 1,000 spans (CPU per span), then in a tight loop at default settings (spans
lost). Prints medians. Run it as ``python benchmarks/pipeline.py``; rows that need an exporter of
OpenTelemetry's that is not installed show ours alone.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.trace import SpanKind
from receivers import RECEIVERS, Receiver
from spans import realistic

import bentotrace
from bentotrace.config.options import ProcessorOptions
from bentotrace.delivery.guard import Guard
from bentotrace.delivery.processor import BatchProcessor
from bentotrace.delivery.reports import Reports

_PAUSE_EVERY = 1000
_TIMEOUT = 120
# The last is what a newer protobuf says to the code of an older one.
NOT_INSTALLED = ("ImportError", "ModuleNotFoundError", "Descriptors cannot be created")


@frozen
class Row:
    """One transport.

    Attributes:
        name: what the table calls it.
        receiver: what the spans are sent to.
        exporter: ours.
        section: our options for a receiver on this port.
        upstream: makes upstream's exporter for a receiver on this port.
    """

    name: str
    receiver: str
    exporter: str
    section: Callable[[int], Mapping[str, Any]]
    upstream: Callable[[int], SpanExporter]


def _otlp_http(port: int) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=f"http://127.0.0.1:{port}/v1/traces")


def _otlp_grpc(port: int) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=f"http://127.0.0.1:{port}", insecure=True)


def _zipkin(port: int) -> SpanExporter:
    from opentelemetry.exporter.zipkin.json import ZipkinExporter

    return ZipkinExporter(endpoint=f"http://127.0.0.1:{port}/api/v2/spans")


def _jaeger_udp(port: int) -> SpanExporter:
    from opentelemetry.exporter.jaeger.thrift import JaegerExporter

    # Without splitting it drops every full batch and calls that a success.
    return JaegerExporter(
        agent_host_name="127.0.0.1", agent_port=port, udp_split_oversized_batches=True
    )


def _jaeger_http(port: int) -> SpanExporter:
    from opentelemetry.exporter.jaeger.thrift import JaegerExporter

    return JaegerExporter(collector_endpoint=f"http://127.0.0.1:{port}/api/traces")


def _jaeger_grpc(port: int) -> SpanExporter:
    from opentelemetry.exporter.jaeger.proto.grpc import JaegerExporter

    return JaegerExporter(collector_endpoint=f"127.0.0.1:{port}", insecure=True)


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


ROWS = {
    row.name: row
    for row in (
        Row(
            "OTLP over HTTP",
            "http",
            "otlp",
            lambda port: {"protocol": "http", "endpoint": _url(port)},
            _otlp_http,
        ),
        Row("OTLP over gRPC", "grpc", "otlp", lambda port: {"endpoint": _url(port)}, _otlp_grpc),
        Row("Zipkin", "http", "zipkin", lambda port: {"endpoint": _url(port)}, _zipkin),
        Row(
            "Jaeger over UDP",
            "udp",
            "jaeger",
            lambda port: {"thrift": {"agent_host_name": "127.0.0.1", "agent_port": port}},
            _jaeger_udp,
        ),
        Row(
            "Jaeger over HTTP",
            "http",
            "jaeger",
            lambda port: {"collector_endpoint": _url(port)},
            _jaeger_http,
        ),
        Row(
            "Jaeger over gRPC",
            "grpc",
            "jaeger",
            lambda port: {"protocol": "grpc", "collector_endpoint": _url(port)},
            _jaeger_grpc,
        ),
    )
}


class _Null(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


def _upstream_provider(*processors: SpanProcessor) -> TracerProvider:
    provider = TracerProvider(resource=Resource({"service.name": "iris"}))
    for processor in processors:
        provider.add_span_processor(processor)
    return provider


def provider_of(whose: str, row: str, port: int) -> TracerProvider:
    """Build ours, or upstream's, at default settings, for a receiver on this port."""
    if whose == "floor":
        return _upstream_provider()
    if whose == "null":
        return _upstream_provider(BatchSpanProcessor(_Null()))
    if whose == "null, ours":
        guard = Guard(_Null(), Reports(), name="null", endpoint="", logger=logging.getLogger())
        return _upstream_provider(BatchProcessor(guard, ProcessorOptions(), logging.getLogger()))
    if whose == "upstream":
        return _upstream_provider(BatchSpanProcessor(ROWS[row].upstream(port)))
    exporter = ROWS[row].exporter
    resource = {"attributes": {"service.name": "iris"}}
    options = {exporter: ROWS[row].section(port), "resource": resource}
    tracing = bentotrace.configure({"exporter_type": exporter, "sample_rate": 1, **options})
    assert isinstance(tracing.provider, TracerProvider)
    return tracing.provider


def application(whose: str, row: str, port: int, count: int, *, pauses: bool) -> None:
    """Make and export spans; print the CPU seconds that it took."""
    provider = provider_of(whose, row, port)
    tracer = provider.get_tracer("benchmark", "1.0")
    made = [
        (span.name, dict(span.attributes or {}), dict(span.events[0].attributes or {}))
        for span in realistic()
    ]
    before = time.process_time()
    for number in range(count):
        name, attributes, event = made[number % len(made)]
        span = tracer.start_span(name, kind=SpanKind.SERVER, attributes=attributes)
        span.add_event("dequeued", event)
        span.end()
        if pauses and number % _PAUSE_EVERY == 0:
            provider.force_flush()
    provider.force_flush()
    print(json.dumps(time.process_time() - before), flush=True)
    provider.shutdown()


def _run(whose: str, row: str, count: int, *, pauses: bool) -> tuple[float, float] | None:
    """Run an application against a receiver.

    Returns:
        Microseconds of CPU per span, and the share of spans that never arrived; None when the
        exporter is not installed.
    """
    kind = ROWS[row].receiver if row in ROWS else None
    receiver = Receiver.start(kind) if kind is not None else None
    command = [sys.executable, "-W", "ignore", __file__, "--application", whose]
    command += ["--row", row, "--spans", str(count), *(["--pauses"] if pauses else [])]
    if receiver is not None:
        command += ["--port", str(receiver.port)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT)
        if done.returncode != 0:
            if whose == "upstream" and any(text in done.stderr for text in NOT_INSTALLED):
                return None
            raise RuntimeError(done.stderr)
    finally:
        received = receiver.stop() if receiver is not None else count
    return json.loads(done.stdout) / count * 1e6, 1 - received / count


def _cell(values: list[float], form: str) -> str:
    return form.format(statistics.median(values)) if values else "not installed"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=50_000, help="spans of each run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each")
    for hidden in ("--application", "--row", "--receive"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--pauses", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.receive:
        return RECEIVERS[given.receive]()
    if given.application:
        application(given.application, given.row, given.port, given.spans, pauses=given.pauses)
        return 0
    print(f"{'':26} {'CPU of the process, µs/span':^37}   {'lost in a tight loop':^22}")
    print(f"{'':26} {'upstream':>13} {'ours':>13} {'ratio':>9}   {'upstream':>13} {'ours':>8}")
    floors = {
        "no processor": "floor",
        "SDK batch processor alone": "null",
        "our batch processor alone": "null, ours",
    }
    for name, whose in floors.items():
        figures = [_run(whose, "", given.spans, pauses=True) for _ in range(given.rounds)]
        print(f"{name:26} {_cell([cpu for cpu, _ in filter(None, figures)], '{:.1f}'):>13}")
    for name in ROWS:
        cpu: dict[str, list[float]] = {"upstream": [], "ours": []}
        lost: dict[str, list[float]] = {"upstream": [], "ours": []}
        for _ in range(given.rounds):
            for whose in cpu:
                for pauses, into, index in ((True, cpu, 0), (False, lost, 1)):
                    figure = _run(whose, name, given.spans, pauses=pauses)
                    if figure is not None:
                        into[whose].append(figure[index])
        ratio = ""
        if cpu["upstream"]:
            factor = statistics.median(cpu["upstream"]) / statistics.median(cpu["ours"])
            ratio = f"{factor:.1f}x"
        cells = [_cell(cpu[whose], "{:.1f}") for whose in cpu]
        cells += [_cell(lost[whose], "{:.1%}") for whose in lost]
        print(
            f"{name:26} {cells[0]:>13} {cells[1]:>13} {ratio:>9}   {cells[2]:>13} {cells[3]:>8}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
