"""What a span costs to encode: ours and upstream's, alternating in one process.

Prints, per batch of 512 spans, the minimum and the median in microseconds per span, and the ratio
of the medians. Each encoder gets the spans of its own pipeline: ours lean spans, upstream's the
SDK's. The last column is our encoder with the SDK's spans, which it gets where another processor
reads them too. Run it as ``python benchmarks/encode.py``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen
from opentelemetry.sdk.trace import ReadableSpan
from spans import BATCHES, realistic

if TYPE_CHECKING:
    from bentotrace_jaeger.compact import CompactBatch

_MAX_PACKET = 65_000

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


def _our_compact() -> Encode:
    from bentotrace_jaeger.compact import CompactEncoder

    encoder = CompactEncoder()

    def encode(spans: Sequence[ReadableSpan]) -> bytes:
        batch = encoder.encode(spans)
        return b"".join(batch.assemble(packet) for packet in _packets(batch))

    return encode


def _packets(batch: CompactBatch) -> Iterator[Sequence[bytes]]:
    """Split as the UDP transport does."""
    start = size = 0
    for end, span in enumerate(batch.spans):
        if size + len(span) > _MAX_PACKET - batch.overhead:
            yield batch.spans[start:end]
            start, size = end, 0
        size += len(span)
    yield batch.spans[start:]


def _upstream_thrift(spans: Sequence[ReadableSpan]) -> Any:
    from opentelemetry.exporter.jaeger.thrift import jaeger_thrift
    from opentelemetry.exporter.jaeger.thrift.translate import ThriftTranslator, Translate

    translated = Translate(spans)._translate(ThriftTranslator(None))
    return jaeger_thrift.Batch(spans=translated, process=jaeger_thrift.Process(serviceName="iris"))


def _upstream_compact() -> Encode:
    from opentelemetry.exporter.jaeger.thrift.gen.agent import Agent
    from thrift.protocol.TCompactProtocol import TCompactProtocol
    from thrift.transport.TTransport import TMemoryBuffer

    def encode(spans: Sequence[ReadableSpan]) -> bytes:
        buffer = TMemoryBuffer()
        Agent.Client(iprot=TCompactProtocol(trans=buffer)).emitBatch(_upstream_thrift(spans))
        return bytes(buffer.getvalue())

    return encode


def _our_binary() -> Encode:
    from bentotrace_jaeger.binary import BinaryEncoder

    return BinaryEncoder().encode


def _upstream_binary() -> Encode:
    from thrift.protocol.TBinaryProtocol import TBinaryProtocol
    from thrift.transport.TTransport import TMemoryBuffer

    def encode(spans: Sequence[ReadableSpan]) -> bytes:
        buffer = TMemoryBuffer()
        _upstream_thrift(spans).write(TBinaryProtocol(buffer))
        return bytes(buffer.getvalue())

    return encode


def _our_protobuf() -> Encode:
    from bentotrace_jaeger.protobuf import ProtobufEncoder

    return ProtobufEncoder().encode


def _upstream_protobuf() -> Encode:
    from opentelemetry.exporter.jaeger.proto.grpc.gen import collector_pb2, model_pb2
    from opentelemetry.exporter.jaeger.proto.grpc.translate import ProtobufTranslator, Translate

    def encode(spans: Sequence[ReadableSpan]) -> bytes:
        translated = Translate(spans)._translate(ProtobufTranslator("iris", None))
        batch = model_pb2.Batch(spans=translated)
        request = collector_pb2.PostSpansRequest(batch=batch)
        return bytes(request.SerializeToString())

    return encode


def _our_zipkin() -> Encode:
    from bentotrace_zipkin.encoder import JSONEncoder

    return JSONEncoder({}).encode


def _upstream_zipkin() -> Encode:
    from opentelemetry.exporter.zipkin.json.v2 import JsonV2Encoder
    from opentelemetry.exporter.zipkin.node_endpoint import NodeEndpoint

    encoder = JsonV2Encoder()

    def encode(spans: Sequence[ReadableSpan]) -> bytes:
        return str(encoder.serialize(spans, NodeEndpoint())).encode()

    return encode


ROWS = (
    Row("Jaeger compact", _our_compact, _upstream_compact),
    Row("Jaeger binary", _our_binary, _upstream_binary),
    Row("Jaeger protobuf", _our_protobuf, _upstream_protobuf),
    Row("OTLP protobuf", _our_otlp, _upstream_otlp),
    Row("Zipkin JSON", _our_zipkin, _upstream_zipkin),
)


def _measure(encode: Encode, spans: Sequence[ReadableSpan]) -> float:
    start = time.thread_time()
    encode(spans)
    return (time.thread_time() - start) / len(spans) * 1e6


def _figures(times: Sequence[float]) -> str:
    return f"{min(times):6.1f} / {statistics.median(times):6.1f}" if times else "not installed"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="measurements of each encoder")
    rounds = parser.parse_args().rounds
    print(
        f"{'':16} {'batch':18} {'upstream, µs/span':>17} {'ours, µs/span':>17} {'ratio':>6} "
        f"{'ours, SDK spans':>17}"
    )
    for row in ROWS:
        ours = row.ours()
        try:
            upstream: Encode | None = row.upstream()
            upstream(realistic(1))
        except Exception:
            # An ImportError, or protobuf's TypeError about code that is older than itself.
            upstream = None
        for name, make in BATCHES.items():
            spans, lean_spans = make(), make(lean=True)
            our_times, sdk_times, upstream_times = [], [], []
            for _ in range(rounds):
                our_times.append(_measure(ours, lean_spans))
                sdk_times.append(_measure(ours, spans))
                if upstream is not None:
                    upstream_times.append(_measure(upstream, spans))
            ratio = ""
            if upstream_times:
                ratio = f"{statistics.median(upstream_times) / statistics.median(our_times):5.1f}x"
            print(
                f"{row.name:16} {name:18} {_figures(upstream_times):>17} "
                f"{_figures(our_times):>17} {ratio:>6} {_figures(sdk_times):>17}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
