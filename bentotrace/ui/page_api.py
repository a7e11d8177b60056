"""The JSON API behind the page.

All times and durations are text of whole nanoseconds, since JavaScript's numbers are too short
for them; integers beyond 2**53 in attributes are text, too. Errors are ``{"error": text}``.

``GET /ui/api/traces?q=QUERY&after=NS&before=NS&next=NEXT&limit=N``
    The newest traces of a query (:mod:`bentotrace.ui.query`):
    ``{"traces": [SUMMARY], "incomplete": bool, "next": NEXT}``, where SUMMARY is ``{"trace_id",
    "start", "duration", "spans", "errors", "services": {name: spans}, "root_service",
    "root_name", "has_root"}``. NEXT is text that leads to the next page, or null on the last one:
    the start and the id of the last trace. ``before`` the start of that trace, less 1, leads there
    too, but not to other traces of the same nanosecond. With conditions of spans in QUERY,
    ``after`` and ``before`` are compared with the start of the span, and a page has the traces
    that arrived last: one that arrived before them but started later than the last of them is on
    no page.
``GET /ui/api/traces/{trace_id}``
    ``{"trace": SUMMARY, "spans": [SPAN]}`` by start. SPAN has no attributes:
    ``{"id", "span_id", "parent_id", "service", "name", "kind", "start", "duration", "status",
    "events", "links"}``; ``start`` counts from the trace's start, the last two are numbers of
    items. ``id`` is a number that is the store's own.
``GET /ui/api/traces/{trace_id}/spans``
    All spans as below, values cut earlier: ``[[id, SPAN]]``.
``GET /ui/api/traces/{trace_id}/spans/{id}``
    One span with ``"attributes", "events", "links", "status_message", "trace_state",
    "resource", "scope"``. Long values are cut, unless ``?full=1``.
``GET /ui/api/traces/{trace_id}/otlp``
    The trace as a file of OTLP's JSON.
``GET /ui/api/traces/{trace_id}/html``
    The trace as one HTML file (:mod:`bentotrace.ui.page_file`).
``GET /ui/api/services``
    What the newest traces show about services (:mod:`bentotrace.ui.services`): ``{"traces",
    "seconds", "services": [{"name", "calls", "errors"}], "calls": [{"parent", "child", "calls",
    "errors", "p50", "p95"}], "operations": [{"service", "name", "kind", "calls", "errors", "p50",
    "p95", "longest", "histogram": [[BUCKET, calls]]}]}``; durations are numbers of nanoseconds, a
    bucket begins at 10 ** (BUCKET / 4).
``GET /ui/api/suggest?key=K&prefix=P``
    Completion (:mod:`bentotrace.ui.suggest`): the values of a key, or for no key the keys.
``GET /ui/api/status``
    ``{"spans", "traces", "max_spans", "store", "version", "listeners": [{"name", "title",
    "address", "problem"}]}``
``GET /ui/events``
    Server-sent events: ``event: change`` with ``{"spans", "traces"}`` at once and after spans
    arrived, four times a second at most; a comment every 15 seconds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from bentotrace.ui.events import Changes
from bentotrace.ui.otlp_json import encode_document
from bentotrace.ui.page_file import write_page
from bentotrace.ui.query import QueryError, parse_query
from bentotrace.ui.search import find_traces, read_span, read_spans, read_summary
from bentotrace.ui.services import read_services
from bentotrace.ui.shapes import MAX_VALUE, full_span, short_span, summary
from bentotrace.ui.store import Store
from bentotrace.ui.suggest import suggest_words

__all__ = ["page_api_routes"]

# Characters of a value in which a trace's own search finds a text.
_MAX_FOUND = 1000
_NEXT = re.compile("([0-9]{1,19})-([0-9a-f]{32})")


class _NotFoundError(Exception):
    pass


def page_api_routes(
    store: Store, changes: Changes, status: Callable[[], Mapping[str, Any]]
) -> list[Route]:
    """Return the routes below ``/ui``."""

    def traces(request: Request) -> Any:
        parameters = request.query_params
        search = parse_query(parameters.get("q", ""))._replace(
            after=_integer(parameters, "after"),
            before=_integer(parameters, "before"),
            follows=_next(parameters),
            limit=_integer(parameters, "limit") or 50,
        )
        found = find_traces(store, search)
        return {
            "traces": [summary(trace) for trace in found.traces],
            "incomplete": found.incomplete,
            "next": "{0.start}-{0.trace_id}".format(found.traces[-1]) if found.limited else None,
        }

    def trace(request: Request) -> Any:
        trace_id = request.path_params["trace_id"]
        found = _found(read_summary(store, trace_id))
        spans = read_spans(store, trace_id)
        return {
            "trace": summary(found),
            "spans": [short_span(number, span, found.start) for number, span in spans],
        }

    def span(request: Request) -> Any:
        trace_id, number = request.path_params["trace_id"], request.path_params["number"]
        found = _found(read_span(store, trace_id, number))
        return full_span(found, None if request.query_params.get("full") else MAX_VALUE)

    def all_spans(request: Request) -> Any:
        trace_id = request.path_params["trace_id"]
        _found(read_summary(store, trace_id))
        return [
            [number, full_span(span, _MAX_FOUND)] for number, span in read_spans(store, trace_id)
        ]

    def otlp(request: Request) -> Any:
        trace_id = request.path_params["trace_id"]
        _found(read_summary(store, trace_id))
        return encode_document(span for _, span in read_spans(store, trace_id))

    def suggest(request: Request) -> Any:
        parameters = request.query_params
        return suggest_words(store, parameters.get("key", ""), parameters.get("prefix", ""))

    def html(request: Request) -> Response:
        try:
            page = write_page(store, request.path_params["trace_id"])
        except LookupError:
            return Response(status_code=404)
        return Response(page.encode("utf-8", "replace"), media_type="application/octet-stream")

    async def events(request: Request) -> Response:
        return StreamingResponse(
            changes.stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    return [
        Route("/ui/api/traces", _json(traces)),
        Route("/ui/api/traces/{trace_id}", _json(trace)),
        Route("/ui/api/traces/{trace_id}/spans", _json(all_spans)),
        Route("/ui/api/traces/{trace_id}/spans/{number:int}", _json(span)),
        Route("/ui/api/traces/{trace_id}/otlp", _json(otlp)),
        Route("/ui/api/traces/{trace_id}/html", html),
        Route("/ui/api/services", _json(lambda request: read_services(store))),
        Route("/ui/api/suggest", _json(suggest)),
        Route("/ui/api/status", _json(lambda request: status())),
        Route("/ui/events", events),
    ]


def _json(read: Callable[[Request], Any]) -> Callable[[Request], Any]:
    def respond(request: Request) -> Response:
        try:
            content, status = read(request), 200
        except (QueryError, ValueError, OverflowError) as error:
            content, status = {"error": str(error)}, 400
        except _NotFoundError:
            content, status = {"error": "there is no such trace or span here"}, 404
        body = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return Response(
            body.encode("utf-8", "replace"),
            status,
            media_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(respond, request)

    return endpoint


def _found(value: Any) -> Any:
    if value is None:
        raise _NotFoundError
    return value


def _next(parameters: Mapping[str, str]) -> tuple[int, str] | None:
    value = parameters.get("next", "")
    if not value:
        return None
    matched = _NEXT.fullmatch(value)
    if matched is None:
        raise QueryError("next must be the text that the previous page returned")
    return min(int(matched[1]), (1 << 63) - 1), matched[2]


def _integer(parameters: Mapping[str, str], name: str) -> int | None:
    value = parameters.get(name, "")
    if not value:
        return None
    # Before the start 0, less 1, is nothing.
    if name == "before" and value == "-1":
        return -1
    if not value.isdecimal() or len(value) > 19:
        raise QueryError(f"{name} is not a whole number of nanoseconds")
    return min(int(value), (1 << 63) - 1)
