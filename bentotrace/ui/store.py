"""The viewer's store: SQLite with one writer thread, bounded, the oldest traces removed first."""

from __future__ import annotations

import contextlib
import json
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

from bentotrace.ui.database import cannot_use, open_database, real_path
from bentotrace.ui.model import Source, Span
from bentotrace.ui.terms import index_text
from bentotrace.ui.totals import TraceTotals

__all__ = ["SEGMENT", "Store", "StoreFullError"]

# Spans that one table of the full-text index covers; a table is dropped as a whole.
SEGMENT = 1 << 17
_QUEUED_SPANS = 60_000
_CACHED_TRACES = 20_000
_CACHED_SOURCES = 10_000
_BYTES_PER_SPAN = 4096
_LEAST_BYTES = 256 << 20
_EVICTED_AT_ONCE = 500
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class _Row(NamedTuple):
    """A span in the form in which it is written."""

    span: Span
    detail: str
    text: str


class StoreFullError(Exception):
    """More spans arrive than can be written; the sender may try again."""


class Store:
    """Keeps spans; :meth:`add` may be called, and :meth:`read` used, in any thread.

    Args:
        path: the file; None keeps everything in memory.
        max_spans: spans kept; when there are more, the traces that came first are removed.

    Raises:
        StoreError: the file cannot be opened, or is not a store of this version.
    """

    def __init__(self, path: Path | None, max_spans: int = 500_000) -> None:
        self._path = path = None if path is None else real_path(path)
        self._max_spans = max_spans
        self._max_bytes = max(_LEAST_BYTES, max_spans * _BYTES_PER_SPAN)
        self._queue: queue.SimpleQueue[tuple[list[_Row], Future[None]] | None] = queue.SimpleQueue()
        self._queued = 0
        self._queued_lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._idle_readers: list[sqlite3.Connection] = []
        self._listeners: list[Callable[[], None]] = []
        self._traces: dict[str, TraceTotals] = {}
        self._sources: dict[str, int] = {}
        self._operations: set[tuple[str, str, int]] = set()
        self._closed = False
        self._connection, self._lock = open_database(path)
        try:
            self._read_totals()
        except sqlite3.Error as error:
            self._close_files()
            raise cannot_use(path, error) from error
        self._writer = threading.Thread(target=self._write_all, name="ui-store", daemon=True)
        self._writer.start()

    def add(self, spans: Sequence[Span]) -> Future[None]:
        """Queue spans; the future is done when they are written and can be read.

        Raises:
            StoreFullError: too many wait already.
        """
        with self._queued_lock:
            if self._closed or (self._queued and self._queued + len(spans) > _QUEUED_SPANS):
                raise StoreFullError
            self._queued += len(spans)
        future: Future[None] = Future()
        # From now on, a waiting caller cannot cancel it.
        future.set_running_or_notify_cancel()
        try:
            rows = [_Row(span, _detail(span), index_text(span)) for span in spans]
            with self._queued_lock:
                # After the item that ends the queue, they would never be written.
                if self._closed:
                    raise StoreFullError
                self._queue.put((rows, future))
        except BaseException:
            with self._queued_lock:
                self._queued -= len(spans)
            raise
        return future

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call a function after every write, in the writer's thread."""
        self._listeners.append(listener)

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection for reading, which sees the store as it is at one moment.

        Readers of a file block no writer; a store in memory is not written meanwhile.
        """
        if self._path is None:
            with self._read_lock:
                yield self._connection
            return
        with self._queued_lock:
            connection = self._idle_readers.pop() if self._idle_readers else None
        if connection is None:
            uri = f"{self._path.as_uri()}?mode=ro"
            connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
        try:
            connection.execute("BEGIN")
            yield connection
        finally:
            connection.rollback()
            with self._queued_lock:
                kept = not self._closed
                if kept:
                    self._idle_readers.append(connection)
            if not kept:
                connection.close()

    def counts(self) -> dict[str, int]:
        """Return how many spans and traces there are."""
        return {"spans": self._spans, "traces": self._trace_count}

    def close(self) -> None:
        """Write what is queued, and close the file."""
        with self._queued_lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._writer.join()
        with self._queued_lock:
            idle, self._idle_readers = self._idle_readers, []
        for connection in idle:
            connection.close()
        self._close_files()

    def _close_files(self) -> None:
        self._connection.close()
        if self._lock is not None:
            self._lock.close()

    def _read_totals(self) -> None:
        # Kept apart from the tables: the index still has the numbers of spans that are gone.
        ids = self._connection.execute("SELECT span, trace, source FROM next_ids").fetchone()
        self._next_span, self._next_trace, self._next_source = ids
        totals = "SELECT coalesce(sum(spans), 0), coalesce(sum(bytes), 0), count(*) FROM traces"
        row = self._connection.execute(totals).fetchone()
        self._spans, self._bytes, self._trace_count = row

    def _write_all(self) -> None:
        ending = False
        while not ending:
            batches = [self._queue.get()]
            with contextlib.suppress(queue.Empty):
                while len(batches) < 64:
                    batches.append(self._queue.get_nowait())
            ending = None in batches
            self._write([batch for batch in batches if batch is not None])

    def _write(self, batches: list[tuple[list[_Row], Future[None]]]) -> None:
        rows = [row for batch, _ in batches for row in batch]
        try:
            with self._read_lock:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    self._insert(rows)
                    self._evict()
                    self._connection.execute(
                        "UPDATE next_ids SET span = ?, trace = ?, source = ?",
                        (self._next_span, self._next_trace, self._next_source),
                    )
                    self._connection.execute("COMMIT")
                except BaseException:
                    # SQLite has done it by itself when, for example, the disk is full.
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
        except Exception as error:
            self._forget()
            for _, future in batches:
                future.set_exception(error)
        else:
            for _, future in batches:
                future.set_result(None)
        finally:
            with self._queued_lock:
                self._queued -= len(rows)
        for listener in self._listeners:
            listener()

    def _forget(self) -> None:
        """Read again what the file has, after a write that failed."""
        self._traces.clear()
        self._sources.clear()
        self._operations.clear()
        with contextlib.suppress(sqlite3.Error):
            self._read_totals()

    def _insert(self, rows: list[_Row]) -> None:
        changed: dict[str, TraceTotals] = {}
        source_ids: dict[int, int] = {}
        operations = set()
        span_rows = []
        texts: dict[int, list[tuple[int, str]]] = {}
        ranges: dict[int, tuple[int, int]] = {}
        for row in rows:
            span = row.span
            trace = changed.get(span.trace_id)
            if trace is None:
                trace = changed[span.trace_id] = self._trace(span)
            trace.add(span, len(row.detail))
            source_id = source_ids.get(id(span.source))
            if source_id is None:
                source_id = source_ids[id(span.source)] = self._source(span.source)
            operations.add((span.source.service, span.name, span.kind))
            number = self._next_span
            self._next_span += 1
            span_rows.append(
                (
                    number,
                    trace.id,
                    span.span_id,
                    span.parent_id,
                    source_id,
                    span.name,
                    span.kind,
                    span.start,
                    span.duration,
                    span.status,
                    row.detail,
                )
            )
            segment = number // SEGMENT
            texts.setdefault(segment, []).append((number, f"qs{source_id} {row.text}"))
            low, high = ranges.get(segment, (span.start, span.start))
            ranges[segment] = (min(low, span.start), max(high, span.start))
            self._bytes += len(row.detail)
        self._spans += len(rows)
        execute, executemany = self._connection.execute, self._connection.executemany
        executemany("INSERT INTO spans VALUES (?,?,?,?,?,?,?,?,?,?,?)", span_rows)
        executemany(
            "INSERT OR REPLACE INTO traces VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            [trace.values() for trace in changed.values()],
        )
        new_operations = operations - self._operations
        executemany("INSERT OR IGNORE INTO operations VALUES (?,?,?)", new_operations)
        if len(self._operations) > _CACHED_TRACES:
            self._operations.clear()
        self._operations |= new_operations
        for segment, pairs in texts.items():
            execute(
                f"CREATE VIRTUAL TABLE IF NOT EXISTS text_{segment} "
                "USING fts5(words, content='', detail=none, columnsize=0)"
            )
            executemany(f"INSERT INTO text_{segment} (rowid, words) VALUES (?,?)", pairs)
            execute(
                "INSERT INTO segments VALUES (?,?,?) ON CONFLICT (number) DO UPDATE SET "
                "start = min(start, excluded.start), end = max(end, excluded.end)",
                (segment, *ranges[segment]),
            )

    def _trace(self, span: Span) -> TraceTotals:
        trace_id = span.trace_id
        trace = self._traces.get(trace_id)
        if trace is None:
            query = "SELECT * FROM traces WHERE trace_id = ?"
            values = self._connection.execute(query, (trace_id,)).fetchone()
            if values is None:
                trace = TraceTotals(self._next_trace, trace_id, span)
                self._next_trace += 1
                self._trace_count += 1
            else:
                trace = TraceTotals.from_values(values)
            if len(self._traces) >= _CACHED_TRACES:
                self._traces.clear()
            self._traces[trace_id] = trace
        return trace

    def _source(self, source: Source) -> int:
        content = json.dumps(
            [source.resource, source.scope_name, source.scope_version], ensure_ascii=False
        )
        key = f"{source.service}\0{content}"
        number = self._sources.get(key)
        if number is not None:
            return number
        query = "SELECT id FROM sources WHERE content = ?"
        row = self._connection.execute(query, (key,)).fetchone()
        if row is None:
            number = self._next_source
            self._next_source += 1
            self._connection.execute(
                "INSERT INTO sources VALUES (?,?,?)", (number, key, source.service)
            )
        else:
            number = int(row[0])
        if len(self._sources) >= _CACHED_SOURCES:
            self._sources.clear()
        self._sources[key] = number
        return number

    def _evict(self) -> None:
        """Remove the traces that came first, and the parts of the index that lost all spans."""
        evicted = False
        execute = self._connection.execute
        while self._spans > self._max_spans or self._bytes > self._max_bytes:
            oldest = execute(
                "SELECT id, trace_id, spans, bytes FROM traces ORDER BY id LIMIT ?",
                (_EVICTED_AT_ONCE,),
            ).fetchall()
            if not oldest:
                break
            for number, trace_id, spans, size in oldest:
                execute("DELETE FROM spans WHERE trace = ?", (number,))
                execute("DELETE FROM traces WHERE id = ?", (number,))
                self._traces.pop(trace_id, None)
                self._spans -= spans
                self._trace_count -= 1
                self._bytes -= size
                if self._spans <= self._max_spans and self._bytes <= self._max_bytes:
                    break
            evicted = True
        if not evicted:
            return
        last = (self._next_span - 1) // SEGMENT
        for (number,) in execute(
            "SELECT number FROM segments WHERE number < ?", (last,)
        ).fetchall():
            used = execute(
                "SELECT 1 FROM spans WHERE id >= ? AND id < ? LIMIT 1",
                (number * SEGMENT, (number + 1) * SEGMENT),
            ).fetchone()
            if used is None:
                execute(f"DROP TABLE text_{number}")
                execute("DELETE FROM segments WHERE number = ?", (number,))
                self._remove_unused()

    def _remove_unused(self) -> None:
        """Remove the services, resources and operations that no span has any more."""
        execute = self._connection.execute
        execute("DELETE FROM sources WHERE id NOT IN (SELECT source FROM spans)")
        execute("DELETE FROM operations")
        execute(
            "INSERT INTO operations SELECT DISTINCT service, name, kind "
            "FROM spans JOIN sources ON sources.id = spans.source"
        )
        self._sources.clear()
        self._operations.clear()


def _detail(span: Span) -> str:
    """Return the JSON of what no column has: attributes, events, links, message, state."""
    detail: list[Any] = [span.attributes]
    if span.events or span.links or span.status_message or span.trace_state:
        detail += [span.events, span.links, span.status_message, span.trace_state]
    return _encode(detail)
