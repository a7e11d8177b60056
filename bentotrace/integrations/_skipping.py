"""Which requests of an ASGI application need not pass OpenTelemetry's middleware."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from opentelemetry import context as context_api
from opentelemetry import propagate
from opentelemetry.instrumentation.asgi import get_host_port_url_tuple
from opentelemetry.instrumentation.propagators import get_global_response_propagator
from opentelemetry.metrics import get_meter_provider
from opentelemetry.trace import TracerProvider

from bentotrace.integrations._requests import Scope, extract_caller, with_non_recording_span
from bentotrace.pipeline.provider import DisabledProvider, ProcessProvider
from bentotrace.pipeline.sampler import RequestSampler

__all__ = ["find_skipped"]

# OpenTelemetry may remove other characters of a URL from the attributes of a span.
_is_plain = re.compile(r"[\w:/.~%+,=-]+", re.ASCII).fullmatch


def find_skipped(scope: Scope, provider: TracerProvider) -> context_api.Context | None:
    """Return the context for a request that is neither recorded nor measured.

    None leaves the request to OpenTelemetry's middleware: it may be recorded or counted, or is
    served below a span.
    """
    if (
        scope["type"] not in ("http", "websocket")
        or context_api.get_current()
        or get_global_response_propagator() is not None
        # The API's provider, which measures nothing, until another is set.
        or not type(get_meter_provider()).__module__.startswith("opentelemetry.metrics")
    ):
        return None
    if isinstance(provider, ProcessProvider):
        provider = provider.current()
    sampler = getattr(provider, "sampler", None)
    if not isinstance(sampler, RequestSampler):
        return None
    if isinstance(provider, DisabledProvider):
        return extract_caller(scope)
    if not (sampler.drops_requests or _has_caller(scope)):
        return None
    caller = extract_caller(scope)
    request = _describe(scope, sampler.needs_url)
    if request is None or not sampler.drops(caller, request):
        return None
    return with_non_recording_span(caller)


def _has_caller(scope: Scope) -> bool:
    fields = {field.encode("latin-1") for field in propagate.get_global_textmap().fields}
    return any(name in fields for name, _ in scope.get("headers") or ())


def _describe(scope: Scope, with_url: bool) -> Mapping[str, Any] | None:
    """Return the attributes that the sampler matches; None where the middleware's may differ."""
    path = scope.get("path")
    if not path:
        return None
    if not with_url:
        return {"url.path": path}
    url = get_host_port_url_tuple(scope)[2]
    if scope.get("query_string") or _is_plain(url) is None or _has_stable_names_only():
        return None
    return {"url.path": path, "url.full": url}


def _has_stable_names_only() -> bool:
    """Return whether spans have the server's address instead of the requested host."""
    opted_in = os.environ.get("OTEL_SEMCONV_STABILITY_OPT_IN", "").split(",")
    names = {name.strip() for name in opted_in}
    return "http" in names and "http/dup" not in names
