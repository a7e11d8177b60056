"""The status of a running pipeline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs
from attrs import field

from bentotrace.values import frozen

__all__ = ["DestinationStatus", "DropReason", "ErrorStatus", "Status"]


class DropReason:
    """Why a span was dropped before an exporter saw it."""

    EXTENSION = "extension"
    INVALID_SPAN = "invalid span"
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
        spans: the number of spans it lost.
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
        endpoint: where the spans are sent.
        ended: sampled spans that ended.
        exported: spans that the receiver accepted.
        failed: spans that it did not accept, or that could not be sent.
        failed_by_kind: the same, by the kind of the error.
        dropped: spans that never reached the exporter, or were lost in the spool.
        dropped_by_reason: the same, by reason.
        pending: spans that wait, are being exported, or are in the spool.
        queue_length: pending spans that wait in the queue.
        queue_capacity: the number of spans that the queue can hold.
        last_success: seconds since the epoch, or None.
        last_error: the last failure, or None.
        consecutive_failures: failed exports since the last success.
        spooled: pending spans in the spool, which survive the end of the process.
        recovered: spans of other processes that were delivered from the spool; no other number
            includes them.
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

    def __str__(self) -> str:
        counts = ("exported", "failed", "dropped", "pending")
        parts = ", ".join(f"{getattr(self, name)} {name}" for name in counts)
        where = f" at {self.endpoint}" if self.endpoint else ""
        error = f"; last error: {self.last_error.reason}" if self.last_error is not None else ""
        return f"{self.exporter}{where}: {self.ended} ended = {parts}{error}"


@frozen
class Status:
    """A pipeline at one moment.

    Attributes:
        destinations: one entry per exporter, in the order of the configuration.
        spans: "lean" or "sdk", as configured; "sdk: REASON" where lean spans are not possible; ""
            where another provider creates the spans.
    """

    destinations: tuple[DestinationStatus, ...] = ()
    spans: str = ""

    def __repr__(self) -> str:
        return "; ".join(map(str, self.destinations)) or "no destination"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return attrs.asdict(self)

    def as_json(self) -> str:
        """Return JSON text."""
        return json.dumps(self.as_dict())
