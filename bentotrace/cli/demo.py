"""``bentotrace demo``: a traced service, and its traces as they arrive."""

from __future__ import annotations

import importlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

import bentotrace
from bentotrace.exceptions import BentotraceError

if TYPE_CHECKING:
    from rich.console import Console

    from bentotrace.pipeline.status import DestinationStatus
    from bentotrace.testing import Receiver

__all__ = ["demo"]

_FLOWERS = (
    {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2},
    {"sepal_length": 6.0, "sepal_width": 2.7, "petal_length": 4.4, "petal_width": 1.3},
    {"sepal_length": 6.7, "sepal_width": 3.0, "petal_length": 5.8, "petal_width": 2.2},
)
_WAIT = 10.0
_NEEDED = ("opentelemetry.instrumentation.asgi", "uvicorn")
_NEEDED_TO_RECEIVE = ("google.protobuf", "grpc", "opentelemetry.proto", "thrift")


@frozen
class _Transport:
    """One way to send spans, and the receiver at its other end."""

    name: str
    receiver: Callable[[], Receiver]
    exporter: str
    options: Callable[[Receiver], Mapping[str, Any]]


@click.command()
@click.option(
    "--config",
    "file",
    type=click.Path(),
    help="Send to the backend that this file configures, not to receivers of the demo's own.",
)
@click.option(
    "--requests", default=3, show_default=True, type=click.IntRange(1, 1000), help="How many."
)
def demo(file: str | None, requests: int) -> int:
    """Serve a small traced classifier, send it requests, and show the traces that arrive."""
    # gRPC's core otherwise logs every connection that ends.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().casefold() == "true":
        raise BentotraceError("OTEL_SDK_DISABLED is true, so there is nothing to show; unset it")
    try:
        from rich.console import Console

        for needed in (*_NEEDED, *(_NEEDED_TO_RECEIVE if file is None else ())):
            importlib.import_module(needed)
    except ImportError as error:
        raise BentotraceError(
            f"the demo needs {error.name}; pip install 'bentotrace[demo]'"
        ) from error
    console = Console()
    if file is not None:
        return _to_backend(console, file, requests)
    return _to_receivers(console, requests)


def _transports() -> tuple[_Transport, ...]:
    from bentotrace.testing import (
        JaegerGRPCReceiver,
        JaegerHTTPReceiver,
        JaegerUDPReceiver,
        OTLPGRPCReceiver,
        OTLPHTTPReceiver,
        ZipkinReceiver,
    )

    return (
        _Transport("OTLP over HTTP", OTLPHTTPReceiver, "otlp", _collector("http", "endpoint")),
        _Transport("OTLP over gRPC", OTLPGRPCReceiver, "otlp", _collector("grpc", "endpoint")),
        _Transport("Jaeger over UDP", JaegerUDPReceiver, "jaeger", _agent),
        _Transport(
            "Jaeger over HTTP",
            JaegerHTTPReceiver,
            "jaeger",
            _collector("thrift", "collector_endpoint"),
        ),
        _Transport(
            "Jaeger over gRPC",
            JaegerGRPCReceiver,
            "jaeger",
            _collector("grpc", "collector_endpoint"),
        ),
        _Transport(
            "Zipkin", ZipkinReceiver, "zipkin", lambda receiver: {"endpoint": receiver.endpoint}
        ),
    )


def _collector(protocol: str, option: str) -> Callable[[Receiver], Mapping[str, Any]]:
    return lambda receiver: {"protocol": protocol, option: receiver.endpoint}


def _agent(receiver: Receiver) -> Mapping[str, Any]:
    return {"thrift": {"agent_host_name": receiver.host, "agent_port": receiver.port}}


def _to_receivers(console: Console, requests: int) -> int:
    from bentotrace.cli.waterfall import waterfall
    from bentotrace.config.load import load_config
    from bentotrace.pipeline.build import build_tracing

    # Only what the demo itself says counts here, whatever the environment holds.
    os.environ.update(no_proxy="127.0.0.1", no_grpc_proxy="127.0.0.1")
    counts = []
    for transport in _transports():
        with transport.receiver() as receiver:
            options: dict[str, Any] = {
                "sample_rate": 1.0,
                "resource": {"attributes": {"service.name": "iris"}},
                "exporter_type": transport.exporter,
                transport.exporter: transport.options(receiver),
            }
            with build_tracing(load_config({}, environ={}, overrides=options)) as tracing:
                _serve_and_ask(tracing, requests)
                tracing.flush(_WAIT)
                counts.append((transport.name, tracing.status().destinations[0]))
            traces: dict[str, list[Any]] = {}
            for span in receiver.wait(counts[-1][1].exported, timeout=_WAIT):
                traces.setdefault(span.trace_id, []).append(span)
        console.print(f"[bold]{transport.name}[/] to {receiver.endpoint}")
        if not traces:
            console.print("nothing arrived")
            continue
        trace_id, trace = next(iter(traces.items()))
        console.print(
            f"{len(traces)} traces of service {trace[0].service_name} arrived; "
            f"one of them, {trace_id}:"
        )
        console.print(waterfall(trace, ascii_only=console.options.ascii_only))
    return _summary(console, counts)


def _to_backend(console: Console, file: str, requests: int) -> int:
    from rich.markup import escape

    with bentotrace.build(file) as tracing:
        if not tracing.config.exporters:
            raise BentotraceError(f"{file} selects no exporter; set exporter_type")
        if tracing.config.options.effective_rate == 0:
            raise BentotraceError(f"{file} records no trace; set sample_rate: 1.0")
        _serve_and_ask(tracing, requests)
        tracing.flush(_WAIT)
        destinations = tracing.status().destinations
    for status in destinations:
        console.print(f"[bold]{status.exporter}[/] to {escape(status.endpoint)}")
    return _summary(console, [(status.exporter, status) for status in destinations])


def _serve_and_ask(tracing: bentotrace.Tracing, requests: int) -> None:
    from urllib.parse import urlencode

    import urllib3
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    from bentotrace.cli.classifier import Classifier

    tracer = tracing.provider.get_tracer("bentotrace.demo", bentotrace.__version__)
    app = OpenTelemetryMiddleware(Classifier(tracer), tracer_provider=tracing.provider)
    with _server(app) as url, urllib3.PoolManager(retries=False, timeout=_WAIT) as client:
        for number in range(requests):
            query = urlencode(_FLOWERS[number % len(_FLOWERS)])
            answer = client.request("GET", f"{url}/classify?{query}")
            if answer.status != 200:
                raise BentotraceError(f"the demo's service answered {answer.status}")


@contextmanager
def _server(app: Any) -> Iterator[str]:
    """Serve an ASGI application on a free port of the loopback interface."""
    import uvicorn

    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off")
    )
    thread = threading.Thread(target=server.run, name="bentotrace-demo", daemon=True)
    thread.start()
    deadline = time.monotonic() + _WAIT
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise BentotraceError("the demo's service did not start")
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(_WAIT)


def _summary(console: Console, counts: list[tuple[str, DestinationStatus]]) -> int:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title="spans", title_justify="left")
    table.add_column("transport")
    headings = ["ended", "exported", "failed", "dropped", "pending"]
    # Only where something is kept on disk, or came from there.
    headings += [
        heading
        for heading in ("spooled", "recovered")
        if any(getattr(status, heading) for _, status in counts)
    ]
    for heading in headings:
        table.add_column(heading, justify="right")
    lost = 0
    for name, status in counts:
        lost += status.failed + status.dropped + status.pending
        table.add_row(name, *(str(getattr(status, heading)) for heading in headings))
    console.print(table)
    for name, status in counts:
        if status.last_error is not None:
            console.print(f"[red]{name}[/]: {escape(status.last_error.reason)}")
    return 1 if lost else 0
