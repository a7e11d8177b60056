"""Patterns match what they match in the middleware's attributes, where it sees no request."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from bentotrace.pipeline.urls import URLPatterns

pytest.importorskip("opentelemetry.instrumentation.asgi", reason="the extra asgi is not installed")

from opentelemetry.instrumentation.asgi import collect_request_attributes

from bentotrace.integrations._skipping import _describe

MODE = inspect.signature(collect_request_attributes).parameters["sem_conv_opt_in_mode"]
NAMES = [names for names in type(MODE.default) if names.value in ("default", "http", "http/dup")]

PATTERNS = [
    "/healthz",
    "healthz",
    "z$",
    "/$",
    "shop",
    r"\.test:8000/",
    "sig=1",
    "secret",
    "^/",
    "//",
]


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize(
    "scope",
    [
        {"path": "/healthz"},
        {"path": ""},
        {"path": "//shop/cart", "query_string": b"a=%2Fhealthz"},
        {"path": "/cart?healthz#"},
        {"path": "/he\nalthz;"},
        {"path": "/cart", "headers": [(b"host", b"shop.test")]},
        {"path": "/cart", "headers": [(b"host", b"me:secret@shop.test:8000")], "scheme": "https"},
        {"path": "/cart", "server": None},
        {"path": "/cart", "server": ("shop.test", 80), "query_string": b"sig=1"},
    ],
)
def test_patterns_match_what_they_match_in_the_attributes_of_the_middleware(
    scope: dict[str, Any], names: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", names.value)
    scope = {"type": "http", "method": "GET", "scheme": "http", "headers": [], **scope}
    given = collect_request_attributes(scope, names)
    for pattern in PATTERNS:
        patterns = URLPatterns([pattern])
        described = _describe(scope, patterns.need_url)
        # Else the middleware, and so the sampler, sees the request.
        if described is not None:
            assert patterns.find(described) == patterns.find(given), pattern
