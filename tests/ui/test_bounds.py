"""What strangers, hostile senders and other sites' pages send does no harm."""

from __future__ import annotations

import gzip
import json
import random
import socket
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from bentotrace.ui import jaeger_protobuf, jaeger_thrift, otlp, zipkin
from bentotrace.ui.model import UnreadableError
from bentotrace.ui.receivers import decode_safely
from bentotrace.ui.server import Viewer

Get = Callable[..., Any]
Request = Callable[..., tuple[int, dict[str, str], bytes]]
JSON = {"Content-Type": "application/json"}
PROTOBUF = {"Content-Type": "application/x-protobuf"}
THRIFT = {"Content-Type": "application/x-thrift"}


def document(**fields: object) -> bytes:
    span = {"traceId": "1" * 32, "spanId": "2" * 16, "name": "x", **fields}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()


@pytest.mark.parametrize(
    ("receiver", "path", "headers", "body", "status"),
    [
        ("otlp_http", "/v1/traces", JSON, b"{", 400),
        ("otlp_http", "/v1/traces", JSON, b"[" * 100_000, 400),
        ("otlp_http", "/v1/traces", JSON, b"[]", 400),
        ("otlp_http", "/v1/traces", JSON, document(attributes=5), 200),
        ("otlp_http", "/v1/traces", PROTOBUF, b"\xff" * 100, 400),
        ("otlp_http", "/v1/traces", {"Content-Type": "text/plain"}, document(), 415),
        ("otlp_http", "/v1/traces", {**JSON, "Origin": "http://evil.test"}, document(), 403),
        ("otlp_http", "/v1/traces", {**JSON, "Content-Encoding": "gzip"}, b"no", 400),
        ("otlp_http", "/v1/traces", {**JSON, "Content-Encoding": "br"}, b"no", 400),
        ("jaeger_http", "/api/traces", THRIFT, b"\x0f\x00\x02\x0c\x7f\xff\xff\xff", 400),
        ("jaeger_http", "/api/traces", THRIFT, b"\x00", 400),
        ("jaeger_http", "/api/traces", THRIFT, b"\x0c\x00\x01" * 1000, 400),
        ("zipkin", "/api/v2/spans", JSON, b"{}", 400),
        ("zipkin", "/api/v2/spans", JSON, b"[5, null]", 202),
    ],
)
def test_what_cannot_be_read_is_refused(
    receiver: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    status: int,
    viewer: Viewer,
    request_path: Request,
    get: Get,
) -> None:
    response = request_path(viewer.port(receiver), path, body, headers)
    assert response[0] == status, response
    assert get("/ui/api/traces")["traces"] == []


def test_what_is_refused_of_a_request_is_counted(viewer: Viewer, request_path: Request) -> None:
    spans = [{"traceId": "1" * 32, "spanId": "2" * 16}, {"traceId": "0" * 32, "spanId": "2" * 16}]
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()
    status, _, response = request_path(viewer.port("otlp_http"), "/v1/traces", body, JSON)
    assert status == 200
    assert json.loads(response)["partialSuccess"] == {
        "rejectedSpans": "1",
        "errorMessage": "a trace id or span id is not valid",
    }


def test_a_bomb_and_a_body_that_is_too_large_are_refused(
    viewer: Viewer, request_path: Request, get: Get
) -> None:
    port = viewer.port("otlp_http")
    bomb = gzip.compress(b"\0" * (40 << 20))
    headers = {**JSON, "Content-Encoding": "gzip"}
    assert request_path(port, "/v1/traces", bomb, headers)[0] == 413
    with socket.create_connection(("127.0.0.1", port)) as connection:
        head = "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: {1 << 40}\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413")
    assert get("/ui/api/traces")["traces"] == []


def test_a_body_without_a_length_is_bounded_too(viewer: Viewer) -> None:
    with socket.create_connection(("127.0.0.1", viewer.port("otlp_http"))) as connection:
        connection.settimeout(10)
        head = "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        try:
            for _ in range(20):
                connection.sendall(chunk)
        except OSError:
            return  # it was closed before all was sent
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_slow_clients_do_not_stop_the_page(viewer: Viewer, get: Get) -> None:
    connections = []
    for _ in range(50):
        connection = socket.create_connection(("127.0.0.1", viewer.port("otlp_http")))
        connection.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json")
        connections.append(connection)
    assert get("/ui/api/status")["spans"] == 0
    for connection in connections:
        connection.close()


def test_garbage_in_datagrams_is_dropped(viewer: Viewer, get: Get) -> None:
    numbers = random.Random(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for port in ("jaeger_udp", "jaeger_udp_binary"):
            for size in (0, 1, 10, 1000, 60_000):
                sender.sendto(numbers.randbytes(size), ("127.0.0.1", viewer.port(port)))
    time.sleep(0.2)
    assert get("/ui/api/status")["spans"] == 0


def test_grpc_refuses_garbage_and_what_is_too_large(viewer: Viewer) -> None:
    for port, method in (
        ("otlp_grpc", "/opentelemetry.proto.collector.trace.v1.TraceService/Export"),
        ("jaeger_grpc", "/jaeger.api_v2.CollectorService/PostSpans"),
    ):
        with grpc.insecure_channel(f"127.0.0.1:{viewer.port(port)}") as channel:
            call = channel.unary_unary(method)
            with pytest.raises(grpc.RpcError) as garbage:
                call(b"\xff" * 20, timeout=10)
            assert garbage.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            with pytest.raises(grpc.RpcError) as bomb:
                call(b"\0" * (40 << 20), compression=grpc.Compression.Gzip, timeout=20)
            assert bomb.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    "decode",
    [
        otlp.decode_protobuf,
        otlp.decode_json,
        jaeger_thrift.decode_batch,
        jaeger_thrift.decode_compact_batch,
        jaeger_thrift.decode_emit_batch,
        jaeger_protobuf.decode_post_spans,
        zipkin.decode_json,
        zipkin.decode_protobuf,
    ],
)
def test_a_decoder_reads_anything_or_says_why_not(decode: Callable[[bytes], Any]) -> None:
    numbers = random.Random(2)
    for _ in range(500):
        body = numbers.randbytes(numbers.randrange(200))
        try:
            decode_safely(decode, body)
        except UnreadableError as error:
            assert str(error)


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "\u202etxt.exe",
    "a\0b\x1b[31m",
    "\ud800",
    "x" * (10 << 20),
    "'; DROP TABLE spans; --",
]


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_anything_in_a_span_is_text(
    value: str, viewer: Viewer, request_path: Request, get: Get
) -> None:
    attributes = [{"key": value[:100], "value": {"stringValue": value}}]
    body = document(name=value[:1000], attributes=attributes)
    assert request_path(viewer.port("otlp_http"), "/v1/traces", body, JSON)[0] == 200
    (trace,) = get("/ui/api/traces")["traces"]
    expected = value.encode("utf-8", "replace").decode()
    assert trace["root_name"] == expected[:1000]
    (span,) = get(f"/ui/api/traces/{trace['trace_id']}")["spans"]
    path = f"/ui/api/traces/{trace['trace_id']}/spans/{span['id']}"
    assert len(get(path)["attributes"][expected[:100]]) <= 20_100
    assert get(f"{path}?full=1")["attributes"] == {expected[:100]: expected}


def test_deep_values_are_cut(viewer: Viewer, request_path: Request, get: Get) -> None:
    value: dict[str, Any] = {"stringValue": "deep"}
    for _ in range(150):
        value = {"arrayValue": {"values": [value]}}
    body = document(attributes=[{"key": "k", "value": value}])
    assert request_path(viewer.port("otlp_http"), "/v1/traces", body, JSON)[0] == 200
    assert get("/ui/api/traces")["traces"][0]["spans"] == 1


@pytest.mark.parametrize("port", ["page", "zipkin"])
@pytest.mark.parametrize("path", ["/", "/ui/api/traces", "/api/services", "/api/v2/services"])
def test_another_sites_name_for_this_machine_reads_nothing(
    port: str, path: str, viewer: Viewer, request_path: Request
) -> None:
    number = viewer.port(port)
    for headers in ({"Host": "evil.test"}, {"Host": ""}, {"Origin": "http://evil.test"}):
        assert request_path(number, path, None, headers)[0] == 403
    for host in ("localhost", "127.0.0.1:99", "[::1]:5"):
        status, answered, _ = request_path(number, path, None, {"Host": host})
        assert status in (200, 404)
        assert "Access-Control-Allow-Origin" not in answered


def test_the_page_has_a_policy_and_no_inline_code(viewer: Viewer, request_path: Request) -> None:
    status, headers, body = request_path(viewer.port("page"), "/")
    assert status == 200
    policy = headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    page = body.decode()
    assert "<style" not in page
    assert "style=" not in page
    assert page.count("<script") == page.count('<script type="module" src=') == 1
    assert "set-cookie" not in {name.lower() for name in headers}


def test_another_host_needs_a_token(start: Callable[..., Viewer], request_path: Request) -> None:
    with pytest.raises(ValueError, match="a token is needed"):
        start(host="0.0.0.0")
    viewer = start(host="0.0.0.0", token="secret")
    port = viewer.port("page")
    assert viewer.url.endswith("/#token=secret")
    assert request_path(port, "/")[0] == 200
    for path in ("/ui/api/traces", "/ui/events", "/api/services"):
        assert request_path(port, path)[0] == 401
        assert request_path(port, path, None, {"Authorization": "Bearer wrong"})[0] == 401
    assert request_path(port, "/api/services", None, {"Authorization": "Bearer secret"})[0] == 200
    assert request_path(port, "/api/services?token=secret")[0] == 200


def test_a_taken_port_is_named_and_the_rest_runs(
    start: Callable[..., Viewer], request_path: Request
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.create_server(("127.0.0.1", 0)) as grpc_port,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        udp.bind(("127.0.0.1", 0))
        taken = {
            "otlp_http": tcp.getsockname()[1],
            "otlp_grpc": grpc_port.getsockname()[1],
            "jaeger_udp": udp.getsockname()[1],
        }
        viewer = start(ports=taken)
    problems = {item.name: item for item in viewer.listeners if item.problem}
    assert {name: item.port for name, item in problems.items()} == taken
    assert {item.problem for item in problems.values()} == {"another program uses it"}
    assert request_path(viewer.port("page"), "/api/services")[0] == 200
    assert request_path(viewer.port("zipkin"), "/api/v2/spans", b"[]", JSON)[0] == 202


def test_an_open_page_hears_of_spans_that_arrive(viewer: Viewer, request_path: Request) -> None:
    with socket.create_connection(("127.0.0.1", viewer.port("page"))) as connection:
        connection.settimeout(10)
        connection.sendall(b"GET /ui/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = b""
        while b'"spans": 0' not in received:
            received += connection.recv(4096)
        assert b"text/event-stream" in received
        request_path(viewer.port("otlp_http"), "/v1/traces", document(), JSON)
        while b'data: {"spans": 1, "traces": 1}' not in received:
            received += connection.recv(4096)
        # The stream does not keep the viewer from ending.
        began = time.monotonic()
        viewer.close()
        assert time.monotonic() - began < 20


def test_the_page_after_the_start_0_is_empty(
    viewer: Viewer, get: Get, request_path: Request
) -> None:
    body = document(startTimeUnixNano="0", endTimeUnixNano="1")
    assert request_path(viewer.port("otlp_http"), "/v1/traces", body, JSON)[0] == 200
    (trace,) = get("/ui/api/traces?before=0")["traces"]
    assert trace["start"] == "0"
    assert get("/ui/api/traces?before=-1")["traces"] == []
    assert get("/ui/api/traces?q=x&before=-1")["traces"] == []
    assert request_path(viewer.port("page"), "/ui/api/traces?before=-2")[0] == 400


@pytest.mark.parametrize("query", ["", "q=operation:x&"])
def test_pages_have_every_trace_of_one_nanosecond_once(
    query: str, viewer: Viewer, get: Get, request_path: Request
) -> None:
    sent = [f"{number:032x}" for number in range(1, 6)]
    for trace_id in sent:
        body = document(traceId=trace_id, startTimeUnixNano="7", endTimeUnixNano="9")
        assert request_path(viewer.port("otlp_http"), "/v1/traces", body, JSON)[0] == 200
    page = get(f"/ui/api/traces?{query}limit=2")
    shown = [page["traces"]]
    while page["next"] is not None:
        page = get(f"/ui/api/traces?{query}limit=2&next={page['next']}")
        shown.append(page["traces"])
    assert [len(traces) for traces in shown] == [2, 2, 1]
    assert [trace["trace_id"] for traces in shown for trace in traces] == sent[::-1]
    assert request_path(viewer.port("page"), "/ui/api/traces?next=7")[0] == 400
