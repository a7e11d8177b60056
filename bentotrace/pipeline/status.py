"""What a running pipeline says of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs
from attrs import field, frozen

__all__ = ["DestinationStatus", "DropReason", "ErrorStatus", "Status"]


class DropReason:
    """Why a span was dropped before an exporter saw it."""

    QUEUE_FULL = "queue_full"
    SHUTDOWN = "shutdown"
    SPOOL_FULL = "spool_full"
    SPOOL_DAMAGED = "spool_damaged"


@frozen
class ErrorStatus:
    """The last failed export of a destination.

    Attributes:
        kind: short word for programs, as "refused" or "status".
        reason: one line for a person.
        endpoint: where it was sent.
        time: seconds since the epoch.
        exporter: the exporter type.
        spans: how many it lost.
    """

    kind: str
    reason: str
    endpoint: str
    time: float
    exporter: str = ""
    spans: int = 0


@frozen
class DestinationStatus:
    """The spans of one destination; ``ended = exported + failed + dropped + pending``, always.

    Attributes:
        exporter: the exporter type.
        endpoint: where the spans go.
        ended: sampled spans that ended.
        exported: spans that the receiver took.
        failed: spans that were sent, or tried to be, and not taken.
        failed_by_kind: the same, by the error's kind.
        dropped: spans that never reached the exporter, or were lost on disk.
        dropped_by_reason: the same, by reason.
        pending: spans that wait, are being exported, or lie on disk.
        queue_length: those of them that wait.
        queue_capacity: how many may wait.
        last_success: seconds since the epoch, or None.
        last_error: the last failure, or None.
        consecutive_failures: exports that failed since the last that did not.
        spooled: those of the pending that lie on disk, safe from the end of the process.
        recovered: spans that processes before this one, or beside it, left on disk and that were
            delivered from there; they are in no other number.
    """

    exporter: str
    endpoint: str
    ended: int
    exported: int
    failed: int
    dropped: int
    dropped_by_reason: Mapping[str, int]
    pending: int
    failed_by_kind: Mapping[str, int] = field(factory=dict)
    queue_length: int = 0
    queue_capacity: int = 0
    last_success: float | None = None
    last_error: ErrorStatus | None = None
    consecutive_failures: int = 0
    spooled: int = 0
    recovered: int = 0


@frozen
class Status:
    """A pipeline at one moment.

    Attributes:
        destinations: one entry per exporter, in the order of the configuration.
    """

    destinations: tuple[DestinationStatus, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """Give the same as plain values, for JSON."""
        return attrs.asdict(self)

    def as_json(self) -> str:
        """Give the same as JSON text."""
        return json.dumps(self.as_dict())
