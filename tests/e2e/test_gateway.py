"""The configurations of ``deploy/`` in real servers: services, agents, gateways, Jaeger."""

from __future__ import annotations

import re
import secrets
import subprocess
from collections.abc import Iterator, Set
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode, TracerProvider

import bentotrace

from ..deploy.manifests import COMPOSE, MANIFESTS
from ..ports import free_ports
from . import deployed
from .backends import Jaeger, JaegerTrace, poll
from .processes import LOOPBACK, environment

pytestmark = pytest.mark.e2e

TRACES = 400
FAILED_EVERY = 10


@contextmanager
def sending(name: str, protocol: str, endpoint: str) -> Iterator[bentotrace.Tracing]:
    """Trace a service of that name to an OTLP endpoint."""
    with bentotrace.build(
        {
            "exporter_type": "otlp",
            "sample_rate": 1.0,
            "resource": {"attributes": {"service.name": name}},
            "otlp": {"protocol": protocol, "endpoint": endpoint},
        }
    ) as tracing:
        yield tracing


def request(front: TracerProvider, back: TracerProvider, *, fails: bool) -> str:
    """Make a trace of three spans in two services, and give its id."""
    ask = front.get_tracer("front").start_as_current_span("ask", kind=SpanKind.CLIENT)
    tracer = back.get_tracer("back")
    answer = tracer.start_as_current_span("answer", kind=SpanKind.SERVER)
    with ask as asked, answer, tracer.start_as_current_span("look up") as look_up:
        if fails:
            look_up.set_status(StatusCode.ERROR, "no such flower")
    return trace.format_trace_id(asked.get_span_context().trace_id)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_the_gateway_keeps_errors_thins_the_rest_and_tears_no_trace(
    protocol: str, gateway: deployed.Collector, deployed_jaeger: Jaeger
) -> None:
    endpoint = gateway.url(gateway.otlp_http if protocol == "http" else gateway.otlp_grpc)

    check_sampling(protocol, endpoint, endpoint, deployed_jaeger)


def test_agents_and_gateways_together_keep_errors_thin_the_rest_and_tear_no_trace(
    collector: Path, deployed_jaeger: Jaeger, tmp_path: Path
) -> None:
    backend = f"{deployed_jaeger.host}:{deployed_jaeger.otlp_grpc}"
    with ExitStack() as stack:
        gateways = [
            stack.enter_context(
                deployed.running_contrib_gateway(collector, subdirectory(tmp_path, name), backend)
            )
            for name in ("gateway-0", "gateway-1")
        ]
        # The headless service's name would stand for both, but on one port.
        hostnames = [f"{each.host}:{each.otlp_grpc}" for each in gateways]
        resolver = {"dns": None, "static": {"hostnames": hostnames}}
        front, back = (
            stack.enter_context(
                deployed.running_agent(collector, subdirectory(tmp_path, name), resolver)
            )
            for name in ("agent-0", "agent-1")
        )

        check_sampling(
            "http", front.url(front.otlp_http), back.url(back.otlp_http), deployed_jaeger
        )

        accepted = [each.count("otelcol_receiver_accepted_spans_total") for each in gateways]
    assert all(accepted)


def subdirectory(path: Path, name: str) -> Path:
    directory = path / name
    directory.mkdir()
    return directory


def check_sampling(protocol: str, front_endpoint: str, back_endpoint: str, jaeger: Jaeger) -> None:
    """Send traces of two services, and check what of them comes to Jaeger."""
    suffix = secrets.token_hex(4)
    with (
        sending(f"front-{suffix}", protocol, front_endpoint) as front,
        sending(f"back-{suffix}", protocol, back_endpoint) as back,
    ):
        made = [
            request(front.provider, back.provider, fails=number % FAILED_EVERY == 0)
            for number in range(TRACES)
        ]
        # The one service's spans come after the other's, as from another machine.
        assert front.flush()
        assert back.flush()
        # Once this one has been decided on, so have all before it.
        last = request(front.provider, back.provider, fails=True)
    jaeger.trace(last, spans=3, within=90.0)

    # What another gateway decides on may come later.
    failed = set(made[::FAILED_EVERY])
    kept = arrived(jaeger, f"front-{suffix}", failed)

    del kept[last]
    rest = kept.keys() - failed
    assert failed <= kept.keys() <= set(made)
    # One in ten, more or less.
    assert 0 < len(rest) < (TRACES - len(failed)) / 3
    for found in kept.values():
        assert len(found.spans) == 3
        assert found.span("answer").parent_id == found.span("ask").span_id
        assert found.span("look up").parent_id == found.span("answer").span_id
    assert {found.span("ask").service for found in kept.values()} == {f"front-{suffix}"}
    assert {found.span("answer").service for found in kept.values()} == {f"back-{suffix}"}


def arrived(jaeger: Jaeger, service: str, expected: Set[str]) -> dict[str, JaegerTrace]:
    """Return a service's traces by their ids, once those expected are there and all are whole."""
    found = poll(
        lambda: jaeger.traces(service),
        lambda found: (
            expected <= {each.trace_id for each in found}
            and all(len(each.spans) == 3 for each in found)
        ),
        within=90.0,
    )
    return {each.trace_id: each for each in found}


@pytest.mark.parametrize("way", ["udp", "thrift", "grpc", "zipkin"])
def test_the_deployed_jaeger_takes_the_older_protocols(way: str, deployed_jaeger: Jaeger) -> None:
    url = deployed_jaeger.url
    agent = {"agent_host_name": deployed_jaeger.host, "agent_port": deployed_jaeger.thrift_compact}
    section: dict[str, Any] = {
        "udp": {"thrift": agent},
        "thrift": {"collector_endpoint": f"{url(deployed_jaeger.thrift_http)}/api/traces"},
        "grpc": {"protocol": "grpc", "collector_endpoint": url(deployed_jaeger.grpc)},
        "zipkin": {"endpoint": f"{url(deployed_jaeger.zipkin)}/api/v2/spans"},
    }[way]
    exporter = "zipkin" if way == "zipkin" else "jaeger"

    with bentotrace.build(
        {"exporter_type": exporter, "sample_rate": 1.0, exporter: section}
    ) as tracing:
        span = tracing.provider.get_tracer("old").start_span("ask")
        span.end()
        assert tracing.flush()

    trace_id = trace.format_trace_id(span.get_span_context().trace_id)
    assert deployed_jaeger.trace(trace_id, spans=1).span("ask")


@pytest.mark.parametrize(
    "files",
    [deployed.GATEWAY, deployed.CONTRIB_GATEWAY, deployed.AGENT],
    ids=["gateway", "gateway with its queue on disk", "agent"],
)
def test_a_collector_finds_no_fault_in_a_configuration(
    files: tuple[str, ...], collector: Path
) -> None:
    done = subprocess.run(
        [str(collector), "validate", *deployed.arguments(files)],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_the_collector_is_of_the_version_that_is_deployed(collector: Path) -> None:
    version = collector.parents[1].name.removeprefix("collector-v")

    images = {
        image
        for file in (*COMPOSE, *MANIFESTS)
        for image in re.findall(r"opentelemetry-collector-contrib:\S+", file.read_text("utf-8"))
    }
    assert images == {f"opentelemetry-collector-contrib:{version}"}


def test_the_queue_of_a_gateway_outlives_it_while_jaeger_is_away(
    collector: Path, deployed_jaeger: Jaeger, tmp_path: Path
) -> None:
    suffix = secrets.token_hex(4)
    (nobody,) = free_ports()
    with deployed.running_contrib_gateway(collector, tmp_path, f"{LOOPBACK}:{nobody}") as gateway:
        # One address for the name, as of a service with one gateway.
        resolver = {"dns": {"hostname": gateway.host, "port": str(gateway.otlp_grpc)}}
        with (
            deployed.running_agent(collector, subdirectory(tmp_path, "agent"), resolver) as agent,
            sending(f"front-{suffix}", "grpc", agent.url(agent.otlp_grpc)) as front,
            sending(f"back-{suffix}", "grpc", agent.url(agent.otlp_grpc)) as back,
        ):
            made = {request(front.provider, back.provider, fails=True) for _ in range(TRACES)}
            assert front.flush()
            assert back.flush()
            queued = poll(
                lambda: gateway.count("otelcol_processor_batch_batch_send_size_sum"),
                lambda spans: spans >= 3 * TRACES,
                within=90.0,
            )
        assert queued >= 3 * TRACES
        gateway.process.kill()
        gateway.process.wait()

    backend = f"{deployed_jaeger.host}:{deployed_jaeger.otlp_grpc}"
    with deployed.running_contrib_gateway(collector, tmp_path, backend):
        found = arrived(deployed_jaeger, f"front-{suffix}", made)
    assert found.keys() == made
    assert {len(each.spans) for each in found.values()} == {3}
