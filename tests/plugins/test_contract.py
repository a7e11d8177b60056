"""The built-in exporters keep the contract that authors of exporters test with."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("grpc", reason="some of the receivers speak gRPC with grpcio")
pytest.importorskip("opentelemetry.proto", reason="the receivers decode with opentelemetry-proto")
pytest.importorskip("thrift", reason="the receivers decode with the thrift library")

from bentotrace.testing import (
    JaegerGRPCReceiver,
    JaegerHTTPReceiver,
    JaegerUDPReceiver,
    OTLPGRPCReceiver,
    OTLPHTTPReceiver,
    ZipkinReceiver,
)
from bentotrace.testing.contract import SECRET, ExporterContract


class TestConsole(ExporterContract):
    exporter_type = "console"
    reports_outcomes = False


class TestOTLPHTTP(ExporterContract):
    exporter_type = "otlp"
    receiver = OTLPHTTPReceiver
    options = {"protocol": "http", "endpoint": lambda receiver: receiver.endpoint}
    supports_tls = True
    certificate_option = "http.certificate_file"
    supports_headers = True
    headers_option = "http.headers"


class TestOTLPGRPC(ExporterContract):
    exporter_type = "otlp"
    receiver = OTLPGRPCReceiver
    options = {"protocol": "grpc", "endpoint": lambda receiver: receiver.endpoint}
    supports_tls = True
    certificate_option = "grpc.certificate_file"
    supports_headers = True
    headers_option = "grpc.headers"


class TestZipkin(ExporterContract):
    exporter_type = "zipkin"
    receiver = ZipkinReceiver
    options = {"endpoint": lambda receiver: receiver.endpoint}
    supports_tls = True
    supports_headers = True
    value_types = frozenset({str})
    # Zipkin has no links and no trace state, and mixes the resource with the span's tags.
    lost_fields = frozenset({"links", "trace_state", "resource"})


class Jaeger(ExporterContract):
    exporter_type = "jaeger"
    value_types = frozenset({bool, int, float, str})


class TestJaegerHTTP(Jaeger):
    receiver = JaegerHTTPReceiver
    options = {"collector_endpoint": lambda receiver: receiver.endpoint}
    supports_tls = True
    certificate_option = "thrift.certificate_file"
    supports_headers = True
    headers_option = "thrift.headers"
    secrets = {"username": "me", "password": SECRET}


class TestJaegerGRPC(Jaeger):
    receiver = JaegerGRPCReceiver
    options = {"protocol": "grpc", "collector_endpoint": lambda receiver: receiver.endpoint}
    supports_tls = True
    certificate_option = "grpc.certificate_file"
    supports_headers = True
    headers_option = "grpc.headers"
    secrets = {"username": "me", "password": SECRET}


class TestJaegerUDP(Jaeger):
    receiver = JaegerUDPReceiver
    secrets = {}
    confirms_delivery = False

    def options(self, receiver: Any) -> Any:
        return {"thrift": {"agent_host_name": receiver.host, "agent_port": receiver.port}}
