from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import bentotrace

pytest.importorskip(
    "opentelemetry.instrumentation.grpc", reason="the extra grpc-instrumentation is not installed"
)

import grpc

from bentotrace.integrations.grpc import aio_client_interceptors, trace_channel

Start = Callable[..., Any]

SOON = 30.0


@pytest.fixture
def tracing(receiver: Any) -> Iterator[bentotrace.Tracing]:
    """The client's own, which is not the process's global."""
    options: dict[str, Any] = {
        "sample_rate": 1,
        "excluded_urls": ["/shop"],
        "resource": {"attributes": {"service.name": "client"}},
        "exporter_type": "otlp",
        "otlp": {"protocol": "http", "endpoint": receiver.endpoint},
    }
    with bentotrace.build({}, **options) as made:
        yield made


def ask(address: str, tracing: bentotrace.Tracing) -> None:
    """Call every kind of method of a service."""
    with grpc.insecure_channel(address) as plain:
        channel = trace_channel(plain, tracing)
        assert channel.unary_unary("/shop.Cart/Add")(b"apple", timeout=SOON) == b"apple"
        every = channel.unary_stream("/shop.Cart/Every")(b"apple", timeout=SOON)
        assert list(every) == [b"apple", b"apple"]
        assert channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=SOON) == b""


async def ask_aio(address: str, tracing: bentotrace.Tracing) -> None:
    interceptors = aio_client_interceptors(tracing)
    async with grpc.aio.insecure_channel(address, interceptors=interceptors) as channel:
        assert await channel.unary_unary("/shop.Cart/Add")(b"apple", timeout=SOON) == b"apple"
        every = channel.unary_stream("/shop.Cart/Every")(b"apple", timeout=SOON)
        assert [answer async for answer in every] == [b"apple", b"apple"]
        assert await channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=SOON) == b""


@pytest.mark.parametrize("client", ["sync", "aio"])
@pytest.mark.parametrize("server", ["grpc", "grpc-aio"])
def test_calls_of_a_client_and_their_server_are_one_trace_but_for_excluded_methods(
    client: str, server: str, start: Start, receiver: Any, tracing: bentotrace.Tracing
) -> None:
    service = start(server)
    if client == "sync":
        ask(service.address, tracing)
    else:
        asyncio.run(ask_aio(service.address, tracing))
    service.end()
    tracing.flush(SOON)

    calls = {span.name: span for span in receiver.spans if span.kind == "client"}
    served = {span.name: span for span in receiver.spans if span.kind == "server"}
    work = [span for span in receiver.spans if span.name == "work"]
    # A client's calls are never excluded, and what a server excludes is gone with all below it.
    assert sorted(calls) == ["/grpc.health.v1.Health/Check", "/shop.Cart/Add", "/shop.Cart/Every"]
    assert sorted(served) == ["/shop.Cart/Add", "/shop.Cart/Every"]
    for name, span in served.items():
        assert (span.trace_id, span.parent_id) == (calls[name].trace_id, calls[name].span_id)
        assert (span.service_name, calls[name].service_name) == (server, "client")
    assert {span.parent_id for span in work} == {span.span_id for span in served.values()}
    assert len(work) == 2


@pytest.mark.few_pythons
@pytest.mark.parametrize("server", ["grpc", "grpc-aio"])
def test_a_method_has_its_own_rate(server: str, start: Start, receiver: Any) -> None:
    rates = [{"match": "/shop.Cart/Add$", "rate": 1}]
    service = start(server, sample_rate=0, sample_rates=rates)
    with grpc.insecure_channel(service.address) as channel:
        channel.unary_unary("/shop.Cart/Add")(b"apple", timeout=SOON)
        list(channel.unary_stream("/shop.Cart/Every")(b"apple", timeout=SOON))
    service.end()

    assert [span.name for span in receiver.spans if span.kind == "server"] == ["/shop.Cart/Add"]


@pytest.mark.few_pythons
@pytest.mark.parametrize("server", ["grpc", "grpc-aio"])
def test_without_a_tracing_the_global_one_is_taken(
    server: str, start: Start, receiver: Any
) -> None:
    service = start(server, SERVICE_TAKES_GLOBAL="1")
    with grpc.insecure_channel(service.address) as channel:
        channel.unary_unary("/shop.Cart/Add")(b"apple", timeout=SOON)
    service.end()

    assert sorted(span.kind for span in receiver.spans) == ["internal", "server"]


def test_what_exports_over_grpc_is_not_traced(start: Start) -> None:
    pytest.importorskip("opentelemetry.proto", reason="the receiver decodes with its protobuf")
    from bentotrace.testing import OTLPGRPCReceiver

    with OTLPGRPCReceiver() as collector:
        service = start("grpc", otlp={"protocol": "grpc", "endpoint": collector.endpoint})
        with grpc.insecure_channel(service.address) as channel:
            channel.unary_unary("/shop.Cart/Add")(b"apple", timeout=SOON)
        service.end()

        assert sorted(span.name for span in collector.spans) == ["/shop.Cart/Add", "work"]
