"""What the tests of the store share: batches that go into it and come out."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

from bentotrace.pipeline.spool.codec import decode_batch
from bentotrace.pipeline.spool.store import SpoolStore

MEBIBYTE = 1024 * 1024
MakeStore = Callable[..., SpoolStore]
StartProcess = Callable[..., "subprocess.Popen[str]"]


def spans(*names: str) -> list[ReadableSpan]:
    return [ReadableSpan(name, resource=Resource.get_empty()) for name in names]


def large(name: str, size: int = 100_000) -> list[ReadableSpan]:
    """Make a batch of so many bytes, compressed."""
    data = random.Random(name).randbytes(size)
    return [ReadableSpan(name, resource=Resource.get_empty(), attributes={"data": data})]


def keep(store: SpoolStore, *names: str) -> None:
    store.append(store.next_number(), spans(*names))


def take_all(store: SpoolStore) -> list[str]:
    taken = []
    while (batch := store.oldest()) is not None:
        taken += [str(span.name) for span in decode_batch(batch.content)]
        assert store.remove(batch.number)
    return taken
