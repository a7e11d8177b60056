"""What a span costs to encode: ours and upstream's, alternating in one process.

Prints, per batch of 512 spans, the minimum and the median in microseconds per span, and the ratio
of the medians. Run it as ``python benchmarks/encode.py``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence

from attrs import frozen
from opentelemetry.sdk.trace import ReadableSpan
from spans import BATCHES

Encode = Callable[[Sequence[ReadableSpan]], bytes]


@frozen
class Row:
    """One wire format: how to make our encoder and upstream's."""

    name: str
    ours: Callable[[], Encode]
    upstream: Callable[[], Encode]


def _our_otlp() -> Encode:
    from bentotrace_otlp.encoder import TraceEncoder

    return TraceEncoder().encode


def _upstream_otlp() -> Encode:
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    return lambda spans: encode_spans(spans).SerializePartialToString()


ROWS = (Row("OTLP protobuf", _our_otlp, _upstream_otlp),)


def _measure(encode: Encode, spans: Sequence[ReadableSpan]) -> float:
    start = time.perf_counter()
    encode(spans)
    return (time.perf_counter() - start) / len(spans) * 1e6


def _figures(times: Sequence[float]) -> str:
    return f"{min(times):6.1f} / {statistics.median(times):6.1f}" if times else "not installed"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="measurements of each encoder")
    rounds = parser.parse_args().rounds
    print(f"{'':16} {'batch':18} {'upstream, µs/span':>17} {'ours, µs/span':>17} {'ratio':>6}")
    for row in ROWS:
        ours = row.ours()
        try:
            upstream: Encode | None = row.upstream()
        except ImportError:
            upstream = None
        for name, make in BATCHES.items():
            spans = make()
            our_times, upstream_times = [], []
            for _ in range(rounds):
                our_times.append(_measure(ours, spans))
                if upstream is not None:
                    upstream_times.append(_measure(upstream, spans))
            ratio = ""
            if upstream_times:
                ratio = f"{statistics.median(upstream_times) / statistics.median(our_times):5.1f}x"
            print(
                f"{row.name:16} {name:18} {_figures(upstream_times):>17} "
                f"{_figures(our_times):>17} {ratio:>6}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
