from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bentotrace.spool.store import SpoolStore
from bentotrace.transport.retry import Backoff

from ..delivery.conftest import make_config, make_span, run_process, wait_until  # noqa: F401
from .batches import MEBIBYTE
from .switch import QUICK, SOON, Bench


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def make_store(directory: Path) -> Iterator[Callable[..., SpoolStore]]:
    made: list[SpoolStore] = []

    def make(max_bytes: int = MEBIBYTE) -> SpoolStore:
        store = SpoolStore(str(directory), "otlp", max_bytes)
        made.append(store)
        return store

    yield make
    for store in made:
        store.close()


@pytest.fixture
def start_process(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a script in a process of its own, which is killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(script: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def wait_for() -> Callable[[Callable[[], object]], None]:
    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + SOON
        while not condition():
            assert time.monotonic() < deadline, "it did not come about in time"
            time.sleep(0.01)

    return wait


@pytest.fixture
def make_bench(directory: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(backoff: Backoff = QUICK, max_bytes: int = MEBIBYTE, **options: Any) -> Bench:
        bench = Bench(directory, backoff=backoff, max_bytes=max_bytes, **options)
        made.append(bench)
        return bench

    yield make
    for bench in made:
        bench.exporter.gate.set()
        bench.processor.close(SOON)
        if bench.processor._own_queue().consumer.thread is not None:
            bench.processor._own_queue().consumer.thread.join(SOON)
