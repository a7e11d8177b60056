"""Notifies every open page of new spans, by server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

from bentotrace.ui.store import Store

__all__ = ["Changes"]

_PAUSE = 0.25
_HEARTBEAT = 15.0


class Changes:
    """Follows the store's writes; streams live in the event loop in which it was made."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._streams: set[asyncio.Event] = set()
        self._closed = False
        store.on_change(self._written)

    def _written(self) -> None:
        if self._streams:
            # The loop may be closed at any moment.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for changed in self._streams:
            changed.set()

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        self._wake()

    async def stream(self) -> AsyncIterator[str]:
        """Yield the events for one page."""
        changed = asyncio.Event()
        changed.set()
        self._streams.add(changed)
        try:
            while not self._closed:
                try:
                    await asyncio.wait_for(changed.wait(), _HEARTBEAT)
                except asyncio.TimeoutError:
                    yield ": still here\n\n"
                    continue
                changed.clear()
                counts = self._store.counts()
                yield f"event: change\ndata: {json.dumps(counts)}\n\n"
                await asyncio.sleep(_PAUSE)
        finally:
            self._streams.discard(changed)
