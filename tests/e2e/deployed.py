"""The configurations of ``deploy/`` in real servers, on free loopback ports.

What is merged over the files changes addresses only, the time that a gateway waits for a trace, and
where its queue is.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from ..ports import free_ports
from .backends import Jaeger, get
from .processes import LOOPBACK, running, started

DEPLOY = Path(__file__).parents[2] / "deploy"

JAEGER = ("jaeger/jaeger.yaml",)
INGESTER = (*JAEGER, "jaeger/kafka.yaml")
GATEWAY = ("collector/gateway.yaml",)
CONTRIB_GATEWAY = (*GATEWAY, "collector/contrib.yaml")
AGENT = ("collector/agent.yaml",)

TOPICS = ("otlp_spans", "jaeger-spans", "zipkin")
"""The topics that Jaeger and Zipkin read in the tests; deploy/ reads the first."""

_START_TIMEOUT = 60.0

Config = Mapping[str, Any]


@frozen
class Collector:
    """A running Collector: its process, where it takes OTLP, and where it tells its own counts."""

    process: subprocess.Popen[bytes]
    host: str
    otlp_grpc: int
    otlp_http: int
    metrics: int

    def url(self, port: int) -> str:
        """Return the HTTP base URL of one of the ports, without a slash at the end."""
        return f"http://{self.host}:{port}"

    def count(self, name: str) -> float:
        """Return one of its own counts, over all labels; 0 before there is anything to count."""
        status, body = get(f"{self.url(self.metrics)}/metrics")
        assert status == 200, body
        samples = [line.rpartition(" ") for line in body.decode().splitlines()]
        return sum(float(value) for key, _, value in samples if key.partition("{")[0] == name)


def arguments(files: Sequence[str], *more: Path) -> list[str]:
    """Return the arguments with which a Collector reads files of ``deploy/``, and more over them."""
    return [f"--config={path}" for path in (*(DEPLOY / file for file in files), *more)]


def _at(port: int) -> dict[str, str]:
    return {"endpoint": f"{LOOPBACK}:{port}"}


def _protocols(jaeger: Mapping[str, int], names: Sequence[str]) -> Config:
    return {"protocols": {name.removeprefix("otlp_"): _at(jaeger[name]) for name in names}}


@contextmanager
def _jaeger(
    program: Path,
    directory: Path,
    files: Sequence[str] = JAEGER,
    more: Callable[[dict[str, Any]], None] = lambda config: None,
    **variables: str,
) -> Iterator[Jaeger]:
    *ports, query_grpc, health = free_ports(10)
    jaeger = Jaeger(LOOPBACK, *ports)
    port = asdict(jaeger)
    older = ("grpc", "thrift_http", "thrift_compact", "thrift_binary")
    config: dict[str, Any] = {
        "service": {"telemetry": {"metrics": {"level": "none"}}},
        "extensions": {
            "jaeger_query": {"http": _at(jaeger.query), "grpc": _at(query_grpc)},
            "healthcheckv2": {"http": _at(health)},
        },
        "receivers": {
            "otlp": _protocols(port, ("otlp_grpc", "otlp_http")),
            "jaeger": _protocols(port, older),
            "zipkin": _at(jaeger.zipkin),
        },
    }
    more(config)
    with _running(program, directory, files, config, health, variables):
        yield jaeger


@contextmanager
def _collector(
    program: Path, directory: Path, files: Sequence[str], config: Callable[[int], Config]
) -> Iterator[Collector]:
    """Run a Collector; the configuration of its own is given a port for its health."""
    otlp_grpc, otlp_http, metrics, health = free_ports(4)
    prometheus = {"host": LOOPBACK, "port": metrics}
    own = config(health)
    common = {
        "service": {
            "telemetry": {
                "metrics": {"readers": [{"pull": {"exporter": {"prometheus": prometheus}}}]}
            },
            **own.get("service", {}),
        },
        "receivers": {"otlp": {"protocols": {"grpc": _at(otlp_grpc), "http": _at(otlp_http)}}},
    }
    with _running(program, directory, files, {**own, **common}, health) as process:
        yield Collector(process, LOOPBACK, otlp_grpc, otlp_http, metrics)


def _running(
    program: Path,
    directory: Path,
    files: Sequence[str],
    config: Config,
    health: int,
    variables: Mapping[str, str] | None = None,
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    addresses = directory / "addresses.yaml"
    # JSON is YAML.
    addresses.write_text(json.dumps(config), "utf-8")
    return running(
        [str(program), *arguments(files, addresses)],
        log=directory / "log",
        # The path of Jaeger's extension; contrib's answers at every path.
        health=f"http://{LOOPBACK}:{health}/status",
        within=_START_TIMEOUT,
        variables=variables,
    )


def _sampling(backend: str) -> Config:
    return {
        "processors": {"tail_sampling": {"decision_wait": "5s"}},
        "exporters": {"otlp": {"endpoint": backend}},
    }


def running_jaeger(program: Path, directory: Path) -> AbstractContextManager[Jaeger]:
    """Run ``deploy/jaeger``."""
    return started(lambda: _jaeger(program, directory))


def running_ingester(program: Path, directory: Path, broker: str) -> AbstractContextManager[Jaeger]:
    """Run the Jaeger of ``deploy/`` that reads from Kafka, also spans in Jaeger's own format."""

    def more(config: dict[str, Any]) -> None:
        own = {"topic": "jaeger-spans", "encoding": "jaeger_proto"}
        common = {"brokers": [broker], "group_id": "jaeger", "initial_offset": "earliest"}
        config["receivers"]["kafka/own"] = {**common, "traces": own}
        receivers = ["otlp", "jaeger", "zipkin", "kafka", "kafka/own"]
        config["service"]["pipelines"] = {"traces": {"receivers": receivers}}

    return started(lambda: _jaeger(program, directory, INGESTER, more, KAFKA_BROKERS=broker))


def running_gateway(
    program: Path, directory: Path, jaeger: Jaeger
) -> AbstractContextManager[Collector]:
    """Run the gateway of ``deploy/collector`` in Jaeger's program, in front of a Jaeger."""

    def config(health: int) -> Config:
        return {
            **_sampling(f"{jaeger.host}:{jaeger.otlp_grpc}"),
            "service": {"extensions": ["healthcheckv2"]},
            "extensions": {"healthcheckv2": {"use_v2": True, "http": _at(health)}},
        }

    return started(lambda: _collector(program, directory, GATEWAY, config))


def running_contrib_gateway(
    program: Path, directory: Path, backend: str
) -> AbstractContextManager[Collector]:
    """Run the gateway that has its queue on disk, in the directory, in front of ``HOST:PORT``."""

    def config(health: int) -> Config:
        queue = str(directory / "queue")
        return {
            **_sampling(backend),
            "extensions": {"health_check": _at(health), "file_storage": {"directory": queue}},
        }

    return started(lambda: _collector(program, directory, CONTRIB_GATEWAY, config))


def running_agent(
    program: Path, directory: Path, resolver: Config
) -> AbstractContextManager[Collector]:
    """Run the agent, which finds its gateways with the resolver."""

    def config(health: int) -> Config:
        return {
            "extensions": {"health_check": _at(health)},
            "exporters": {"loadbalancing": {"resolver": resolver}},
        }

    return started(lambda: _collector(program, directory, AGENT, config))
