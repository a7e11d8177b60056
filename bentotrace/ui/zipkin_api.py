"""Zipkin's query API, version 2."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bentotrace.ui.dependencies import REMOTE
from bentotrace.ui.model import ERROR, KINDS, OK, Span
from bentotrace.ui.query import Comparison, QueryError, Search
from bentotrace.ui.search import find_traces, read_spans
from bentotrace.ui.store import Store
from bentotrace.ui.values import as_text, hex_id
from bentotrace.ui.zipkin import PREFIX
from bentotrace.ui.zipkin_links import read_links

__all__ = ["zipkin_api_routes"]

_DAY = 24 * 3600 * 1000
_LATEST = (1 << 63) - 1
# What Zipkin's page asks its server for.
_PAGE = {
    "environment": "",
    "queryLimit": 10,
    "defaultLookback": 15 * 60 * 1000,
    "searchEnabled": True,
    "dependency": {"enabled": True, "lowErrorRate": 0.5, "highErrorRate": 0.75},
}
_MANY_TRACES = 100
# The newest spans, of which the names of other services are read.
_REMOTES_OF = 100_000


def zipkin_api_routes(store: Store) -> list[Route]:
    """Return the routes below ``/api/v2`` and ``/zipkin``."""

    def services(request: Request) -> Any:
        return _column("SELECT DISTINCT service FROM operations")

    def spans(request: Request) -> Any:
        query = "SELECT DISTINCT name FROM operations WHERE lower(service) = lower(?)"
        return _names_of(query, request)

    def remote_services(request: Request) -> Any:
        query = (
            f"SELECT DISTINCT {REMOTE} FROM spans "
            "WHERE id > (SELECT max(id) FROM spans) - ? AND source IN "
            "(SELECT id FROM sources WHERE lower(service) = lower(?))"
        )
        return _names_of(query, request, _REMOTES_OF)

    def traces(request: Request) -> Any:
        found = find_traces(store, _search(request.query_params))
        return [_trace(summary.trace_id) for summary in found.traces]

    def trace(request: Request) -> Any:
        found = _trace(_trace_id(request.path_params["trace_id"]))
        if not found:
            raise LookupError(request.path_params["trace_id"])
        return found

    def trace_many(request: Request) -> Any:
        ids = [_trace_id(part) for part in _required(request, "traceIds").split(",")]
        if not 1 < len(ids) <= _MANY_TRACES or len(ids) > len(set(ids)):
            raise QueryError(f"traceIds are 2 to {_MANY_TRACES} different ids")
        found = map(_trace, ids)
        return [spans for spans in found if spans]

    def dependencies(request: Request) -> Any:
        _required(request, "endTs")
        after, before = _times(request.query_params)
        return [
            {"parent": link.parent, "child": link.child, "callCount": link.calls}
            | ({"errorCount": link.errors} if link.errors else {})
            for link in read_links(store, after, before)
        ]

    def values(request: Request) -> Any:
        _required(request, "key")
        return []

    def _names_of(query: str, request: Request, *values: object) -> list[str]:
        service = _required(request, "serviceName")
        return _column(query, *values, service) if service else []

    def _column(query: str, *values: object) -> list[str]:
        """Return different names in lower case, as Zipkin has them."""
        with store.read() as connection:
            names = {str(name).lower() for (name,) in connection.execute(query, values)}
        return sorted(names - {""})

    def _trace(trace_id: str) -> list[dict[str, Any]]:
        return [_span(span) for _, span in read_spans(store, trace_id)]

    routes = [
        # Below /zipkin are the same for Zipkin's page.
        Route(f"{prefix}/api/v2/{name}", _endpoint(read))
        for prefix in ("", "/zipkin")
        for name, read in {
            "services": services,
            "spans": spans,
            "remoteServices": remote_services,
            "traces": traces,
            "trace/{trace_id}": trace,
            "traceMany": trace_many,
            "dependencies": dependencies,
            "autocompleteKeys": lambda request: [],
            "autocompleteValues": values,
        }.items()
    ]
    routes.append(Route("/health", _endpoint(lambda request: {"status": "UP"})))
    routes.append(Route("/zipkin/config.json", _endpoint(lambda request: _PAGE)))
    return routes


def _endpoint(read: Callable[[Request], Any]) -> Callable[[Request], Any]:
    def respond(request: Request) -> Response:
        try:
            content = read(request)
        except LookupError as error:
            return Response(f"{error.args[0]} not found", 404, media_type="text/plain")
        except (ValueError, OverflowError) as error:
            return Response(str(error), 400, media_type="text/plain")
        body = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return Response(body.encode("utf-8", "replace"), media_type="application/json")

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(respond, request)

    return endpoint


def _search(parameters: Mapping[str, str]) -> Search:
    attributes: list[Comparison] = []
    statuses: tuple[int, ...] = ()
    for part in filter(None, parameters.get("annotationQuery", "").split(" and ")):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if key == "error" and value in ("", "true"):
            statuses = (ERROR,)
        elif equals:
            attributes.append(Comparison(key, "=", value))
        else:
            attributes.append(Comparison(key, "exists", ""))
    remote = parameters.get("remoteServiceName")
    if remote:
        attributes.append(Comparison("peer.service", "=", remote))
    operation = parameters.get("spanName")
    shortest = _integer(parameters, "minDuration", 0)
    longest = _integer(parameters, "maxDuration", 0)
    if longest and not 0 < shortest <= longest:
        raise QueryError("maxDuration needs a minDuration that is not longer")
    after, before = _times(parameters)
    return Search(
        service=parameters.get("serviceName") or None,
        operation=None if operation in (None, "", "all") else operation,
        statuses=statuses,
        attributes=attributes,
        shortest=shortest * 1000,
        longest=longest * 1000 + 999 if longest else None,
        after=after,
        before=before,
        limit=_integer(parameters, "limit", 10),
        any_case=True,
    )


def _times(parameters: Mapping[str, str]) -> tuple[int, int]:
    """Return the first and the last nanosecond of the requested range."""
    end = _integer(parameters, "endTs", int(time.time() * 1000))
    lookback = _integer(parameters, "lookback", _DAY)
    first, last = max(end - lookback, 0) * 10**6, end * 10**6 + 999_999
    return min(first, _LATEST), min(last, _LATEST)


def _required(request: Request, name: str) -> str:
    if name not in request.query_params:
        raise QueryError(f"the parameter {name} is missing")
    return str(request.query_params[name])


def _trace_id(value: str) -> str:
    trace_id = hex_id(value, 32, "traceId")
    if not trace_id or value != value.lower():
        raise QueryError("traceId is not 16 or 32 hexadecimal digits in lower case")
    return trace_id


def _integer(parameters: Mapping[str, str], name: str, default: int) -> int:
    value = parameters.get(name, "")
    if not value:
        return default
    if not value.isdecimal() or len(value) > 19 or not int(value):
        raise QueryError(f"{name} is not a whole number above 0")
    return int(value)


def _span(span: Span) -> dict[str, Any]:
    own, tags = {}, {}
    for key, value in span.attributes.items():
        if key.startswith(PREFIX):
            own[key.removeprefix(PREFIX)] = value
        else:
            tags[key] = as_text(value)
    # Came as a field of Zipkin's, or is what OpenTelemetry makes that field of.
    remote = tags.pop("peer.service", "")
    if span.status == ERROR:
        tags["error"] = span.status_message or "true"
        # A span without a scope is no OpenTelemetry span, and had no such tag.
        if span.source.scope_name:
            tags["otel.status_code"] = "ERROR"
    elif span.status == OK:
        tags["otel.status_code"] = "OK"
    if span.source.scope_name:
        tags["otel.scope.name"] = span.source.scope_name
    if span.source.scope_version:
        tags["otel.scope.version"] = span.source.scope_version
    kind = KINDS[span.kind].upper()
    found = {
        "traceId": span.trace_id.removeprefix("0" * 16),
        "parentId": span.parent_id,
        "id": span.span_id,
        "kind": "" if kind == "INTERNAL" else kind,
        "name": span.name.lower(),
        "timestamp": span.start // 1000,
        # Zipkin reads no duration of 0.
        "duration": max(span.duration // 1000, 1) if span.duration else 0,
        "localEndpoint": _endpoint_of(span.source.service, "local", own),
        "remoteEndpoint": _endpoint_of(remote, "remote", own),
        "annotations": [
            {"timestamp": event.time // 1000, "value": _annotation(event.name, event.attributes)}
            for event in span.events
        ],
        "tags": tags,
        "debug": own.get("debug"),
        "shared": own.get("shared"),
    }
    return {key: value for key, value in found.items() if value}


def _endpoint_of(service: str, end: str, own: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: own.get(f"{end}.{name}") for name in ("ipv4", "ipv6", "port")}
    found["serviceName"] = service.lower()
    return {key: value for key, value in found.items() if value}


def _annotation(name: str, attributes: Mapping[str, Any]) -> str:
    if not attributes:
        return name
    return json.dumps({name: attributes}, ensure_ascii=False, separators=(",", ":"))
