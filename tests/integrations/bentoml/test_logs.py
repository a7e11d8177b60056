"""The ids of a request in the access log and in the records of its service, also over OTLP."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

pytest.importorskip("bentoml", reason="These tests serve with BentoML.")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="docs/logs.md sends with it.")
pytest.importorskip("opentelemetry.instrumentation.logging", reason="docs/logs.md logs with it.")

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2

from bentotrace.testing import HTTPReceiver, OTLPHTTPReceiver, ReceivedSpan

from .conftest import named
from .serving import serving

Write = Callable[[str, str], Path]

PAGE = (Path(__file__).parents[3] / "docs" / "logs.md").read_text(encoding="utf-8")


class LogReceiver(HTTPReceiver):
    """Keeps the trace id of each log record by its text."""

    path = "/v1/logs"
    content_types = frozenset({"application/x-protobuf"})

    def __init__(self) -> None:
        self.trace_ids: dict[str, str] = {}
        super().__init__()

    def decode(self, body: bytes) -> list[ReceivedSpan]:
        request = logs_service_pb2.ExportLogsServiceRequest.FromString(body)
        for resource in request.resource_logs:
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    self.trace_ids[record.body.string_value] = record.trace_id.hex()
        return []


def test_the_access_log_and_the_records_of_a_service_have_the_ids_of_the_request(
    write: Write, directory: Path, receiver: OTLPHTTPReceiver, variables: Mapping[str, str]
) -> None:
    (service,) = re.findall(r"<!-- service.py -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    write("service.py", service)
    with LogReceiver() as logs:
        endpoint = {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": logs.endpoint}
        with serving(directory, "service:Iris", **variables, **endpoint) as iris:
            iris.ask("/classify", petal=1.0)
            assert iris.end() == 0

    (span,) = named(receiver.spans, "POST /classify").values()
    ids = f"(trace={span.trace_id},span={span.span_id},sampled=1,service.name=Iris)"
    said = [line for line in iris.said().splitlines() if line.endswith(ids)]
    (access,) = [line for line in said if "path=/classify" in line]
    assert [line for line in said if "a short petal" in line]
    # BentoML's handler adds the ids to the text; over OTLP they are fields.
    sent = {text: trace_id for text, trace_id in logs.trace_ids.items() if text in access}
    assert {*sent.values(), logs.trace_ids["a short petal"]} == {span.trace_id}
    assert len(sent) == 1
