"""The service that ``bentotrace demo`` traces: an iris classifier behind ASGI."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from opentelemetry import trace

__all__ = ["Classifier"]

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]

FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")

# Mean sepal and petal sizes in cm of Fisher's three species (1936).
_CENTROIDS: Mapping[str, tuple[float, ...]] = {
    "setosa": (5.006, 3.428, 1.462, 0.246),
    "versicolor": (5.936, 2.770, 4.260, 1.326),
    "virginica": (6.588, 2.974, 5.552, 2.026),
}


class Classifier:
    """Answers ``GET /classify?sepal_length=…`` with the species whose mean is nearest."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    async def __call__(self, scope: Mapping[str, Any], receive: _Receive, send: _Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        if scope["path"] != "/classify":
            await _answer(send, 404, {"error": "only /classify is here"})
            return
        try:
            features = self._features(scope["query_string"].decode("latin-1"))
        except ValueError as error:
            await _answer(send, 422, {"error": str(error)})
            return
        species, distances = self._predict(features)
        await _answer(send, 200, {"species": species, "distances": distances})

    def _features(self, query: str) -> tuple[float, ...]:
        with self._tracer.start_as_current_span("read features") as span:
            given = dict(parse_qsl(query))
            missing = [name for name in FEATURES if name not in given]
            if missing:
                raise ValueError(f"missing: {', '.join(missing)}")
            features = tuple(float(given[name]) for name in FEATURES)
            if not all(map(math.isfinite, features)):
                raise ValueError("a feature is not a finite number")
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


async def _answer(send: _Send, status: int, content: Mapping[str, Any]) -> None:
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
