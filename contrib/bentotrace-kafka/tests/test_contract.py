"""The exporter keeps the contract of bentotrace."""

from __future__ import annotations

import pytest
from bentotrace.testing.contract import SECRET, ExporterContract
from broker import JaegerBroker, OTLPBroker


class Kafka(ExporterContract):
    exporter_type = "kafka"

    @pytest.mark.skip(reason="this broker cannot choose its port; bentotrace's end-to-end tests do")
    def test_a_receiver_that_comes_back_is_used(self) -> None:
        pass


class TestOTLP(Kafka):
    receiver = OTLPBroker
    options = {"brokers": lambda receiver: receiver.address}
    secrets = {"sasl.mechanism": "PLAIN", "sasl.username": "iris", "sasl.password": SECRET}


class TestJaeger(Kafka):
    receiver = JaegerBroker
    options = {"brokers": lambda receiver: receiver.address, "encoding": "jaeger_proto"}
    value_types = frozenset({bool, int, float, str})
