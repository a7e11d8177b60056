"""Finds traces and spans in the store."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from bentotrace.ui.database import Reader
from bentotrace.ui.model import Event, Link, Source, Span
from bentotrace.ui.query import Comparison, Search
from bentotrace.ui.store import SEGMENT
from bentotrace.ui.terms import attribute_term, duration_terms, source_term, term
from bentotrace.ui.values import as_text, clamp

__all__ = ["Found", "Summary", "find_traces", "read_span", "read_spans", "read_summary"]

_DEADLINE = 5.0
_MAX_SOURCES = 2000
_MAX_LIMIT = 2000
# A store in memory cannot be written while it is read. Most searches end within the first rows.
_FIRST_ROWS = 200
_MOST_ROWS = 5000
_CHECK_EVERY = 20_000  # steps of SQLite's machine between looks at the clock
_MAX = (1 << 63) - 1
# Greater than the start and the id of every trace.
_BEFORE_ALL = (_MAX, "g")
_OF_TRACE = "(start, trace_id) < (?, ?) AND end - start >= ? AND end - start <= ?"
_SHORT_ID = re.compile("[0-9a-fA-F]{16}")
_WORD = re.compile(r"[^\W_]+")
_SUMMARY = "trace_id, start, end, spans, errors, services, root_service, root_name, has_root, id"
_SPAN = "span_id, parent_id, source, name, kind, start, duration, status, detail, id"


class Summary(NamedTuple):
    """A trace without its spans; times in nanoseconds, services with their numbers of spans."""

    trace_id: str
    start: int
    end: int
    spans: int
    errors: int
    services: dict[str, int]
    root_service: str
    root_name: str
    has_root: bool
    id: int


class Found(NamedTuple):
    """The traces of a search, newest first; ``incomplete`` when its time limit passed.

    Traces of one start are ordered by their ids. ``limited`` when there may be more.
    """

    traces: list[Summary]
    incomplete: bool = False
    limited: bool = False


def find_traces(store: Reader, search: Search) -> Found:
    """Find the newest traces in which one span meets every condition."""
    limit = min(max(search.limit, 1), _MAX_LIMIT)
    search = _within_bounds(search)
    follows = search.follows or _BEFORE_ALL
    longest = _MAX if search.trace_longest is None else search.trace_longest
    of_trace = (*follows, search.trace_shortest, longest)
    with store.read() as connection:
        named = search.trace_id
        # A word of 16 digits may be an id of 64 bits, or any other word.
        if named is None and len(search.words) == 1 and _SHORT_ID.fullmatch(search.words[0]):
            named = search.words[0]
        if named is not None:
            row = connection.execute(
                f"SELECT {_SUMMARY} FROM traces WHERE trace_id = ?", (_whole_id(named),)
            ).fetchone()
            if row is not None:
                return Found([_summary(row)])
            if search.trace_id is not None:
                return Found([])
        if not search.has_span_condition():
            rows = connection.execute(
                f"SELECT {_SUMMARY} FROM traces WHERE start >= ? AND start <= ? "
                f"AND {_OF_TRACE} ORDER BY start DESC, trace_id DESC LIMIT ?",
                (_low(search), min(_high(search), follows[0]), *of_trace, limit),
            )
            traces = [_summary(row) for row in rows]
            return Found(traces, limited=len(traces) == limit)
    checked: set[int] = set()
    traces = []
    incomplete = False
    try:
        for numbers in _matching_traces(store, search, time.monotonic() + _DEADLINE):
            with store.read() as connection:
                for number in numbers:
                    if number in checked or len(traces) == limit:
                        continue
                    checked.add(number)
                    traces += connection.execute(
                        f"SELECT {_SUMMARY} FROM traces WHERE id = ? AND {_OF_TRACE}",
                        (number, *of_trace),
                    ).fetchall()
            if len(traces) == limit:
                break
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        incomplete = True
    traces = [_summary(row) for row in traces]
    traces.sort(key=lambda trace: (trace.start, trace.trace_id), reverse=True)
    return Found(traces, incomplete, limited=len(traces) == limit)


def _within_bounds(search: Search) -> Search:
    """Limit the numbers to those that SQLite can hold."""
    longest, after, before = search.longest, search.after, search.before
    return search._replace(
        shortest=clamp(search.shortest),
        trace_shortest=clamp(search.trace_shortest),
        trace_longest=None if search.trace_longest is None else clamp(search.trace_longest),
        longest=None if longest is None else clamp(longest),
        after=None if after is None else clamp(after),
        before=before if before is None or before < 0 else clamp(before),
    )


def _matching_traces(store: Reader, search: Search, deadline: float) -> Iterator[list[int]]:
    """Yield the traces of matching spans in groups, those of the last received spans first."""
    with _read_until(store, deadline) as connection:
        match = _match(connection, search)
        if match is None:
            return
        segments = connection.execute(
            "SELECT number FROM segments WHERE end >= ? AND start <= ? ORDER BY number DESC",
            (_low(search), _high(search)),
        ).fetchall()
    where, values = _conditions(search)
    size = _FIRST_ROWS
    for (segment,) in segments:
        end = (segment + 1) * SEGMENT
        source = f"text_{segment} CROSS JOIN spans ON spans.id = text_{segment}.rowid"
        number = f"text_{segment}.rowid" if match else "id"
        query = (
            f"SELECT {number}, trace, detail, source FROM {source if match else 'spans'} "
            f"WHERE {number} >= ? AND {number} < ? AND {where} "
            f"{f'AND text_{segment} MATCH ? ' if match else ''}ORDER BY {number} DESC LIMIT ?"
        )
        terms = [match] if match else []
        while True:
            with _read_until(store, deadline) as connection:
                kept = "SELECT 1 FROM segments WHERE number = ?"
                if connection.execute(kept, (segment,)).fetchone() is None:
                    break
                limits = (segment * SEGMENT, end, *values, *terms, size)
                rows = connection.execute(query, limits).fetchall()
                checker = _AttributeChecker(connection, search.attributes)
                found = [row[1] for row in rows if checker.matches(row[2], row[3])]
            yield found
            if len(rows) < size:
                break
            end = rows[-1][0]
            size = min(2 * size, _MOST_ROWS)
            # This thread would take the lock again before the writer, which waits for it, wakes up.
            time.sleep(0.001)


@contextlib.contextmanager
def _read_until(store: Reader, deadline: float) -> Iterator[sqlite3.Connection]:
    with store.read() as connection:
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _CHECK_EVERY)
        try:
            yield connection
        finally:
            connection.set_progress_handler(None, 0)


def _conditions(search: Search) -> tuple[str, list[Any]]:
    """Return the conditions on the columns of spans."""
    conditions = ["spans.start >= ?", "spans.start <= ?"]
    values: list[Any] = [_low(search), _high(search)]
    for column, value in (
        ("lower(name) = lower(?)" if search.any_case else "name = ?", search.operation),
        ("kind = ?", search.kind),
        ("duration >= ?", search.shortest or None),
        ("duration <= ?", search.longest),
    ):
        if value is not None:
            conditions.append(column)
            values.append(value)
    if search.statuses:
        conditions.append(f"status IN ({', '.join('?' * len(search.statuses))})")
        values += search.statuses
    return " AND ".join(conditions), values


def _match(connection: sqlite3.Connection, search: Search) -> str | None:
    """Return the full-text query; "" for all, None when nothing can match."""
    groups: list[list[str]] = []
    if search.shortest and search.longest is not None and search.shortest > search.longest:
        return None
    equal = "lower({0}) = lower(?)" if search.any_case else "{0} = ?"
    if search.service is not None:
        sources = connection.execute(
            f"SELECT id FROM sources WHERE {equal.format('service')} ORDER BY id DESC LIMIT ?",
            (search.service, _MAX_SOURCES),
        ).fetchall()
        if not sources:
            return None
        groups.append([source_term(number) for (number,) in sources])
    if search.operation is not None:
        names = [(search.operation,)]
        if search.any_case:
            query = f"SELECT DISTINCT name FROM operations WHERE {equal.format('name')} LIMIT 100"
            names = connection.execute(query, names[0]).fetchall() or names
        groups.append([term("o", name) for (name,) in names])
    if search.kind is not None:
        groups.append([term("k", search.kind)])
    if search.statuses:
        groups.append([term("e", status) for status in search.statuses])
    if search.shortest or search.longest is not None:
        groups.append(duration_terms(search.shortest, search.longest))
    for comparison in search.attributes:
        if comparison.operator == "=":
            terms = [attribute_term(comparison.key, comparison.value)]
            terms += _sources_with(connection, json.dumps(comparison.key, ensure_ascii=False))
            groups.append(terms)
    for word in search.words:
        for part in _WORD.findall(word):
            groups.append([f'"{part}"*', *_sources_with(connection, part)])
    return " AND ".join(f"({' OR '.join(group)})" for group in groups)


def _sources_with(connection: sqlite3.Connection, part: str) -> list[str]:
    """Return the terms of the services and resources whose text has a part, in any case."""
    rows = connection.execute(
        "SELECT id FROM sources WHERE instr(lower(content), lower(?)) ORDER BY id DESC LIMIT ?",
        (part, _MAX_SOURCES),
    )
    return [source_term(number) for (number,) in rows]


class _AttributeChecker:
    """Compares attributes of spans, of their events and of their resources."""

    def __init__(self, connection: sqlite3.Connection, comparisons: Sequence[Comparison]) -> None:
        self._connection = connection
        self._comparisons = comparisons
        self._resources: dict[int, dict[str, Any]] = {}

    def matches(self, detail: str, source: int) -> bool:
        if not self._comparisons:
            return True
        parsed = json.loads(detail)
        places = [parsed[0], self._resource(source)]
        names = set()
        if len(parsed) > 1:
            places += [event[2] for event in parsed[1]]
            names = {event[1] for event in parsed[1]}
            if parsed[3]:
                places.append({"error": parsed[3]})
        return all(
            _holds(comparison, places)
            or (comparison.operator == "exists" and comparison.key in names)
            for comparison in self._comparisons
        )

    def _resource(self, source: int) -> dict[str, Any]:
        if source not in self._resources:
            self._resources[source] = dict(_source(self._connection, source).resource)
        return self._resources[source]


def _holds(comparison: Comparison, places: Iterable[dict[str, Any]]) -> bool:
    found = [place[comparison.key] for place in places if comparison.key in place]
    if comparison.operator == "exists":
        return bool(found)
    if comparison.operator == "!=":
        return not any(as_text(value) == comparison.value for value in found)
    if comparison.operator == "=":
        return any(as_text(value) == comparison.value for value in found)
    return any(_ordered(value, comparison) for value in found)


def _ordered(value: Any, comparison: Comparison) -> bool:
    try:
        left, right = float(value), float(comparison.value)
    except (TypeError, ValueError, OverflowError):
        return False
    if comparison.operator == ">":
        return left > right
    if comparison.operator == ">=":
        return left >= right
    return left < right if comparison.operator == "<" else left <= right


def _whole_id(trace_id: str) -> str:
    """Return the id as the store has it: one of 64 bits with zeros before it."""
    return trace_id.lower().zfill(32)


def read_summary(store: Reader, trace_id: str) -> Summary | None:
    """Return the summary of a trace, or None."""
    found = find_traces(store, Search(trace_id=trace_id)).traces
    return found[0] if found else None


def read_spans(store: Reader, trace_id: str) -> list[tuple[int, Span]]:
    """Return the spans of a trace with their numbers, by start; one that came twice, once."""
    trace_id = _whole_id(trace_id)
    with store.read() as connection:
        rows = connection.execute(
            f"SELECT {_SPAN} FROM spans WHERE trace = (SELECT id FROM traces WHERE trace_id = ?) "
            "ORDER BY start, id",
            (trace_id,),
        ).fetchall()
        sources: dict[int, Source] = {}
        spans: dict[tuple[Any, ...], tuple[int, Span]] = {}
        for row in rows:
            if row[2] not in sources:
                sources[row[2]] = _source(connection, row[2])
            spans.setdefault(row[:-1], (row[-1], _span(trace_id, row, sources[row[2]])))
    return list(spans.values())


def read_span(store: Reader, trace_id: str, number: int) -> Span | None:
    """Return one span of a trace, or None."""
    trace_id = _whole_id(trace_id)
    with store.read() as connection:
        row = connection.execute(
            f"SELECT {_SPAN} FROM spans WHERE id = ? AND "
            "trace = (SELECT id FROM traces WHERE trace_id = ?)",
            (number, trace_id),
        ).fetchone()
        return None if row is None else _span(trace_id, row, _source(connection, row[2]))


def _source(connection: sqlite3.Connection, number: int) -> Source:
    query = "SELECT service, content FROM sources WHERE id = ?"
    row = connection.execute(query, (number,)).fetchone()
    if row is None:
        return Source("", {})
    service, content = row
    return Source(service, *json.loads(content[len(service) + 1 :]))


def _span(trace_id: str, row: tuple[Any, ...], source: Source) -> Span:
    attributes, events, links, message, state = (*json.loads(row[8]), [], [], "", "")[:5]
    return Span(
        trace_id,
        row[0],
        row[1],
        row[3],
        row[4],
        row[5],
        row[6],
        row[7],
        source,
        attributes,
        [Event(*event) for event in events],
        [Link(*link) for link in links],
        message,
        state,
    )


def _summary(row: tuple[Any, ...]) -> Summary:
    summary = Summary(*row)
    return summary._replace(services=json.loads(row[5]), has_root=bool(row[8]))


def _low(search: Search) -> int:
    return 0 if search.after is None else search.after


def _high(search: Search) -> int:
    return _MAX if search.before is None else search.before
