from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import ItemsView, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bentotrace.ui import store as store_module
from bentotrace.ui.database import StoreError, StoreFile
from bentotrace.ui.dependencies import Operation, find_calls, read_dependencies
from bentotrace.ui.model import ERROR, UNSET, Event, Source, Span
from bentotrace.ui.query import Search, parse_query
from bentotrace.ui.search import find_traces, read_spans, read_summary
from bentotrace.ui.services import read_services
from bentotrace.ui.store import Store, StoreFullError
from bentotrace.ui.zipkin_links import _links

SOURCE = Source("iris", {"service.name": "iris", "host.name": "box"}, "scope", "1")


def span(trace: int, number: int = 1, parent: int = 0, **fields: object) -> Span:
    made = Span(
        f"{trace:032x}",
        f"{number:016x}",
        f"{parent:016x}" if parent else "",
        "GET /x",
        2,
        trace * 1_000_000,
        5_000_000,
        UNSET,
        SOURCE,
        {"n": number},
        [],
        [],
    )
    return made._replace(**fields)  # type: ignore[arg-type]


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "ui.sqlite" if request.param == "file" else None, 100)
    yield opened
    opened.close()


def found(store: Store, query: str) -> list[int]:
    return [int(trace.trace_id, 16) for trace in find_traces(store, parse_query(query)).traces]


def test_what_was_added_can_be_read_at_once(store: Store) -> None:
    store.add([span(1), span(1, 2, 1), span(2)]).result(5)
    assert found(store, "") == [2, 1]
    assert [read for _, read in read_spans(store, f"{1:032x}")] == [span(1), span(1, 2, 1)]
    assert store.counts() == {"spans": 3, "traces": 2}


def test_every_condition_holds_for_one_span(store: Store) -> None:
    store.add(
        [
            span(1, attributes={"a": "1"}, status=ERROR),
            span(1, 2, attributes={"b": "2"}),
            span(2, attributes={"a": "1", "b": 2, "long": "x" * 1000 + " needle"}),
            span(3, name="POST /y", duration=2_000_000_000, kind=3),
            span(
                4,
                status=ERROR,
                status_message="boom",
                attributes={"whole": 2.0, "list": ["a", 1], "raw": {"bytes": "AAEC"}},
                name="DELETE /z",
            ),
        ]
    ).result(5)
    for query, expected in {
        "a=1": [2, 1],
        "a=1 b=2": [2],
        "status:error": [4, 1],
        "error=boom": [4],
        "whole=2": [4],
        'list="[\\"a\\",1]"': [4],
        "raw=AAEC": [4],
        "status:error b=2": [],
        'operation:"POST /y"': [3],
        "duration>1s": [3],
        "duration<1s": [4, 2, 1],
        "duration=2s": [3],
        "duration>1s duration<1ms": [],
        "duration>1s500ms": [3],
        "kind:client": [3],
        "post": [3],
        "pos y": [3],
        "host.name=box a=1": [2, 1],
        "host.name=other": [],
        "box": [4, 3, 2, 1],
        "b>1": [2, 1],
        "b>2": [],
        "a!=1": [4, 3, 1],
        "service:iris a=1": [2, 1],
        "service:other": [],
        f"trace:{2:032x}": [2],
        f"{2:032x}": [2],
    }.items():
        assert found(store, query) == expected, query


def test_a_short_trace_id_finds_its_trace(store: Store) -> None:
    number = 0x463AC35C9F6413AD
    store.add([span(number, start=1), span(2, name="0123456789abcdef")]).result(5)
    for query in ("463ac35c9f6413ad", "trace:463AC35C9F6413AD", "trace:463ac35c9f6413ad"):
        assert found(store, query) == [number], query
    assert found(store, "0123456789abcdef") == [2]
    assert found(store, "trace:0123456789abcdef") == []
    assert [each.span_id for _, each in read_spans(store, f"{number:x}")] == [f"{1:016x}"]


def test_every_attribute_and_event_is_found(store: Store) -> None:
    attributes = {f"k{number}": f"v{number}" for number in range(300)}
    events = [Event(1, f"e{number}", {f"n{number}": number}) for number in range(300)]
    store.add([span(1, attributes=attributes, events=events)]).result(5)
    for query in ("k5=v5", "k299=v299", "n299=299"):
        assert found(store, query) == [1], query


def test_numbers_that_are_too_large_are_compared(store: Store) -> None:
    store.add([span(1, attributes={"n": 10**400}), span(2, attributes={"n": 5})]).result(5)
    for query, expected in {
        "n>1": [2],
        f"n=1{'0' * 400}": [1],
        "duration<5000000h": [2, 1],
        "duration>5000000h": [],
        "duration>=5000000h": [],
    }.items():
        assert found(store, query) == expected, query
    search = Search(service="iris", after=0, before=1 << 64, longest=1 << 64)
    assert len(find_traces(store, search).traces) == 2


def test_the_calls_of_a_large_trace_are_counted_in_linear_time(tmp_path: Path) -> None:
    opened = Store(tmp_path / "ui.sqlite", 100_000)
    sources = [Source(f"service {number}", {}) for number in range(2)]
    spans = [span(1, at, at // 2, source=sources[at % 2]) for at in range(1, 30_001)]
    opened.add(spans).result(60)
    began = time.monotonic()
    services = read_services(opened)
    (one, other) = read_dependencies(opened, 0, 1 << 62)[1:3]
    # With a comparison of every two spans: minutes.
    assert time.monotonic() - began < 20
    assert sum(call["calls"] for call in services["calls"]) == one.calls + other.calls == 14_999
    opened.close()


def test_calls_between_spans_of_one_id_are_counted_in_linear_time() -> None:
    # All below a chain, so that the way up is long, too.
    chain = [Operation(f"c{at}", f"c{at - 1}", "a", "x", 1, 1, UNSET) for at in range(20_000)]
    last = chain[-1].span_id
    equal = [Operation("same", last, f"s{at}", "x", 2, 1, UNSET) for at in range(20_000)]
    equal += [Operation("below", "same", "b", "x", 2, 1, UNSET)] * 10_000
    began = time.monotonic()
    assert sum(1 for _ in find_calls(chain + equal)) == 30_000
    assert sum(1 for _ in _links(chain + equal)) == 30_000
    # With a comparison of every two spans: minutes.
    assert time.monotonic() - began < 5


def test_a_time_range_bounds_what_is_found(store: Store) -> None:
    store.add([span(number) for number in range(1, 11)]).result(5)
    for words in ("", "get"):
        search = parse_query(words)._replace(after=3_000_000, before=5_000_000)
        assert [int(t.trace_id, 16) for t in find_traces(store, search).traces] == [5, 4, 3]
        search = parse_query(words)._replace(limit=2)
        assert [int(t.trace_id, 16) for t in find_traces(store, search).traces] == [10, 9]


def test_the_traces_that_came_first_are_removed_first(store: Store) -> None:
    for number in range(1, 61):
        store.add([span(number), span(number, 2, 1)])
    store.add([span(61)]).result(5)
    assert store.counts()["spans"] <= 100
    assert found(store, "n=1") == list(range(61, 61 - 20, -1))
    assert read_summary(store, f"{1:032x}") is None
    assert read_spans(store, f"{1:032x}") == []
    assert read_summary(store, f"{61:032x}") is not None


def test_the_index_goes_with_its_spans(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "SEGMENT", 50)
    for number in range(1, 400):
        store.add([span(number, name=f"operation {number}")])
    store.add([span(400, source=Source("late", {}))]).result(5)
    with store.read() as connection:
        (segments,) = connection.execute("SELECT count(*) FROM segments").fetchone()
        (operations,) = connection.execute("SELECT count(*) FROM operations").fetchone()
    assert segments <= 4
    assert operations <= 150


def test_the_root_is_the_one_that_has_no_parent(store: Store) -> None:
    store.add([span(1, 3, 2, name="grandchild", start=5)]).result(5)
    summary = read_summary(store, f"{1:032x}")
    assert summary is not None
    assert (summary.root_name, summary.has_root) == ("grandchild", False)
    store.add([span(1, 1, name="root", start=6), span(1, 2, 1, name="child", start=4)]).result(5)
    summary = read_summary(store, f"{1:032x}")
    assert summary is not None
    assert (summary.root_name, summary.has_root, summary.start) == ("root", True, 4)


def test_a_span_that_is_sent_twice_is_shown_once(store: Store) -> None:
    store.add([span(1)]).result(5)
    store.add([span(1)]).result(5)
    assert len(read_spans(store, f"{1:032x}")) == 1


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        *((query, [1]) for query in ('"', "a=", ":", "***", "a_b-c", "é=ü", "=")),
        *((query, []) for query in ("NOT", '"x OR')),
    ],
)
def test_any_query_is_read(query: str, expected: list[int], store: Store) -> None:
    store.add([span(1, attributes={"é": "ü"})]).result(5)
    assert found(store, query) == expected


def test_a_restart_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "ui.sqlite"
    first = Store(path)
    first.add([span(1), span(2)]).result(5)
    first.close()
    second = Store(path)
    second.add([span(1, 2, 1), span(3)]).result(5)
    assert found(second, "get") == [3, 2, 1]
    assert second.counts() == {"spans": 4, "traces": 3}
    second.close()


def test_what_was_acknowledged_survives_sigkill(tmp_path: Path) -> None:
    path = tmp_path / "ui.sqlite"
    script = f"""
import os, signal
from pathlib import Path
from bentotrace.ui.dependencies import read_dependencies
from bentotrace.ui.model import Source, Span
from bentotrace.ui.services import read_services
from bentotrace.ui.store import Store
store = Store(Path({str(path)!r}))
for n in range(1, 200):
    store.add([Span(f"{{n:032x}}", f"{{n:016x}}", "", "x", 0, n, 1, 0, Source("s", {{}}), {{}})]).result()
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script], timeout=60)
    assert done.returncode == -9
    store = Store(path)
    assert store.counts() == {"spans": 199, "traces": 199}
    assert len(find_traces(store, Search(service="s", limit=1000)).traces) == 199
    store.add([span(1000)]).result(5)
    assert found(store, "get") == [1000]
    store.close()


def test_two_viewers_do_not_share_a_file(tmp_path: Path) -> None:
    first = Store(tmp_path / "ui.sqlite")
    with pytest.raises(StoreError, match="another viewer uses it"):
        Store(tmp_path / "ui.sqlite")
    first.close()
    Store(tmp_path / "ui.sqlite").close()


def test_two_names_of_one_file_have_one_lock(tmp_path: Path) -> None:
    first = Store(tmp_path / "ui.sqlite")
    (tmp_path / "link").symlink_to(tmp_path / "ui.sqlite")
    with pytest.raises(StoreError, match="another viewer uses it"):
        Store(tmp_path / "link")
    first.close()


def test_a_full_disk_is_the_reason_of_a_refusal(tmp_path: Path) -> None:
    store = Store(tmp_path / "ui.sqlite")
    store.add([span(1)]).result(5)
    with store.read() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count={pages}")
    large = [span(number, attributes={"a": "x" * 9000}) for number in range(2, 100)]
    with pytest.raises(sqlite3.Error, match="disk is full"):
        store.add(large).result(5)
    assert store.counts() == {"spans": 1, "traces": 1}
    store._connection.execute(f"PRAGMA max_page_count={pages + 10_000}")
    store.add(large).result(5)
    assert store.counts() == {"spans": 99, "traces": 99}
    store.close()


def test_a_directory_that_is_gone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for opened in (Store, StoreFile):
        with pytest.raises(StoreError, match="name another with --store"):
            opened(Path("ui.sqlite"))


def test_a_damaged_store_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ui.sqlite"
    store = Store(path)
    store.add([span(n, attributes={"a": "x" * 2000}) for n in range(1, 300)]).result(5)
    store.close()
    content = bytearray(path.read_bytes())
    for at in range(8192, len(content), 4096):
        content[at : at + 200] = b"\xa5" * 200
    path.write_bytes(content)
    with pytest.raises(StoreError, match="malformed; name another with --store"):
        Store(path)
    opened = StoreFile(path)
    with pytest.raises(StoreError, match="malformed; name another with --store"):
        read_spans(opened, f"{5:032x}")
    opened.close()


def test_a_file_that_is_no_store_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database, but long enough to have a header" * 10)
    with pytest.raises(StoreError, match="text cannot be used: file is not a database"):
        Store(tmp_path / "text")
    with sqlite3.connect(tmp_path / "other") as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    with pytest.raises(StoreError, match="it has version 0, not 1"):
        Store(tmp_path / "other")


def test_threads_one_after_the_other_share_a_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "ui.sqlite")
    opened = []
    connect = sqlite3.connect

    def counted(*arguments: object, **options: object) -> sqlite3.Connection:
        opened.append(connect(*arguments, **options))  # type: ignore[call-overload]
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", counted)
    for _ in range(10):
        thread = threading.Thread(target=lambda: read_services(store))
        thread.start()
        thread.join()
    with store.read():
        store.close()
    assert len(opened) == 1
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")


def test_spans_that_arrive_during_the_end_are_refused(store: Store) -> None:
    class Ending(dict[str, object]):
        """Attributes that are read just before the store is closed."""

        def items(self) -> ItemsView[str, object]:
            store.close()
            return super().items()

    with pytest.raises(StoreFullError):
        store.add([span(1, attributes=Ending(a=1))]).result(5)


def test_a_sender_that_leaves_does_not_stop_the_writer(store: Store) -> None:
    async def leave() -> None:
        waiting = asyncio.wrap_future(store.add([span(1)]))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    # A thread of its own: the browser's tests leave a running loop in this one.
    with store.read(), ThreadPoolExecutor(1) as pool:
        # In memory, nothing is written meanwhile.
        pool.submit(lambda: asyncio.run(leave())).result(10)
    store.add([span(2)]).result(5)
    assert found(store, "") == [2, 1]


def test_a_search_may_ask_for_the_duration_of_the_whole_trace(store: Store) -> None:
    long, short = 900_000_000, 3_000_000
    store.add([span(1, duration=long), span(1, 2, 1, duration=short), span(2, duration=short)])
    store.add([span(3, duration=long)]).result(5)
    assert found(store, "duration<5ms") == [2, 1]
    assert found(store, "trace.duration<5ms") == [2]
    assert found(store, "duration<5ms trace.duration>5ms") == [1]
    assert found(store, "trace.duration>=900ms trace.duration<=900ms") == [3, 1]
