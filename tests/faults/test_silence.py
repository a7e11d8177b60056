"""A connection over gRPC that became silent is replaced while there is time for another attempt."""

from __future__ import annotations

import bentotrace
from bentotrace.testing import OTLPGRPCReceiver

from .relay import relays


def test_a_silent_connection_loses_nothing_if_there_is_time_for_another_attempt() -> None:
    with OTLPGRPCReceiver() as receiver, relays() as start:
        relay = start(receiver.port)
        endpoint = f"http://127.0.0.1:{relay.port}"
        otlp = {"protocol": "grpc", "endpoint": endpoint}
        options = {"exporter_type": "otlp", "sample_rate": 1.0, "timeout": 60, "otlp": otlp}
        with bentotrace.build(options) as tracing:
            tracer = tracing.provider.get_tracer("test")
            tracer.start_span("before").end()
            assert tracing.flush(60)
            relay.silence()
            tracer.start_span("after").end()

            assert tracing.flush(60)

        assert [span.name for span in receiver.spans] == ["before", "after"]
        assert relay.connections == 2
