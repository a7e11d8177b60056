"""The calls between services as Zipkin counts them, brokers and services without spans included."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from bentotrace.ui.dependencies import Operation, read_operations
from bentotrace.ui.model import ERROR, KINDS
from bentotrace.ui.store import Store

__all__ = ["Link", "read_links"]

_CLIENT, _SERVER = KINDS.index("client"), KINDS.index("server")
_PRODUCER, _CONSUMER = KINDS.index("producer"), KINDS.index("consumer")
_KINDS = (_CLIENT, _SERVER, _PRODUCER, _CONSUMER)


class Link(NamedTuple):
    """Calls from one service to another, and how many of them failed."""

    parent: str
    child: str
    calls: int
    errors: int


def read_links(store: Store, after: int, before: int) -> list[Link]:
    """Count the calls in the newest traces that started in a range of nanoseconds."""
    calls: Counter[tuple[str, str]] = Counter()
    errors: Counter[tuple[str, str]] = Counter()
    with store.read() as connection:
        for _, spans in read_operations(connection, after, before, remotes=True):
            for parent, child, failed in _links(spans):
                if parent and child:
                    names = parent.lower(), child.lower()
                    calls[names] += 1
                    errors[names] += failed
    return [Link(*names, count, errors[names]) for names, count in calls.items()]


def _links(spans: Sequence[Operation]) -> Iterator[tuple[str, str, bool]]:
    """Yield the calling and the called service of each call of a trace, and whether it failed."""
    parents = _parents(spans)
    known: dict[int, Operation | None] = {}
    called = {
        id(parent)
        for span in spans
        if span.kind == _SERVER and (parent := parents.get(id(span))) is not None
    }
    for span in spans:
        failed = span.status == ERROR
        kind = span.kind
        if kind not in _KINDS and span.service and span.remote:
            kind = _CLIENT
        if kind == _PRODUCER:
            yield span.service, span.remote, failed
        elif kind == _CONSUMER:
            yield span.remote, span.service, failed
        elif kind == _SERVER:
            caller = _caller(span, parents, known)
            if caller is None:
                yield span.remote, span.service, failed
            else:
                yield caller.service, span.service, failed or _failed_client(caller)
        # The server's own span is the same call.
        elif kind == _CLIENT and id(span) not in called:
            yield span.service, span.remote, failed


def _failed_client(span: Operation) -> bool:
    return span.kind == _CLIENT and span.status == ERROR


def _parents(spans: Sequence[Operation]) -> Mapping[int, Operation]:
    """Return the parent of each span that has one; a server may share its client's id."""
    by_id: dict[str, list[Operation]] = {}
    by_service: dict[tuple[str, str], list[Operation]] = {}
    clients: dict[str, Operation] = {}
    for span in spans:
        by_id.setdefault(span.span_id, []).append(span)
        by_service.setdefault((span.span_id, span.service), []).append(span)
        if span.kind == _CLIENT:
            clients.setdefault(span.span_id, span)
    found: dict[int, Operation] = {}
    for span in spans:
        parent = clients.get(span.span_id) if span.kind == _SERVER else None
        if parent is None:
            same = by_service.get((span.parent_id, span.service), ())
            above = chain(same, by_id.get(span.parent_id, ()))
            parent = next((other for other in above if other is not span), None)
        if parent is not None:
            found[id(span)] = parent
    return found


def _caller(
    span: Operation, parents: Mapping[int, Operation], known: dict[int, Operation | None]
) -> Operation | None:
    """Return the nearest span above that is an end of a call; parents may form a circle.

    What is found for the spans on the way is kept in ``known``.
    """
    above = parents.get(id(span))
    way: list[int] = []
    while above is not None and id(above) not in known:
        if above.kind in _KINDS and above.service:
            known[id(above)] = above
            break
        # So a circle ends where it began.
        known[id(above)] = None
        way.append(id(above))
        above = parents.get(id(above))
    found = None if above is None else known[id(above)]
    known.update(dict.fromkeys(way, found))
    return None if found is span else found
