"""The batches that the benchmarks encode, the same in every run.

The SDK creates them, or bentotrace's lean spans are created with the same content.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import (
    ReadableSpan,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
    TracerProvider,
)
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from bentotrace.spans import LeanProcessors, LeanSpanProcessor, LeanTracer

__all__ = ["BATCHES", "high_cardinality", "low_cardinality", "realistic"]

COUNT = 512
_START = 1_700_000_000_000_000_000
_MILLISECOND = 1_000_000

_ROUTES = [
    ("GET", "/"),
    ("GET", "/healthz"),
    ("GET", "/models"),
    ("GET", "/models/{model}"),
    ("POST", "/classify"),
    ("POST", "/classify/batch"),
    ("POST", "/embed"),
    ("DELETE", "/models/{model}"),
]
_STATUSES = [200, 200, 200, 200, 200, 201, 204, 304, 404, 500]
_AGENTS = [
    "python-httpx/0.27.2",
    "curl/8.9.1",
    "kube-probe/1.30",
    "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/129.0.0.0 Safari/537.36",
]
_WORDS = ["setosa", "versicolor", "virginica", "Ärger", "naïve", "北京", "Ünïcode", "🌸"]


def realistic(count: int = COUNT, *, lean: bool = False) -> Sequence[ReadableSpan]:
    """Make server spans of a web service: 8 to 12 attributes, one event, a resource of five."""
    random = Random(1)

    def span(tracer: Tracer, start: int) -> None:
        method, route = random.choice(_ROUTES)
        status = random.choice(_STATUSES)
        name = f"model-{random.randrange(40)}"
        attributes: dict[str, Any] = {
            "http.request.method": method,
            "http.route": route,
            "url.scheme": "https",
            "url.path": route.replace("{model}", name),
            "server.address": "iris.example.com",
            "server.port": 8443,
            "network.protocol.version": "1.1",
            "http.response.status_code": status,
        }
        extra = {
            "client.address": f"10.{random.randrange(4)}.{random.randrange(256)}.9",
            "user_agent.original": random.choice(_AGENTS),
            "http.response.body.size": random.randrange(20, 60_000),
            "iris.confidence": random.random(),
            "cache.hit": random.random() < 0.3,
        }
        for key in random.sample(sorted(extra), random.randrange(5)):
            attributes[key] = extra[key]
        duration = random.randrange(1, 400) * _MILLISECOND
        event = {"queue.length": random.randrange(30), "worker": f"worker-{random.randrange(8)}"}
        error = status >= 500
        _end(tracer, f"{method} {route}", start, duration, attributes, event, error=error)

    return _collect(random, count, span, lean=lean)


def low_cardinality(count: int = COUNT, *, lean: bool = False) -> Sequence[ReadableSpan]:
    """Make spans that differ in hardly more than ids and times."""
    random = Random(2)

    def span(tracer: Tracer, start: int) -> None:
        attributes: dict[str, Any] = {
            "http.request.method": "POST",
            "http.route": "/classify",
            "url.scheme": "http",
            "url.path": "/classify",
            "server.address": "localhost",
            "server.port": 3000,
            "http.response.status_code": 200,
            "network.protocol.version": "1.1",
            "cache.hit": random.random() < 0.5,
        }
        event = {"queue.length": random.randrange(3), "worker": "worker-1"}
        _end(tracer, "POST /classify", start, 5 * _MILLISECOND, attributes, event)

    return _collect(random, count, span, lean=lean)


def high_cardinality(count: int = COUNT, *, lean: bool = False) -> Sequence[ReadableSpan]:
    """Make spans in which every value occurs once, long and unlike one another."""
    random = Random(3)

    def text(longest: int) -> str:
        length = random.randrange(8, longest)
        return " ".join(random.choice(_WORDS) for _ in range(length // 6 + 1))[:length]

    def span(tracer: Tracer, start: int) -> None:
        user = f"{random.getrandbits(128):032x}"
        attributes: dict[str, Any] = {
            "enduser.id": user,
            "session.id": f"{random.getrandbits(128):032x}",
            "url.full": f"https://iris.example.com/users/{user}?token={random.getrandbits(64):x}",
            "db.query.text": text(400),
            "request.note": text(120),
            "request.started": _START + random.getrandbits(50),
            "request.offset": -random.getrandbits(40),
            "request.body.size": random.getrandbits(30),
            "iris.measures": [random.random() for _ in range(4)],
            "iris.confidence": random.random(),
            f"feature.{random.randrange(2000)}": random.random(),
        }
        event = {"exception.message": text(200), "attempt": random.getrandbits(20)}
        name = f"GET /users/{user[:12]}"
        _end(tracer, name, start, random.getrandbits(30), attributes, event)

    return _collect(random, count, span, lean=lean)


BATCHES: dict[str, Callable[..., Sequence[ReadableSpan]]] = {
    "realistic": realistic,
    "low cardinality": low_cardinality,
    "high cardinality": high_cardinality,
}


def _end(
    tracer: Tracer,
    name: str,
    start: int,
    duration: int,
    attributes: dict[str, Any],
    event: dict[str, Any],
    error: bool = False,
) -> None:
    span = tracer.start_span(name, kind=SpanKind.SERVER, attributes=attributes, start_time=start)
    span.add_event("dequeued", event, timestamp=start + duration // 3)
    if error:
        span.set_status(StatusCode.ERROR, "the model did not answer")
    span.end(start + duration)


class _SeededIds(IdGenerator):
    def __init__(self, random: Random) -> None:
        self._random = random

    def generate_span_id(self) -> int:
        return self._random.getrandbits(64) or 1

    def generate_trace_id(self) -> int:
        return self._random.getrandbits(128) or 1


class _Collector(SpanProcessor):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


class _LeanCollector(_Collector, LeanSpanProcessor):
    """Gets lean spans, as bentotrace's own processor does."""


def _collect(
    random: Random, count: int, make: Callable[[Tracer, int], None], *, lean: bool
) -> Sequence[ReadableSpan]:
    resource = Resource(
        {
            "service.name": "iris",
            "service.version": "1.4.2",
            "service.namespace": "shop",
            "deployment.environment.name": "production",
            "host.name": "worker-7f9c",
        }
    )
    collector = _LeanCollector() if lean else _Collector()
    processors = LeanProcessors() if lean else SynchronousMultiSpanProcessor()
    processors.add_span_processor(collector)
    # Ids of their own sequence: the attributes stay the same when the SDK draws another number.
    ids = _SeededIds(Random(random.getrandbits(32)))
    provider = TracerProvider(
        resource=resource,
        id_generator=ids,
        active_span_processor=processors,
        shutdown_on_exit=False,
    )
    tracer = provider.get_tracer("opentelemetry.instrumentation.asgi", "0.66b2")
    if lean:
        LeanTracer.adopt(tracer)
    for number in range(count):
        make(tracer, _START + number * _MILLISECOND)
    provider.shutdown()
    return collector.spans
