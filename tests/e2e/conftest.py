"""The servers of the end-to-end tests.

A server that runs already is used instead of starting one, where a variable says where it is:

    BENTOTRACE_TEST_JAEGER="HOST [NAME=PORT ...]"
    BENTOTRACE_TEST_ZIPKIN="HOST [port=PORT]"

Words are separated by spaces or commas. The names of Jaeger's ports, with their defaults:
otlp_grpc (4317), otlp_http (4318), grpc (14250), thrift_http (14268), thrift_compact (6831, UDP),
thrift_binary (6832, UDP), zipkin (9411), query (16686).

Otherwise ``servers/install`` provides the program. Where that lacks a tool the tests are skipped,
or fail with ``CI=true`` in the environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import attrs
import pytest

from bentotrace.ui.server import PORTS, Settings, Viewer

from . import deployed
from .backends import Jaeger, Zipkin, parse_location
from .processes import (
    ServerUnavailableError,
    installed,
    running_jaeger,
    running_zipkin,
)

if TYPE_CHECKING:
    from .brokers import Kafka

T = TypeVar("T", Jaeger, Zipkin)
Server = TypeVar("Server")


@pytest.fixture(scope="session")
def jaeger(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Jaeger]:
    """Yield a real Jaeger v2."""
    named = _named("BENTOTRACE_TEST_JAEGER", Jaeger)
    if named is not None:
        yield named
        return
    with _started(request, "jaeger", tmp_path_factory, running_jaeger) as server:
        yield server


@pytest.fixture(scope="session")
def zipkin(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Zipkin]:
    """Yield a real Zipkin."""
    named = _named("BENTOTRACE_TEST_ZIPKIN", Zipkin)
    if named is not None:
        yield named
        return
    with _started(request, "zipkin", tmp_path_factory, running_zipkin) as server:
        yield server


@pytest.fixture(scope="session")
def deployed_jaeger(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Jaeger]:
    """Yield a real Jaeger v2 with the configuration of ``deploy/jaeger``."""
    run = deployed.running_jaeger
    with _started(request, "jaeger", tmp_path_factory, run) as server:
        yield server


@pytest.fixture(scope="session")
def gateway(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    deployed_jaeger: Jaeger,
) -> Iterator[deployed.Collector]:
    """Yield a real gateway with the configuration of ``deploy/collector``, in front of Jaeger."""

    def run(program: Path, directory: Path) -> AbstractContextManager[deployed.Collector]:
        return deployed.running_gateway(program, directory, deployed_jaeger)

    with _started(request, "jaeger", tmp_path_factory, run) as server:
        yield server


@pytest.fixture(scope="session")
def kafka(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kafka]:
    """Yield a real Kafka with the topics of the tests."""
    pytest.importorskip("bentotrace_kafka", reason="it is in contrib/bentotrace-kafka")
    from .brokers import running_kafka

    with _started(request, "kafka", tmp_path_factory, running_kafka) as server:
        server.create_topics(deployed.TOPICS)
        yield server


@pytest.fixture(scope="session")
def kafka_jaeger(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, kafka: Kafka
) -> Iterator[Jaeger]:
    """Yield a real Jaeger v2 that reads from Kafka, as ``deploy/jaeger`` configures it."""

    def run(program: Path, directory: Path) -> AbstractContextManager[Jaeger]:
        return deployed.running_ingester(program, directory, kafka.address)

    with _started(request, "jaeger", tmp_path_factory, run) as server:
        yield server


@pytest.fixture(scope="session")
def kafka_zipkin(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, kafka: Kafka
) -> Iterator[Zipkin]:
    """Yield a real Zipkin that reads from Kafka."""

    def run(jar: Path, directory: Path) -> AbstractContextManager[Zipkin]:
        return running_zipkin(jar, directory, KAFKA_BOOTSTRAP_SERVERS=kafka.address)

    with _started(request, "zipkin", tmp_path_factory, run) as server:
        yield server


@pytest.fixture(scope="session")
def collector(request: pytest.FixtureRequest) -> Path:
    """Return the program of a Collector that has the components that ``deploy/collector`` names."""
    return _program(request, "collector")


@pytest.fixture(scope="session")
def kustomize(request: pytest.FixtureRequest) -> Path:
    """Return the program kustomize."""
    return _program(request, "kustomize")


@pytest.fixture(scope="session")
def strimzi(request: pytest.FixtureRequest) -> Path:
    """Return the directory with the definition of each kind of Strimzi that ``deploy/`` uses."""
    return _program(request, "strimzi")


def _named(variable: str, kind: type[T]) -> T | None:
    location = os.environ.get(variable, "").strip()
    if not location:
        return None
    ports = [field.name for field in attrs.fields(kind) if field.name != "host"]
    try:
        host, given = parse_location(location, ports)
    except ValueError as error:
        raise pytest.UsageError(f"{variable}: {error}") from error
    return kind(host, **given)


@contextmanager
def _started(
    request: pytest.FixtureRequest,
    server: str,
    tmp_path_factory: pytest.TempPathFactory,
    run: Callable[[Path, Path], AbstractContextManager[Server]],
) -> Iterator[Server]:
    program = _program(request, server)
    with _without_what_is_missing():
        running = run(program, tmp_path_factory.mktemp(server))
    with running as started:
        yield started


def _program(request: pytest.FixtureRequest, name: str) -> Path:
    with _without_what_is_missing():
        return installed(name, lambda text: _announce(request, text))


def _announce(request: pytest.FixtureRequest, text: str) -> None:
    """Write a line to the terminal now, though output is being captured."""
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        sys.stderr.write(f"\n{text}\n")
        sys.stderr.flush()


@contextmanager
def _without_what_is_missing() -> Iterator[None]:
    """Skip the test, or fail it in CI, where a server cannot be installed or run."""
    reason = ""
    try:
        yield
    except ServerUnavailableError as error:
        reason = str(error)
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    if reason:
        pytest.skip(reason)


@pytest.fixture
def viewer() -> Iterator[Viewer]:
    """Yield a viewer with every port free, in memory."""
    with Viewer(Settings(ports=dict.fromkeys(PORTS, 0))) as running:
        yield running
