"""Which services call which, found in the newest traces of a time range."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bentotrace.ui.model import ERROR, KINDS
from bentotrace.ui.store import Store

__all__ = ["REMOTE", "Call", "Operation", "find_calls", "read_dependencies", "read_operations"]

_MAX_TRACES = 5000
_MAX_SPANS = 100_000
_MAX_TIME = (1 << 63) - 1
# The service at the other end of a span, in the table of spans.
REMOTE = "coalesce(json_extract(detail, '$[0].\"peer.service\"'), '')"
_CLIENT, _SERVER = KINDS.index("client"), KINDS.index("server")


class Operation(NamedTuple):
    """The fields of a span by which calls are counted."""

    span_id: str
    parent_id: str
    service: str
    name: str
    kind: int
    duration: int
    status: int
    remote: str = ""


class Call(NamedTuple):
    """Calls from one service to another."""

    parent: str
    child: str
    calls: int


def read_operations(
    connection: sqlite3.Connection, after: int = 0, before: int = _MAX_TIME, remotes: bool = False
) -> Iterator[tuple[int, list[Operation]]]:
    """Yield start and spans of the newest traces, up to a number that is counted in a moment.

    Args:
        connection: for reading.
        after: the first start of a trace in nanoseconds.
        before: the last one.
        remotes: whether to read the names of the services at the other end of the spans.
    """
    columns = "span_id, parent_id, source, name, kind, duration, status"
    if remotes:
        columns += f", {REMOTE}"
    traces = connection.execute(
        "SELECT id, start, spans FROM traces WHERE start BETWEEN ? AND ? "
        "ORDER BY start DESC LIMIT ?",
        (max(after, 0), min(max(before, 0), _MAX_TIME), _MAX_TRACES),
    ).fetchall()
    services: dict[int, str] = dict(connection.execute("SELECT id, service FROM sources"))
    left = _MAX_SPANS
    for at, (number, start, spans) in enumerate(traces):
        left -= spans
        if left < 0 and at:
            return
        rows = connection.execute(
            f"SELECT {columns} FROM spans WHERE trace = ? ORDER BY id LIMIT ?",
            (number, _MAX_SPANS),
        )
        yield (
            start,
            [
                Operation(span_id, parent_id, services.get(source, ""), *rest)
                for span_id, parent_id, source, *rest in rows
            ],
        )


class _Group:
    """The relevant ones of the spans that share an id, of which there may be very many."""

    def __init__(self, first: Operation) -> None:
        self.first = first
        self.server: Operation | None = None
        self.of_service: dict[str, Operation] = {}

    def add(self, span: Operation) -> None:
        self.of_service.setdefault(span.service, span)
        if self.server is None and span.kind == _SERVER:
            self.server = span


def find_calls(
    spans: Sequence[Operation], own: bool = False
) -> Iterator[tuple[Operation, Operation, bool]]:
    """Yield the caller and the called span of each call between services, and whether it failed.

    Spans of Zipkin's clients and servers may share an id: then the client calls the server.

    Args:
        spans: of one trace.
        own: whether a service's calls to itself count.
    """
    every: dict[str, _Group] = {}
    clients: dict[str, _Group] = {}
    for span in spans:
        for groups in (every, clients) if span.kind == _CLIENT else (every,):
            group = groups.get(span.span_id)
            if group is None:
                group = groups[span.span_id] = _Group(span)
            group.add(span)
    for span in spans:
        parents = every.get(span.parent_id) if span.parent_id else None
        if span.kind == _SERVER:
            parents = clients.get(span.span_id, parents)
        if parents is None:
            continue
        inside = parents.of_service.get(span.service)
        if inside is not None and not own:
            continue
        parent = inside or parents.server or parents.first
        failed = ERROR in (span.status, parent.status if parent.kind == _CLIENT else None)
        yield parent, span, failed


def read_dependencies(store: Store, after: int, before: int) -> list[Call]:
    """Count the calls in the newest traces that started in a range, as Jaeger does."""
    calls: Counter[tuple[str, str]] = Counter()
    with store.read() as connection:
        for _, spans in read_operations(connection, after, before):
            for parent, child, _ in find_calls(spans, own=True):
                calls[parent.service, child.service] += 1
    return [Call(*names, count) for names, count in sorted(calls.items())]
