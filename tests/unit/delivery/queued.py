"""What the tests of the queue share."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from bentotrace.delivery.accounting import BatchResult


def names(batch: list[ReadableSpan] | None) -> list[str]:
    assert batch is not None
    return [span.name for span in batch]


def result(exported: int = 0, refused: int = 0, **more: Any) -> BatchResult:
    return BatchResult(exported, {"refused": refused} if refused else {}, **more)
