"""What is said of a spool: each kind of trouble at once, and then at most once a minute."""

from __future__ import annotations

import logging
from collections.abc import Callable

from bentotrace.pipeline.guard import counted
from bentotrace.pipeline.tally import NOTICE_INTERVAL

__all__ = ["Notices"]


class Notices:
    """Logs for one spool; never raises."""

    def __init__(self, path: str, logger: logging.Logger, clock: Callable[[], float]) -> None:
        self._path = path
        self._logger = logger
        self._clock = clock
        self._quiet_until: dict[str, float] = {}
        self._untold = 0

    def unusable(self, reason: str) -> None:
        """Say that the file cannot be read or written."""
        if self._due("unusable"):
            self._log(
                logging.WARNING,
                "the spool %s cannot be used: %s; until it can, what the receiver does not take "
                "is lost; look at the disk's space and at the file's permissions",
                self._path,
                reason,
            )

    def evicted(self, spans: int) -> None:
        """Count spans that made room for newer ones, and say it."""
        self._untold += spans
        if self._untold and self._due("evicted"):
            untold, self._untold = self._untold, 0
            self._log(
                logging.WARNING,
                "dropped %s, the oldest of the spool %s, because it was full; look at the "
                "receiver, or raise spool.max_bytes",
                counted(untold, "span"),
                self._path,
            )

    def damaged_batch(self, spans: int, reason: str) -> None:
        """Say that a batch cannot be read."""
        self._log(
            logging.WARNING,
            "dropped a batch of %s in the spool %s, which is damaged: %s",
            counted(spans, "span"),
            self._path,
            reason,
        )

    def file_gone(self, spans: int, aside: str) -> None:
        """Say that the file was damaged, or removed."""
        self._log(
            logging.WARNING,
            "the spool %s was damaged or removed, and %s of this process with it; a damaged one "
            "is set aside as %s",
            self._path,
            counted(spans, "span"),
            aside,
        )

    def adopted(self, spans: int) -> None:
        """Say that there are spans of processes that have ended."""
        self._log(
            logging.INFO,
            "the spool %s holds %s of processes that have ended; this one sends what it holds",
            self._path,
            counted(spans, "span"),
        )

    def left(self, spans: int) -> None:
        """Say that spans stay on disk at the end."""
        self._log(
            logging.WARNING,
            "this process leaves %s in the spool %s; the next one with this configuration sends "
            "what it finds there",
            counted(spans, "span"),
            self._path,
        )

    def _due(self, kind: str) -> bool:
        now = self._clock()
        if now < self._quiet_until.get(kind, now):
            return False
        self._quiet_until[kind] = now + NOTICE_INTERVAL
        return True

    def _log(self, level: int, message: str, *arguments: object) -> None:
        try:
            self._logger.log(level, message, *arguments)
        # A handler that raises must not stop the exporting.
        except Exception:
            return
