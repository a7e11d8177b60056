"""Process standard input and end; each run is one trace."""

import sys

from opentelemetry import trace

import bentotrace

tracer = trace.get_tracer("nightly")


def weigh(line: str) -> int:
    """Process one line; an exception marks its span as failed."""
    with tracer.start_as_current_span("weigh", attributes={"line": line}):
        return int(line)


def main() -> int:
    """Process the words of standard input."""
    total, failed = 0, 0
    with tracer.start_as_current_span("nightly run"):
        for line in sys.stdin.read().split():
            try:
                total += weigh(line)
            except ValueError:
                failed += 1
    print(f"total {total}, failed {failed}")
    return 1 if failed else 0


# Leaving the block exports the queued spans, so the counts are final afterwards.
with bentotrace.configure("tracing.yaml") as tracing:
    code = main()
for destination in tracing.status().destinations:
    print(f"{destination.exported} of {destination.ended} spans are in {destination.exporter}")
sys.exit(code)
