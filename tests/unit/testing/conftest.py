"""What the senders of these tests write with: nothing of bentotrace's."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3


@pytest.fixture
def post() -> Iterator[Callable[..., urllib3.BaseHTTPResponse]]:
    """POST a body, over connections that are kept alive."""
    with urllib3.PoolManager(retries=False, timeout=5.0) as pool:

        def post(url: str, body: bytes, **headers: str) -> urllib3.BaseHTTPResponse:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return pool.request("POST", url, body=body, headers=named)

        yield post


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Return a server's certificate for loopback, and the authority that signed it."""
    trustme = pytest.importorskip("trustme", reason="trustme makes the certificates of these tests")
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1", "localhost")
    folder = tmp_path_factory.mktemp("certificates")
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(server_context)
    return SimpleNamespace(
        ca_file=str(ca_file),
        ca=authority.cert_pem.bytes(),
        key=leaf.private_key_pem.bytes(),
        chain=b"".join(blob.bytes() for blob in leaf.cert_chain_pems),
        server_context=server_context,
    )


@pytest.fixture
def sdk_spans() -> list[Any]:
    """Three ended spans of the SDK: a child with everything, its parent, and a span on its own."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

    memory = InMemorySpanExporter()
    resource = Resource({"service.name": "shop", "host.cores": 4})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("shop.tracer", "1.2")
    linked = SpanContext(trace_id=0xABC, span_id=0xDEF, is_remote=True)
    with tracer.start_as_current_span("parent", kind=SpanKind.SERVER):
        child = tracer.start_span(
            "child",
            kind=SpanKind.CLIENT,
            links=[Link(linked, {"why": "because"})],
            attributes={"text": "ü", "yes": True, "n": -5, "x": 0.5, "list": ["a", "b"]},
        )
        child.add_event("fell", {"height": 3})
        child.set_status(Status(StatusCode.ERROR, "broken"))
        child.end()
    tracer.start_span("alone").end()
    provider.shutdown()
    return list(memory.get_finished_spans())


@pytest.fixture
def thrift_writer() -> ThriftWriter:
    pytest.importorskip("thrift", reason="the thrift library writes what these tests send")
    return ThriftWriter()


class ThriftWriter:
    """Writes Jaeger's structures with the writers of the thrift library.

    A structure is a list of (field id, type, value), where the type is a name of ``TType``; a
    list's value is a list of structures.
    """

    def batch_bytes(self, batch: list[Any], protocol: str = "binary") -> bytes:
        buffer, writer = self._open(protocol)
        self._struct(writer, batch)
        return bytes(buffer.getvalue())

    def emit_batch_bytes(
        self, batch: list[Any], protocol: str = "compact", name: str = "emitBatch", kind: int = 4
    ) -> bytes:
        buffer, writer = self._open(protocol)
        writer.writeMessageBegin(name, kind, 0)
        self._struct(writer, [(1, "STRUCT", batch)])
        writer.writeMessageEnd()
        return bytes(buffer.getvalue())

    def batch(self, *spans: list[Any], service: str = "shop", tags: Any = ()) -> list[Any]:
        process = [(1, "STRING", service), (2, "LIST", list(tags))]
        return [(1, "STRUCT", process), (2, "LIST", list(spans))]

    def span(self, **changes: Any) -> list[Any]:
        """Write a span; a field given as None is left out."""
        fields: dict[str, tuple[int, str, Any]] = {
            "trace_id_low": (1, "I64", -2),
            "trace_id_high": (2, "I64", 1),
            "span_id": (3, "I64", 0x1234),
            "parent_span_id": (4, "I64", 0),
            "name": (5, "STRING", "span"),
            "references": (6, "LIST", None),
            "flags": (7, "I32", 1),
            "start": (8, "I64", 1_700_000_000_000_000),
            "duration": (9, "I64", 250),
            "tags": (10, "LIST", None),
            "logs": (11, "LIST", None),
        }
        for name, value in changes.items():
            number, kind, _ = fields[name]
            fields[name] = (number, kind, value)
        return [entry for entry in fields.values() if entry[2] is not None]

    def tag(self, key: str, value: Any) -> list[Any]:
        kinds: dict[type, tuple[int, int, str]] = {
            str: (0, 3, "STRING"),
            float: (1, 4, "DOUBLE"),
            bool: (2, 5, "BOOL"),
            int: (3, 6, "I64"),
            bytes: (4, 7, "STRING"),
        }
        number, field, kind = kinds[type(value)]
        return [(1, "STRING", key), (2, "I32", number), (field, kind, value)]

    def log(self, microseconds: int, *tags: list[Any]) -> list[Any]:
        return [(1, "I64", microseconds), (2, "LIST", list(tags))]

    def reference(self, kind: int, low: int, high: int, span_id: int) -> list[Any]:
        return [(1, "I32", kind), (2, "I64", low), (3, "I64", high), (4, "I64", span_id)]

    def _open(self, protocol: str) -> tuple[Any, Any]:
        from thrift.protocol.TBinaryProtocol import TBinaryProtocol
        from thrift.protocol.TCompactProtocol import TCompactProtocol
        from thrift.transport.TTransport import TMemoryBuffer

        buffer = TMemoryBuffer()
        protocols = {"compact": TCompactProtocol, "binary": TBinaryProtocol}
        return buffer, protocols[protocol](buffer)

    def _struct(self, writer: Any, fields: list[Any]) -> None:
        from thrift.Thrift import TType

        writer.writeStructBegin("")
        for number, kind, value in fields:
            writer.writeFieldBegin("", getattr(TType, kind), number)
            self._value(writer, kind, value)
            writer.writeFieldEnd()
        writer.writeFieldStop()
        writer.writeStructEnd()

    def _value(self, writer: Any, kind: str, value: Any) -> None:
        from thrift.Thrift import TType

        if kind == "STRUCT":
            self._struct(writer, value)
        elif kind == "LIST":
            writer.writeListBegin(TType.STRUCT, len(value))
            for item in value:
                self._struct(writer, item)
            writer.writeListEnd()
        elif kind == "STRING":
            writer.writeBinary(value.encode() if isinstance(value, str) else value)
        else:
            names = {"I32": "writeI32", "I64": "writeI64", "DOUBLE": "writeDouble"}
            getattr(writer, names.get(kind, "writeBool"))(value)
