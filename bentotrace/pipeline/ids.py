"""Trace ids that are known before the span that gets one is made."""

from __future__ import annotations

from contextvars import ContextVar

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

__all__ = ["HandedIds", "hand_trace_id"]

_handed: ContextVar[int] = ContextVar("bentotrace_trace_id", default=0)


class HandedIds(RandomIdGenerator):
    """Gives the next trace the id that was handed to it, which a sampler has decided on."""

    def generate_trace_id(self) -> int:
        """Give it once, and else a random one."""
        handed = _handed.get()
        if not handed:
            return super().generate_trace_id()
        _handed.set(0)
        return handed


def hand_trace_id(trace_id: int) -> None:
    """Have the next trace that begins in this context get an id; zero takes it back."""
    _handed.set(trace_id)
