"""What the sampler costs: a request that is sampled, is not, and is excluded, ours and the SDK's.

A request is what an ASGI server makes of one: a server span with the attributes that
OpenTelemetry's middleware gives it, and three spans below it. Nothing is exported. All rows take
turns in one process. Prints the minimum and the median in microseconds per request, and the ratio
of the medians to what an unsampled one costs with the SDK's ``ParentBased(TraceIdRatioBased)``. Run
it as ``python benchmarks/sampling.py``.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping
from typing import Any

from attrs import frozen
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Tracer

from bentotrace.config.options import TracingOptions
from bentotrace.config.rates import RouteRate
from bentotrace.pipeline.sampler import make_sampler

PREDICT, HEALTHZ = "/api/v1/predict", "/healthz"


@frozen
class Row:
    """One kind of request, and who decides on it."""

    name: str
    sampler: Sampler
    path: str = PREDICT


def _ours(rate: float, *excluded: str, rates: tuple[RouteRate, ...] = ()) -> Sampler:
    return make_sampler(
        TracingOptions(sample_rate=rate, excluded_urls=excluded, sample_rates=rates)
    )


def _rows() -> list[Row]:
    paths = ("/healthz", "/livez", "/metrics")
    routes = (RouteRate("/checkout", 1.0), RouteRate("/api/v1/predict", 0.0))
    return [
        Row("SDK, unsampled", ParentBased(TraceIdRatioBased(0.0))),
        Row("unsampled", _ours(0.0)),
        Row("unsampled, three paths excluded", _ours(0.0, *paths)),
        Row("unsampled by a rate of its own", _ours(1.0, rates=routes)),
        Row("excluded, by the first of three paths", _ours(1.0, *paths), HEALTHZ),
        Row("excluded, by the last of three paths", _ours(1.0, *paths[1:], HEALTHZ), HEALTHZ),
        Row("excluded, searched in the URL", _ours(1.0, "livez", "healthz"), HEALTHZ),
        Row("SDK, sampled", ParentBased(TraceIdRatioBased(1.0))),
        Row("sampled", _ours(1.0)),
        Row("sampled, three paths excluded", _ours(1.0, *paths)),
    ]


def attributes_of(path: str) -> Mapping[str, Any]:
    """Give what OpenTelemetry's ASGI middleware starts a server span with."""
    return {
        "http.scheme": "http",
        "http.host": "127.0.0.1:3000",
        "net.host.port": 3000,
        "http.flavor": "1.1",
        "http.target": path,
        "http.url": f"http://127.0.0.1:3000{path}",
        "http.method": "POST",
        "http.server_name": "127.0.0.1:3000",
        "http.user_agent": "python-httpx/0.28.1",
        "net.peer.ip": "127.0.0.1",
        "net.peer.port": 50412,
    }


def request(tracer: Tracer, attributes: Mapping[str, Any]) -> None:
    """Make the spans of one request."""
    with tracer.start_as_current_span("POST", kind=SpanKind.SERVER, attributes=attributes):
        for name in ("receive", "predict", "send"):
            with tracer.start_as_current_span(name):
                pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100, help="requests of each turn")
    parser.add_argument("--rounds", type=int, default=300, help="turns of each row")
    given = parser.parse_args()
    rows = [
        (row, TracerProvider(sampler=row.sampler, shutdown_on_exit=False).get_tracer("benchmark"))
        for row in _rows()
    ]
    taken: dict[str, list[float]] = {row.name: [] for row, _ in rows}
    for _ in range(given.rounds):
        for row, tracer in rows:
            attributes = attributes_of(row.path)
            before = time.perf_counter()
            for _ in range(given.requests):
                request(tracer, attributes)
            taken[row.name].append((time.perf_counter() - before) / given.requests * 1e6)
    base = statistics.median(taken[rows[0][0].name])
    print("| request | min / median, µs | ratio |")
    print("| --- | --- | --- |")
    for name, turns in taken.items():
        median = statistics.median(turns)
        print(f"| {name} | {min(turns):.1f} / {median:.1f} | {median / base:.2f}x |")


if __name__ == "__main__":
    main()
