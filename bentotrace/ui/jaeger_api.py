"""Jaeger's query API, as its own page and other clients use it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bentotrace.ui.dependencies import read_dependencies
from bentotrace.ui.model import ERROR, KINDS, OK, UNSET, Span
from bentotrace.ui.query import Comparison, QueryError, Search, parse_duration
from bentotrace.ui.search import find_traces, read_spans, read_summary
from bentotrace.ui.store import Store
from bentotrace.ui.values import as_text, hex_id

__all__ = ["encode_trace", "jaeger_api_routes"]

_MAX_SAFE = (1 << 53) - 1
_DEFAULT_LIMIT = 100
_STATUSES: Mapping[str, Sequence[int]] = {"true": (ERROR,), "false": (UNSET, OK)}


class _Partial(NamedTuple):
    """Traces, and an error for each that is missing."""

    traces: list[dict[str, Any]]
    errors: list[dict[str, Any]]


def jaeger_api_routes(store: Store) -> list[Route]:
    """Return the routes below ``/api``."""

    def services(request: Request) -> Any:
        with store.read() as connection:
            query = "SELECT DISTINCT service FROM operations WHERE service <> '' ORDER BY service"
            return [service for (service,) in connection.execute(query)]

    def operations_of(request: Request) -> Any:
        with store.read() as connection:
            query = "SELECT DISTINCT name FROM operations WHERE service = ? ORDER BY name"
            values = (request.path_params["service"],)
            # Jaeger responds with null for an unknown service.
            return [name for (name,) in connection.execute(query, values)] or None

    def operations(request: Request) -> Any:
        service = request.query_params.get("service", "")
        if not service:
            raise QueryError("parameter 'service' is required")
        wanted = request.query_params.get("spanKind", "")
        with store.read() as connection:
            query = "SELECT name, kind FROM operations WHERE service = ? ORDER BY name, kind"
            found = [
                {"name": name, "spanKind": KINDS[kind]}
                for name, kind in connection.execute(query, (service,))
            ]
        return [item for item in found if not wanted or item["spanKind"] == wanted]

    def traces(request: Request) -> Any:
        parameters = request.query_params
        ids = parameters.getlist("traceID")
        if ids:
            return _named(ids)
        if not parameters.get("service"):
            raise QueryError("parameter 'service' is required")
        found = find_traces(store, _search(parameters))
        return [encode_trace(_spans(summary.trace_id)) for summary in found.traces]

    def trace(request: Request) -> Any:
        trace_id = hex_id(request.path_params["trace_id"], 32, "traceID")
        if read_summary(store, trace_id) is None:
            raise LookupError("trace not found")
        return [encode_trace(_spans(trace_id))]

    def dependencies(request: Request) -> Any:
        end = _integer(request.query_params, "endTs", int(time.time() * 1000))
        lookback = _integer(request.query_params, "lookback", 24 * 3600 * 1000)
        service = request.query_params.get("service")
        return [
            {"parent": call.parent, "child": call.child, "callCount": call.calls}
            for call in read_dependencies(store, (end - lookback) * 10**6, end * 10**6)
            if not service or service in (call.parent, call.child)
        ]

    def _named(ids: Sequence[str]) -> Any:
        """Return the traces of some ids; a missing one is an error beside the others."""
        wanted = [hex_id(trace_id, 32, "traceID") for trace_id in ids]
        if not all(wanted):
            raise QueryError("cannot parse traceID param: it is empty")
        found = {trace_id: _spans(trace_id) for trace_id in wanted}
        return _Partial(
            [encode_trace(spans) for spans in found.values() if spans],
            [
                {"msg": "trace not found", "traceID": _short_id(trace_id)}
                for trace_id, spans in found.items()
                if not spans
            ],
        )

    def _spans(trace_id: str) -> list[Span]:
        return [span for _, span in read_spans(store, trace_id)]

    return [
        Route("/api/services", _endpoint(services)),
        Route("/api/services/{service:path}/operations", _endpoint(operations_of)),
        Route("/api/operations", _endpoint(operations)),
        Route("/api/traces", _endpoint(traces, counted=False)),
        Route("/api/traces/{trace_id}", _endpoint(trace, counted=False)),
        Route("/api/dependencies", _endpoint(dependencies, counted=False)),
    ]


def _endpoint(read: Callable[[Request], Any], counted: bool = True) -> Callable[[Request], Any]:
    def respond(request: Request) -> Response:
        data: Any = None
        errors: list[dict[str, Any]] | None = None
        status = 200
        try:
            data = read(request)
            if isinstance(data, _Partial):
                data, errors = data.traces, data.errors or None
        except LookupError as error:
            status, errors = 404, [{"code": 404, "msg": str(error.args[0])}]
        except (ValueError, OverflowError) as error:
            status, errors = 400, [{"code": 400, "msg": str(error)}]
        total = len(data) if counted and data is not None else 0
        content = {"data": data, "total": total, "limit": 0, "offset": 0, "errors": errors}
        body = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return Response(body.encode("utf-8", "replace"), status, media_type="application/json")

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(respond, request)

    return endpoint


def _search(parameters: QueryParams) -> Search:
    tags: dict[str, str] = {}
    if parameters.get("tags"):
        try:
            found = json.loads(parameters["tags"])
        except (ValueError, RecursionError) as error:
            raise QueryError(f"malformed 'tags' parameter, not JSON: {error}") from error
        if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
            raise QueryError("malformed 'tags' parameter, expected a JSON object of strings")
        tags.update(found)
    for pair in parameters.getlist("tag"):
        key, colon, value = pair.partition(":")
        if not colon:
            raise QueryError(f"malformed 'tag' parameter, expecting key:value: {pair[:80]}")
        tags[key] = value
    statuses = _STATUSES.get(tags.get("error", ""), ())
    if statuses:
        del tags["error"]
    kind = tags.get("span.kind")
    if kind in KINDS[1:]:
        del tags["span.kind"]
    shortest = parse_duration(parameters.get("minDuration") or "0")
    longest = parse_duration(parameters.get("maxDuration") or "0")
    if longest and shortest > longest:
        raise QueryError("'maxDuration' should be greater than 'minDuration'")
    limit = _integer(parameters, "limit", _DEFAULT_LIMIT)
    if not limit:
        raise QueryError("'limit' should be greater than 0")
    end = _integer(parameters, "end", 0)
    return Search(
        service=parameters.get("service"),
        operation=parameters.get("operation") or None,
        kind=KINDS.index(kind) if kind in KINDS[1:] else None,
        statuses=statuses,
        attributes=[Comparison(key, "=", value) for key, value in tags.items()],
        shortest=shortest,
        longest=longest or None,
        after=_integer(parameters, "start", 0) * 1000,
        before=end * 1000 + 999 if end else None,
        limit=limit,
    )


def _integer(parameters: Mapping[str, str], name: str, default: int) -> int:
    value = parameters.get(name, "")
    if not value:
        return default
    if value.startswith("-") and value[1:].isdecimal():
        return 0
    if not value.isdecimal() or len(value) > 16:
        raise QueryError(f"unable to parse param '{name}': it is not a whole number")
    return int(value)


def encode_trace(spans: Iterable[Span]) -> dict[str, Any]:
    """Return a trace as Jaeger's page reads it."""
    processes: dict[str, str] = {}
    of_source: dict[int, str] = {}
    described = {}
    encoded = []
    for span in spans:
        process_id = of_source.get(id(span.source))
        if process_id is None:
            process = _process(span)
            # Sources that differ in their scope are one process.
            key = json.dumps(process, sort_keys=True)
            process_id = processes.setdefault(key, f"p{len(processes) + 1}")
            described[process_id] = process
            of_source[id(span.source)] = process_id
        encoded.append(_span(span, process_id))
    return {
        "traceID": encoded[0]["traceID"] if encoded else "",
        "spans": encoded,
        "processes": described,
        "warnings": None,
    }


def _process(span: Span) -> dict[str, Any]:
    resource = {key: value for key, value in span.source.resource.items() if key != "service.name"}
    return {"serviceName": span.source.service, "tags": _tags(resource)}


def _span(span: Span, process: str) -> dict[str, Any]:
    references = []
    if span.parent_id:
        references.append(_reference("CHILD_OF", span.trace_id, span.parent_id))
    references += [_reference("FOLLOWS_FROM", link.trace_id, link.span_id) for link in span.links]
    return {
        "traceID": _short_id(span.trace_id),
        "spanID": span.span_id,
        "operationName": span.name,
        "references": references,
        "startTime": span.start // 1000,
        "duration": span.duration // 1000,
        "tags": _tags(span.attributes) + _field_tags(span),
        "logs": [
            {
                "timestamp": event.time // 1000,
                "fields": ([_tag("event", event.name)] if event.name else [])
                + _tags(event.attributes),
            }
            for event in span.events
        ],
        "processID": process,
        "warnings": None,
    }


def _reference(kind: str, trace_id: str, span_id: str) -> dict[str, str]:
    return {"refType": kind, "traceID": _short_id(trace_id), "spanID": span_id}


def _short_id(trace_id: str) -> str:
    """Return an id of 64 bits, where the others are zero, as Jaeger and Zipkin write it."""
    return trace_id.removeprefix("0" * 16)


def _field_tags(span: Span) -> list[dict[str, Any]]:
    """Return the tags that carry what Jaeger has no field for."""
    tags: dict[str, Any] = {}
    if span.source.scope_name:
        tags["otel.scope.name"] = span.source.scope_name
    if span.source.scope_version:
        tags["otel.scope.version"] = span.source.scope_version
    if span.kind:
        tags["span.kind"] = KINDS[span.kind]
    if span.status == ERROR:
        tags["error"] = True
        tags["otel.status_code"] = "ERROR"
    elif span.status == OK:
        tags["otel.status_code"] = "OK"
    if span.status_message:
        tags["otel.status_description"] = span.status_message
    if span.trace_state:
        tags["w3c.tracestate"] = span.trace_state
    return _tags(tags)


def _tags(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [_tag(key, value) for key, value in attributes.items()]


def _tag(key: str, value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"key": key, "type": "bool", "value": value}
    if isinstance(value, int):
        safe = -_MAX_SAFE <= value <= _MAX_SAFE
        return {"key": key, "type": "int64", "value": value if safe else str(value)}
    if isinstance(value, float):
        return {"key": key, "type": "float64", "value": value}
    if isinstance(value, dict) and value.keys() == {"bytes"}:
        return {"key": key, "type": "binary", "value": value["bytes"]}
    return {"key": key, "type": "string", "value": as_text(value)}
