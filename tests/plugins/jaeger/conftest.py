"""The encodings, and independent readers of each."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from bentotrace_jaeger.binary import BinaryEncoder
from bentotrace_jaeger.compact import CompactEncoder
from bentotrace_jaeger.protobuf import ProtobufEncoder
from opentelemetry.sdk.trace import ReadableSpan

from .spans import RoundTrip


def compact(spans: Sequence[ReadableSpan]) -> bytes:
    batch = CompactEncoder().encode(spans)
    return batch.assemble(batch.spans)


@pytest.fixture(params=["compact", "binary", "protobuf"])
def encoding(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def round_trip(encoding: str) -> RoundTrip:
    """What an independent reader makes of the bytes of spans."""
    # Only tests that use them need the libraries that read.
    import bentotrace.testing.jaeger_protobuf as protobuf
    import bentotrace.testing.jaeger_thrift as thrift

    if encoding == "compact":
        return lambda spans: thrift.decode_emit_batch(compact(spans))
    if encoding == "binary":
        encoder = BinaryEncoder()
        return lambda spans: thrift.decode_batch(encoder.encode(spans))
    other = ProtobufEncoder()
    return lambda spans: protobuf.decode_post_spans(other.encode(spans))
