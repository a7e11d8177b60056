"""How the cost of a span grows with what is in it, ours and upstream's, in turns in one process.

A span is created, ended and encoded, with more and more attributes, events, longer or deeper
values, or more threads that create spans at once. Prints, for each wire format, the minimum of CPU
time in microseconds per span, and how many times as long upstream takes. Then it prints what each
further attribute, event, level, item or 1,024 characters cost, below and above the second largest
size: the same where the cost is linear. Run it as ``python benchmarks/growth.py``.
"""

from __future__ import annotations

import argparse
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen
from encode import ROWS, Encode
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, Tracer
from spans import realistic

from bentotrace.pipeline.provider import ProcessProvider
from bentotrace.spans import LeanSpanProcessor

_VARIANTS = 32
_RESOURCE = Resource({"service.name": "iris", "host.name": "worker-7f9c"})
_FEW = {"http.request.method": "GET", "http.route": "/models", "server.port": 8443, "hit": True}
# Fewer spans per round where each of them is large; at least two.
_SPANS = 320

Span = tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]
"""The attributes of a span, and those of each of its events."""


@frozen
class Axis:
    """One thing that grows.

    Attributes:
        name: what it is.
        sizes: the measured sizes, the first the smallest.
        make: returns one of several variants of a span of a size.
        weight: how many spans of the smallest size cost as much as one of this size, about.
        unit: the size by which the growth is shown; 0 where it is not.
        threads: whether the size is a number of threads.
    """

    name: str
    sizes: tuple[int, ...]
    make: Callable[[int, int], Span]
    weight: Callable[[int], float]
    unit: int = 1
    threads: bool = False


def _value(number: int, variant: int) -> Any:
    values = (f"value-{variant}", variant * 1_000_003, variant / 7, variant % 2 == 0)
    return values[number % 4]


def _attributes(count: int, variant: int) -> Span:
    return {f"attribute.{number}": _value(number, variant) for number in range(count)}, ()


def _events(count: int, variant: int) -> Span:
    return _FEW, [{"queue.length": variant, "worker": f"worker-{variant}"}] * count


def _length(length: int, variant: int) -> Span:
    return {**_FEW, "text": f"{variant:08x}" * (length // 8)}, ()


def _items(count: int, variant: int) -> Span:
    return {**_FEW, "measures": [variant + number / 7 for number in range(count)]}, ()


def _depth(depth: int, variant: int) -> Span:
    value: Any = f"value-{variant}"
    for level in range(depth):
        value = {f"level.{level}": value, "number": variant}
    return {**_FEW, "nested": value}, ()


def _one(_threads: int, variant: int) -> Span:
    return _attributes(8, variant)


AXES = (
    Axis("attributes", (0, 8, 32, 64, 128), _attributes, lambda size: 1 + size / 16),
    Axis("events", (0, 1, 8, 32, 64, 128), _events, lambda size: 1 + size / 4),
    Axis(
        "characters of a value", (0, 64, 1024, 8192, 65536), _length, lambda n: 1 + n / 4096, 1024
    ),
    Axis("items of a value", (0, 4, 32, 256, 1024), _items, lambda size: 1 + size / 8),
    Axis("depth of a value", (0, 1, 4, 8, 16), _depth, lambda size: 1 + size / 2),
    Axis("threads", (1, 4, 16), _one, lambda _: 1, unit=0, threads=True),
)


class _Collector(SpanProcessor):
    """Keeps ended spans; as a processor of others, it gets the SDK's."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


class _LeanCollector(_Collector, LeanSpanProcessor):
    """As ours, it gets lean spans."""


class _Way:
    """One way to create and to encode spans."""

    def __init__(self, provider: TracerProvider, collector: _Collector) -> None:
        provider.add_span_processor(collector)
        self.collector = collector
        self.tracer = provider.get_tracer("growth", "1")
        self.encoders: dict[str, Encode] = {}
        self.best: dict[str, float] = {}

    def measure(self, axis: Axis, size: int) -> None:
        """Create, end and encode some spans once, and keep the smallest times."""
        count = max(int(_SPANS / axis.weight(size)), 2)
        variants = [axis.make(size, variant) for variant in range(_VARIANTS)]
        created = self._create(variants, count, size if axis.threads else 1)
        spans, self.collector.spans = self.collector.spans, []
        assert len(spans) == count
        for name, encode in self.encoders.items():
            start = time.thread_time()
            encode(spans)
            took = (created + time.thread_time() - start) / count * 1e6
            self.best[name] = min(took, self.best.get(name, took))

    def _create(self, variants: Sequence[Span], count: int, threads: int) -> float:
        """Return the CPU time of all threads."""
        if threads == 1:
            start = time.thread_time()
            _create(self.tracer, variants, count)
            return time.thread_time() - start
        workers = [
            threading.Thread(target=_create, args=(self.tracer, variants, count // threads))
            for _ in range(threads)
        ]
        start = time.process_time()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return time.process_time() - start


def _create(tracer: Tracer, variants: Sequence[Span], count: int) -> None:
    for number in range(count):
        attributes, events = variants[number % _VARIANTS]
        span = tracer.start_span("GET /models", kind=SpanKind.SERVER, attributes=attributes)
        for event in events:
            span.add_event("dequeued", event)
        span.end()


def _make_ways() -> tuple[_Way, _Way]:
    ours = _Way(
        ProcessProvider(
            {}, resource=_RESOURCE, spans="lean", sampler=ALWAYS_ON, shutdown_on_exit=False
        ),
        _LeanCollector(),
    )
    upstream = _Way(TracerProvider(ALWAYS_ON, _RESOURCE, shutdown_on_exit=False), _Collector())
    for row in ROWS:
        ours.encoders[row.name] = row.ours()
        try:
            encode = row.upstream()
            encode(realistic(1))
        except Exception:
            # An ImportError, or protobuf's TypeError about code that is older than itself.
            continue
        upstream.encoders[row.name] = encode
    return ours, upstream


def _keeps_nested(way: _Way) -> bool:
    """Return whether the SDK keeps nested values, as it does from 1.43 on."""
    way.tracer.start_span("nested", attributes=_depth(1, 0)[0]).end()
    (span,), way.collector.spans = way.collector.spans, []
    return "nested" in (span.attributes or {})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="measurements of each size")
    parser.add_argument("--axis", help="only this axis, by the beginning of its name")
    options = parser.parse_args()
    # Upstream's exporters log every value that they drop.
    logging.disable()
    ours, upstream = _make_ways()
    names = list(ours.encoders)
    print(f"| | size | {' | '.join(names)} |")
    print(f"| --- | --- | {'--- | ' * len(names)}")
    growth = []
    for axis in AXES:
        if not axis.name.startswith(options.axis or ""):
            continue
        if axis.make is _depth and not _keeps_nested(upstream):
            print(f"| {axis.name} | the installed SDK drops nested values |")
            continue
        found: dict[int, dict[str, float]] = {}
        for size in axis.sizes:
            ours.best, upstream.best = {}, {}
            for _ in range(options.rounds):
                ours.measure(axis, size)
                upstream.measure(axis, size)
            found[size] = ours.best
            cells = [
                f"{ours.best[name]:.1f}"
                + (
                    f" ({upstream.best[name] / ours.best[name]:.1f}x)"
                    if name in upstream.best
                    else ""
                )
                for name in names
            ]
            print(f"| {axis.name} | {size} | {' | '.join(cells)} |", flush=True)
        if axis.unit:
            growth.append((axis, found))
    print(f"\n| each further | {' | '.join(names)} |")
    print(f"| --- | {'--- | ' * len(names)}")
    for axis, found in growth:
        low, middle, high = axis.sizes[0], axis.sizes[-2], axis.sizes[-1]
        cells = []
        for name in names:
            first, second = (
                (found[to][name] - found[since][name]) / (to - since) * axis.unit
                for since, to in ((low, middle), (middle, high))
            )
            cells.append(f"{first:.2f}, {second:.2f}")
        print(f"| {f'{axis.unit} ' if axis.unit > 1 else ''}{axis.name} | {' | '.join(cells)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
