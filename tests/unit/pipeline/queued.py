"""What the tests of the queue share."""

from __future__ import annotations

from opentelemetry.sdk.trace import ReadableSpan


def names(batch: list[ReadableSpan] | None) -> list[str]:
    assert batch is not None
    return [span.name for span in batch]
