"""``bentotrace demo``: run a traced service, and print its traces as they arrive."""

from __future__ import annotations

import importlib
import json
import math
import os
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import click
from opentelemetry import trace

import bentotrace
from bentotrace.cli.viewer import Stop, open_page, require_viewer, start_viewer
from bentotrace.exceptions import BentotraceError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from bentotrace.delivery.status import DestinationStatus
    from bentotrace.testing import ReceivedSpan, Receiver

__all__ = ["demo"]

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]

_FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
# Mean sizes in cm of Fisher's three species (1936), in the order of the features.
_CENTROIDS: Mapping[str, tuple[float, ...]] = {
    "setosa": (5.006, 3.428, 1.462, 0.246),
    "versicolor": (5.936, 2.770, 4.260, 1.326),
    "virginica": (6.588, 2.974, 5.552, 2.026),
}
_FLOWERS = ((5.1, 3.5, 1.4, 0.2), (6.0, 2.7, 4.4, 1.3), (6.7, 3.0, 5.8, 2.2))

_WAIT = 10.0
_NEEDED = ("opentelemetry.instrumentation.asgi", "uvicorn")
_NEEDED_TO_RECEIVE = ("google.protobuf", "grpc", "opentelemetry.proto", "thrift")
_BAR_WIDTH = 24
_ASCII = str.maketrans("├└│─━", "|`|-=")


@click.command()
@click.option(
    "--config",
    "file",
    type=click.Path(),
    help="Send to the backend of this file, not to the demo's own receivers.",
)
@click.option(
    "--requests",
    default=3,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Number of requests.",
)
@click.option("--ui", "show", is_flag=True, help="Show the traces in the browser.")
@click.option("--no-open", is_flag=True, help="With --ui, do not open the browser.")
def demo(file: str | None, requests: int, show: bool, no_open: bool) -> int:
    """Serve a small traced classifier, send it requests, and show the traces that arrive."""
    if show and file is not None:
        raise click.UsageError("--ui and --config exclude each other")
    # gRPC's core otherwise logs every connection that ends.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().casefold() == "true":
        raise BentotraceError("tracing is disabled by OTEL_SDK_DISABLED=true; unset it")
    try:
        from rich.console import Console

        own = file is None and not show
        for needed in (*_NEEDED, *(_NEEDED_TO_RECEIVE if own else ())):
            importlib.import_module(needed)
    except ImportError as error:
        raise BentotraceError(
            f"the demo needs {error.name}; pip install 'bentotrace[demo]'"
        ) from error
    console = Console()
    if file is not None:
        return _to_backend(console, file, requests)
    if show:
        return _to_viewer(console, requests, no_open=no_open)
    return _to_receivers(console, requests)


class _Classifier:
    """Respond to ``GET /classify?sepal_length=…`` with the species whose mean is nearest."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    async def __call__(self, scope: Mapping[str, Any], receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            return
        try:
            features = self._features(scope["query_string"].decode("latin-1"))
        except ValueError as error:
            await _respond(send, 422, {"error": str(error)})
            return
        species, distances = self._predict(features)
        await _respond(send, 200, {"species": species, "distances": distances})

    def _features(self, query: str) -> tuple[float, ...]:
        with self._tracer.start_as_current_span("read features") as span:
            values = dict(parse_qsl(query))
            missing = [name for name in _FEATURES if name not in values]
            if missing:
                raise ValueError(f"missing: {', '.join(missing)}")
            features = tuple(float(values[name]) for name in _FEATURES)
            span.set_attribute("iris.features", features)
            return features

    def _predict(self, features: tuple[float, ...]) -> tuple[str, dict[str, float]]:
        with self._tracer.start_as_current_span("predict") as span:
            distances = {}
            for species, centroid in _CENTROIDS.items():
                with self._tracer.start_as_current_span(f"distance to {species}"):
                    distances[species] = round(math.dist(features, centroid), 3)
            nearest = min(distances, key=distances.__getitem__)
            span.add_event("classified", {"iris.distance": distances[nearest]})
            span.set_attribute("iris.species", nearest)
            return nearest, distances


async def _respond(send: _Send, status: int, content: Mapping[str, Any]) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(content).encode()})


def _transports() -> Iterator[tuple[str, Receiver, str, Mapping[str, Any]]]:
    """Start a receiver for each transport, one after the other, and yield how to send to it.

    Yields:
        The transport's name, the receiver, the exporter type, and the exporter's options.
    """
    from bentotrace import testing

    with testing.OTLPHTTPReceiver() as http:
        yield "OTLP over HTTP", http, "otlp", {"protocol": "http", "endpoint": http.endpoint}
    with testing.OTLPGRPCReceiver() as grpc:
        yield "OTLP over gRPC", grpc, "otlp", {"protocol": "grpc", "endpoint": grpc.endpoint}
    with testing.JaegerUDPReceiver() as agent:
        thrift = {"agent_host_name": agent.host, "agent_port": agent.port}
        yield "Jaeger over UDP", agent, "jaeger", {"thrift": thrift}
    with testing.JaegerHTTPReceiver() as collector:
        options = {"protocol": "thrift", "collector_endpoint": collector.endpoint}
        yield "Jaeger over HTTP", collector, "jaeger", options
    with testing.JaegerGRPCReceiver() as collector_grpc:
        options = {"protocol": "grpc", "collector_endpoint": collector_grpc.endpoint}
        yield "Jaeger over gRPC", collector_grpc, "jaeger", options
    with testing.ZipkinReceiver() as zipkin:
        yield "Zipkin", zipkin, "zipkin", {"endpoint": zipkin.endpoint}


def _send(exporter: str, section: Mapping[str, Any], requests: int) -> DestinationStatus:
    """Serve the requests, export their spans, and return the counts."""
    from bentotrace.config.load import load_config
    from bentotrace.pipeline.build import build_tracing

    # The proxy variables of the environment do not apply to the demo.
    os.environ.update(no_proxy="127.0.0.1", no_grpc_proxy="127.0.0.1")
    options: dict[str, Any] = {
        "sample_rate": 1.0,
        "resource": {"attributes": {"service.name": "iris"}},
        "exporter_type": exporter,
        exporter: section,
    }
    with build_tracing(load_config({}, environ={}, overrides=options)) as tracing:
        _serve_and_request(tracing, requests)
        tracing.flush(_WAIT)
        return tracing.status().destinations[0]


def _to_viewer(console: Console, requests: int, *, no_open: bool) -> int:
    """Send over each transport to the viewer, and keep it open until Ctrl-C."""
    require_viewer()
    with Stop() as stop, start_viewer() as viewer:

        def url(name: str, path: str = "") -> str:
            return f"http://127.0.0.1:{viewer.port(name)}{path}"

        thrift = {"agent_host_name": "127.0.0.1", "agent_port": viewer.port("jaeger_udp")}
        otlp_http = {"protocol": "http", "endpoint": url("otlp_http", "/v1/traces")}
        otlp_grpc = {"protocol": "grpc", "endpoint": url("otlp_grpc")}
        jaeger_http = {
            "protocol": "thrift",
            "collector_endpoint": url("jaeger_http", "/api/traces"),
        }
        jaeger_grpc = {"protocol": "grpc", "collector_endpoint": url("jaeger_grpc")}
        ways: list[tuple[str, str, Mapping[str, Any]]] = [
            ("OTLP over HTTP", "otlp", otlp_http),
            ("OTLP over gRPC", "otlp", otlp_grpc),
            ("Jaeger over UDP", "jaeger", {"thrift": thrift}),
            ("Jaeger over HTTP", "jaeger", jaeger_http),
            ("Jaeger over gRPC", "jaeger", jaeger_grpc),
            ("Zipkin", "zipkin", {"endpoint": url("zipkin", "/api/v2/spans")}),
        ]
        counts = [(name, _send(exporter, section, requests)) for name, exporter, section in ways]
        code = _summary(console, counts)
        console.print(f"the traces are at {viewer.url}; press Ctrl-C to stop")
        if not no_open:
            open_page(viewer.url)
        stop.wait()
        return code


def _to_receivers(console: Console, requests: int) -> int:
    counts = []
    for name, receiver, exporter, section in _transports():
        counts.append((name, _send(exporter, section, requests)))
        traces: dict[str, list[ReceivedSpan]] = {}
        for span in receiver.wait(counts[-1][1].exported, timeout=_WAIT):
            traces.setdefault(span.trace_id, []).append(span)
        console.print(f"[bold]{name}[/] to {receiver.endpoint}")
        if not traces:
            console.print("no span arrived")
            continue
        trace_id, spans = next(iter(traces.items()))
        console.print(
            f"{len(traces)} traces of service {spans[0].service_name} arrived; "
            f"one of them, {trace_id}:"
        )
        console.print(_waterfall(spans, ascii_only=console.options.ascii_only))
    return _summary(console, counts)


def _to_backend(console: Console, file: str, requests: int) -> int:
    from rich.markup import escape

    with bentotrace.build(file) as tracing:
        if not tracing.config.exporters:
            raise BentotraceError(f"{file} selects no exporter; set exporter_type")
        if tracing.config.options.effective_rate == 0:
            raise BentotraceError(f"{file} records no trace; set sample_rate: 1.0")
        _serve_and_request(tracing, requests)
        tracing.flush(_WAIT)
        destinations = tracing.status().destinations
    for status in destinations:
        console.print(f"[bold]{status.exporter}[/] to {escape(status.endpoint)}")
    return _summary(console, [(status.exporter, status) for status in destinations])


def _serve_and_request(tracing: bentotrace.Tracing, requests: int) -> None:
    from http.client import HTTPConnection

    from bentotrace.integrations.asgi import TracingMiddleware

    tracer = tracing.provider.get_tracer("bentotrace.demo", bentotrace.__version__)
    app = TracingMiddleware(_Classifier(tracer), tracing)
    with _server(app) as port, closing(HTTPConnection("127.0.0.1", port, _WAIT)) as client:
        for number in range(requests):
            flower = _FLOWERS[number % len(_FLOWERS)]
            client.request(
                "GET", f"/classify?{urlencode(dict(zip(_FEATURES, flower, strict=True)))}"
            )
            response = client.getresponse()
            response.read()
            if response.status != 200:
                raise BentotraceError(f"the demo's service responded {response.status}")


@contextmanager
def _server(app: Any) -> Iterator[int]:
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
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(_WAIT)


def _waterfall(spans: Sequence[ReceivedSpan], *, ascii_only: bool) -> Table:
    """Draw the spans of one trace, parents above their children, over a common time axis."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    letters = _ASCII if ascii_only else {}
    start = min(span.start_ns for span in spans)
    length = max(max(span.end_ns for span in spans) - start, 1)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    table.add_column("span", overflow="ellipsis", no_wrap=True)
    table.add_column("kind", style="dim", no_wrap=True)
    table.add_column("time", no_wrap=True, width=_BAR_WIDTH)
    table.add_column("ms", justify="right", no_wrap=True)
    for span, branch in _depth_first(spans):
        name = Text(branch.translate(letters), style="dim")
        name += Text(span.name, style="" if branch else "bold")
        left = min((span.start_ns - start) * _BAR_WIDTH // length, _BAR_WIDTH - 1)
        width = max((span.end_ns - span.start_ns) * _BAR_WIDTH // length, 1)
        dashes = "━".translate(letters) * min(width, _BAR_WIDTH - left)
        color = "red" if span.status == "error" else "cyan" if span.kind == "server" else "green"
        bar = Text(" " * left) + Text(dashes, style=color)
        table.add_row(name, span.kind, bar, f"{(span.end_ns - span.start_ns) / 1e6:.2f}")
    return table


def _depth_first(spans: Sequence[ReceivedSpan]) -> Iterator[tuple[ReceivedSpan, str]]:
    children: dict[str | None, list[ReceivedSpan]] = defaultdict(list)
    known = {span.span_id for span in spans}
    for span in sorted(spans, key=lambda span: span.start_ns):
        children[span.parent_id if span.parent_id in known else None].append(span)

    def walk(parent: str | None, indent: str) -> Iterator[tuple[ReceivedSpan, str]]:
        siblings = children[parent]
        for span in siblings:
            last = span is siblings[-1]
            root = parent is None
            yield span, "" if root else f"{indent}{'└─ ' if last else '├─ '}"
            yield from walk(span.span_id, indent if root else f"{indent}{'   ' if last else '│  '}")

    return walk(None, "")


def _summary(console: Console, counts: list[tuple[str, DestinationStatus]]) -> int:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title="spans", title_justify="left")
    table.add_column("transport")
    headings = ["ended", "exported", "failed", "dropped", "pending"]
    # Non-zero only with a spool.
    headings += [
        heading
        for heading in ("spooled", "recovered")
        if any(getattr(status, heading) for _, status in counts)
    ]
    for heading in headings:
        table.add_column(heading, justify="right")
    for name, status in counts:
        table.add_row(name, *(str(getattr(status, heading)) for heading in headings))
    console.print(table)
    for name, status in counts:
        if status.last_error is not None:
            console.print(f"[red]{name}[/]: {escape(status.last_error.reason)}")
    return 1 if any(s.failed or s.dropped or s.pending for _, s in counts) else 0
