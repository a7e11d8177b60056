"""What the tests of the store share: batches that go into it and come out."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

from bentotrace.spool.codec import encode_batch
from bentotrace.spool.store import SpoolStore

MEBIBYTE = 1024 * 1024
MakeStore = Callable[..., SpoolStore]
StartProcess = Callable[..., "subprocess.Popen[str]"]


def put(
    store: SpoolStore, number: int, batch: list[ReadableSpan], **options: int
) -> dict[int, int]:
    return store.append(number, len(batch), encode_batch(batch), **options)


def spans(*names: str) -> list[ReadableSpan]:
    return [ReadableSpan(name, resource=Resource.get_empty()) for name in names]


def large(name: str, size: int = 100_000) -> list[ReadableSpan]:
    """Make a batch of so many bytes, compressed."""
    data = random.Random(name).randbytes(size)
    return [ReadableSpan(name, resource=Resource.get_empty(), attributes={"data": data})]


def keep(store: SpoolStore, *names: str) -> None:
    put(store, store.next_number(), spans(*names))


def take_all(store: SpoolStore) -> list[str]:
    taken = []
    while (batch := store.oldest()) is not None:
        taken += [str(span.name) for span in batch.decode()]
        store.remove([batch.number])
    return taken
