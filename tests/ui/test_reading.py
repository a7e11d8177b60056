from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from bentotrace.ui import search as search_module
from bentotrace.ui import store as store_module
from bentotrace.ui.model import UNSET, Source, Span
from bentotrace.ui.query import parse_query
from bentotrace.ui.search import find_traces
from bentotrace.ui.store import Store

SOURCE = Source("iris", {"service.name": "iris"}, "scope", "1")


def span(number: int) -> Span:
    return Span(
        f"{number:032x}", f"{number:016x}", "", "GET /x", 2, number, 5, UNSET, SOURCE,
        {"n": number}, [], [],
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_spans_are_written_during_a_long_search(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "ui.sqlite" if kind == "file" else None)
    store.add([span(number) for number in range(1, 20_001)]).result(30)
    began = threading.Event()

    def compare(value: Any, comparison: Any) -> bool:
        began.set()
        time.sleep(0.0002)
        return False

    monkeypatch.setattr(search_module, "_ordered", compare)
    search = threading.Thread(target=find_traces, args=(store, parse_query("n>5")))
    search.start()
    try:
        assert began.wait(10)
        store.add([span(30_000)]).result(30)
        assert search.is_alive()
    finally:
        search.join()
        store.close()


def test_a_search_goes_on_when_a_part_of_the_index_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (store_module, search_module):
        monkeypatch.setattr(module, "SEGMENT", 10)
    store = Store(tmp_path / "ui.sqlite", 30)
    store.add([span(number) for number in range(1, 31)]).result(10)
    compare = search_module._ordered
    arrived: list[Span] = []

    def remove(value: Any, comparison: Any) -> bool:
        if not arrived:
            arrived.extend(span(number) for number in range(31, 56))
            store.add(arrived).result(10)
        return compare(value, comparison)

    monkeypatch.setattr(search_module, "_ordered", remove)
    # A word is looked for in each part.
    found = find_traces(store, parse_query("get n>0"))
    assert len(arrived) == 25
    assert [trace.start for trace in found.traces][:1] == [30]
    assert not found.incomplete
    store.close()
