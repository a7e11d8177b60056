"""Exporters published for OpenTelemetry, each in an environment of its own, as ``exporter_type``.

The results are in ``docs/exporters.md``.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from .environments import ROOT, build_wheel, install, version

PAGE = ROOT / "docs" / "exporters.md"


class Published(NamedTuple):
    """An exporter, its requirement, and options for it.

    Attributes:
        receives: the receiver that it sends to; without one, nothing listens.
        writes: the option for the file that it writes.
    """

    name: str
    requirement: str
    section: dict[str, object]
    receives: str = ""
    writes: str = ""


PUBLISHED = [
    Published("otlp_proto_http", "opentelemetry-exporter-otlp-proto-http", {}, "OTLPHTTPReceiver"),
    Published(
        "otlp_proto_grpc",
        "opentelemetry-exporter-otlp-proto-grpc",
        {"insecure": True},
        "OTLPGRPCReceiver",
    ),
    Published("zipkin_json", "opentelemetry-exporter-zipkin-json", {}, "ZipkinReceiver"),
    Published("zipkin_proto", "opentelemetry-exporter-zipkin-proto-http", {}),
    Published("gcp_trace", "opentelemetry-exporter-gcp-trace", {"project_id": "test"}),
    Published(
        "azure_monitor_opentelemetry_exporter",
        "azure-monitor-opentelemetry-exporter",
        {
            "connection_string": "InstrumentationKey=12345678-1234-1234-1234-123456789012;"
            "IngestionEndpoint=http://127.0.0.1:9/",
            "disable_offline_storage": True,
        },
    ),
    Published("otlp_json_http", "opentelemetry-exporter-otlp-json-http", {}, "JSONReceiver"),
    Published("otlp_json_file", "opentelemetry-exporter-otlp-json-file", {}, writes="path"),
    Published("console", "opentelemetry-sdk", {}),
]

SCRIPT = """
import contextlib, gzip, http.server, json, sys, threading, types
import bentotrace
from bentotrace import testing
from bentotrace.discovery import registry
name, section, receives, writes = json.loads(sys.argv[1])
said = {"listed": name in (*registry.names(), *registry.foreign_names())}

def names_in(text):
    return [
        span["name"]
        for resource in json.loads(text)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]

class JSONReceiver(http.server.ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server_port}/v1/traces"
        self.spans = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.spans += [types.SimpleNamespace(name=each) for each in names_in(body)]
        self.send_response(200)
        self.end_headers()

Receiver = contextlib.nullcontext
if receives:
    Receiver = JSONReceiver if receives == "JSONReceiver" else getattr(testing, receives)
if writes:
    section[writes] = "written.jsonl"
with Receiver() as receiver:
    if receives:
        section["endpoint"] = receiver.endpoint
    source = {"exporter_type": name, "sample_rate": 1, "timeout": 2, name: section}
    try:
        with bentotrace.build(source) as tracing:
            tracing.provider.get_tracer("test").start_span("one").end()
        said["status"] = str(tracing.status().destinations[0].last_error or "exported")[:200]
        said["built"] = True
        if receives:
            said["received"] = [span.name for span in receiver.spans]
        if writes:
            with open("written.jsonl") as lines:
                said["received"] = [name for line in lines for name in names_in(line)]
    except bentotrace.BentotraceError as error:
        said["built"], said["status"] = False, str(error)[:300]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda published: published.name)
def test_a_published_exporter_is_built_from_a_section(
    published: Published, wheel: Path, tmp_path: Path
) -> None:
    python = install(tmp_path, wheel, "testing", published.requirement)

    argument = json.dumps([*published[:1], *published[2:]])
    done = subprocess.run(
        [python, "-W", "ignore", "-c", SCRIPT, argument],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
    )

    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["listed"]
    # Google's constructor looks for the credentials of an account.
    assert said["built"] or "DefaultCredentialsError" in said["status"], said["status"]
    if published.receives or published.writes:
        assert said["received"] == ["one"]


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda published: published.name)
def test_the_page_has_its_version(published: Published, wheel: Path, tmp_path: Path) -> None:
    python = install(tmp_path, wheel, "testing", published.requirement)
    row = f"| `{published.name}` | `{published.requirement}` | {version(python, published.requirement)} |"
    assert row in PAGE.read_text(encoding="utf-8")
