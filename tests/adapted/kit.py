"""The contract of exporters published by others; ``test_contract.py`` runs it, each in its environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import receivers

from bentotrace import testing
from bentotrace.testing.contract import SECRET, ExporterContract

_KEY = "12345678-1234-1234-1234-123456789012"


class Published(ExporterContract):
    """What is the same for all: the adapter's exporters cannot report outcomes."""

    __test__ = False
    reports_outcomes = False
    # Receivers on a busy machine respond within it. The kit waits 3 s more, and retries of Azure's
    # exporter take 4.8 s.
    timeout = 1.0
    options = {"endpoint": lambda receiver: receiver.endpoint}

    def __init_subclass__(cls) -> None:
        """Let pytest collect the class."""
        cls.__test__ = True

    @pytest.fixture(autouse=True)
    def _lost_fields(self, record_property: Callable[[str, object], None]) -> None:
        """Write the fields that do not arrive into the results."""
        record_property("lost_fields", " ".join(sorted(self.lost_fields)))


class TestOTLPHTTP(Published):
    exporter_type = "otlp_proto_http"
    receiver = testing.OTLPHTTPReceiver
    supports_tls = True
    supports_headers = True


class TestOTLPGRPC(Published):
    exporter_type = "otlp_proto_grpc"
    receiver = testing.OTLPGRPCReceiver
    options = {"endpoint": lambda receiver: receiver.endpoint, "insecure": True}
    supports_headers = True
    # gRPC has no names with capitals.
    secrets = {"headers": {"x-token": SECRET}}


class TestZipkinJSON(Published):
    exporter_type = "zipkin_json"
    receiver = testing.ZipkinReceiver
    value_types = frozenset({str})
    lost_fields = frozenset({"links", "trace_state", "resource"})


class TestZipkinProtobuf(Published):
    exporter_type = "zipkin_proto"
    receiver = receivers.ZipkinProtobufReceiver
    value_types = frozenset({str})
    lost_fields = frozenset({"links", "trace_state", "resource"})


class TestOTLPJSON(Published):
    exporter_type = "otlp_json_http"
    receiver = receivers.OTLPJSONReceiver
    supports_headers = True


class TestAzureMonitor(Published):
    exporter_type = "azure_monitor_opentelemetry_exporter"
    receiver = receivers.AzureReceiver
    value_types = frozenset({str})
    lost_fields = frozenset(
        {"resource", "scope_name", "scope_version", "status_description", "trace_state"}
    )
    # The key in connection_string must be a UUID, so it cannot be SECRET.
    secrets: Any = {}

    def options(self, receiver: Any) -> dict[str, Any]:
        endpoint = receiver.endpoint.removesuffix(receivers.AzureReceiver.path)
        return {
            "connection_string": f"InstrumentationKey={_KEY};IngestionEndpoint={endpoint}/",
            "disable_offline_storage": True,
        }
