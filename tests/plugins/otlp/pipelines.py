"""What the tests of the exporter do with a pipeline."""

from __future__ import annotations

import bentotrace
from bentotrace.delivery.status import DestinationStatus


def end_spans(tracing: bentotrace.Tracing, *names: str) -> DestinationStatus:
    """End spans, flush, and give the destination's status."""
    tracer = tracing.provider.get_tracer("test")
    for name in names:
        tracer.start_span(name).end()
    tracing.flush(10)
    return tracing.status().destinations[0]
