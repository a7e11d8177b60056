"""A secret in every place that takes one, looked for in everything that is put out."""

from __future__ import annotations

import base64
import itertools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bentotrace.config.load import load_config
from bentotrace.discovery import registry
from bentotrace.exceptions import ConfigError
from bentotrace.schema.tree import section_of

pytestmark = pytest.mark.one_python

SECRET = "zq9secret9qz"
USER = "somebody"
HIDDEN = (SECRET, base64.b64encode(f"{USER}:{SECRET}".encode()).decode())
EXPORTERS = ("jaeger", "otlp", "zipkin")
HTTP = {"otlp": {"protocol": "http"}, "jaeger": {"protocol": "http/thrift.binary"}}
GRPC = {"otlp": {"protocol": "grpc"}, "jaeger": {"protocol": "grpc"}}
UDP = {"jaeger": {"protocol": "udp/thrift.compact"}}

Place = tuple[str, ...]


def places(kind: str) -> Iterator[tuple[Place, tuple[str, ...]]]:
    """Find the options that hold a secret of a kind, and the variables of each."""
    for exporter in EXPORTERS:
        for path, leaf in section_of(registry.load(exporter).config).leaves():
            if leaf.record.secret:
                found = "headers" if leaf.kind.takes_mapping else "text"
            else:
                found = "endpoint" if path[-1].endswith("endpoint") else ""
            if found == kind:
                yield (exporter, *path), tuple(variable.name for variable in leaf.record.env)


TEXTS, HEADERS, ENDPOINTS = (dict(places(kind)) for kind in ("text", "headers", "endpoint"))


def put(block: dict[str, Any], place: Place, value: Any) -> None:
    *above, last = place
    for step in above:
        block = block.setdefault(step, {})
    block[last] = value


def url(port: int) -> str:
    return f"http://{USER}:{SECRET}@127.0.0.1:{port}"


# How a secret gets into a file.
WAYS: Mapping[str, Callable[[str], Any]] = {
    "as it is": lambda text: text,
    "substituted": lambda text: text.replace(SECRET, "${SECRET}"),
    "from a variable": lambda text: {"env": "URL" if "://" in text else "SECRET"},
    "from a file": lambda text: {"file": "url.txt" if "://" in text else "secret.txt"},
    "in a query": lambda text: f"{text}/v1?x=1&api-key={SECRET}" if "://" in text else text,
}


def block_of(way: str, port: int, protocols: Mapping[str, Any]) -> dict[str, Any]:
    give = WAYS[way]
    block: dict[str, Any] = {
        "exporter_type": list(EXPORTERS),
        "sample_rate": 1.0,
        "timeout": 0.5,
        "jaeger": {"username": USER},
    }
    for place in TEXTS:
        put(block, place, give(SECRET))
    for place in HEADERS:
        put(block, place, {"x-api-key": give(SECRET)})
    for place in ENDPOINTS:
        put(block, place, give(url(port)))
    for exporter, options in protocols.items():
        block[exporter].update(options)
    return block


def variables(port: int) -> dict[str, str]:
    """Return every secret by every variable that takes it."""
    found = {"OTEL_EXPORTER_JAEGER_USER": USER}
    found.update(dict.fromkeys((name for names in TEXTS.values() for name in names), SECRET))
    found.update((name, f"x-api-key={SECRET}") for names in HEADERS.values() for name in names)
    found.update(dict.fromkeys((name for names in ENDPOINTS.values() for name in names), url(port)))
    return found


@pytest.fixture
def port() -> Iterator[int]:
    """A port on which nobody listens, kept from others."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def environ(tmp_path: Path, port: int) -> dict[str, str]:
    (tmp_path / "secret.txt").write_text(f"{SECRET}\n", encoding="utf-8")
    (tmp_path / "url.txt").write_text(f"{url(port)}\n", encoding="utf-8")
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "BENTO", "GRPC_"))
    }
    return {**clean, "SECRET": SECRET, "URL": url(port)}


def write(directory: Path, block: Mapping[str, Any]) -> None:
    # YAML takes JSON.
    (directory / "tracing.yaml").write_text(json.dumps({"tracing": block}), encoding="utf-8")


def run(directory: Path, environ: Mapping[str, str], script: str, *arguments: str) -> str:
    """Run a script in a process of its own; return all that it put out, which holds no secret."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=directory,
        env={**environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
    )
    assert [hidden for hidden in HIDDEN if hidden in done.stdout] == [], done.stdout
    return done.stdout


COMMAND = "import sys; from bentotrace.cli import main; sys.exit(main())"
COMMANDS = {
    "validate": ["validate", "tracing.yaml"],
    "validate as json": ["validate", "tracing.yaml", "--format", "json"],
    "validate as github": ["validate", "tracing.yaml", "--format", "github"],
    "explain": ["explain", "tracing.yaml"],
    "explain as json": ["explain", "tracing.yaml", "--format", "json"],
    "match": ["match", "/healthz", "tracing.yaml"],
    "schema": ["schema"],
    "plugins": ["plugins"],
}


def test_the_places_are_those_that_are_known() -> None:
    assert {".".join(place) for place in (*TEXTS, *HEADERS, *ENDPOINTS)} == {
        "jaeger.collector_endpoint",
        "jaeger.grpc.endpoint",
        "jaeger.grpc.headers",
        "jaeger.password",
        "jaeger.thrift.headers",
        "otlp.endpoint",
        "otlp.grpc.headers",
        "otlp.http.headers",
        "zipkin.endpoint",
        "zipkin.headers",
    }


@pytest.mark.parametrize("way", WAYS)
def test_the_secret_is_in_every_place_and_in_no_repr(
    way: str, tmp_path: Path, port: int, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, block_of(way, port, HTTP))

    config = load_config("tracing.yaml", environ=environ)

    jaeger, otlp, zipkin = (exporter.options for exporter in config.exporters)
    headers = [jaeger.thrift, jaeger.grpc, otlp.http, otlp.grpc, zipkin]
    assert [section.headers for section in headers] == [{"x-api-key": SECRET}] * 5
    assert jaeger.password == SECRET
    endpoints = [jaeger.collector_endpoint, jaeger.grpc.endpoint, otlp.endpoint.text]
    for endpoint in (*endpoints, zipkin.endpoint):
        assert str(endpoint).startswith(url(port))
        assert str(endpoint).endswith(f"api-key={SECRET}") == (way == "in a query")
    assert SECRET not in f"{config!r} {config.settings!r} {config.notes!r} {config}"
    for exporter in config.exporters:
        assert SECRET not in f"{exporter!r} {exporter.settings!r} {exporter.target!r}"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("way", [*WAYS, "variables"])
def test_no_command_shows_a_secret(
    command: str, way: str, tmp_path: Path, port: int, environ: dict[str, str]
) -> None:
    pytest.importorskip("click", reason="the command needs click")
    write(tmp_path, block_of("as it is" if way == "variables" else way, port, HTTP))
    if way == "variables":
        environ.update(variables(port))

    said = run(tmp_path, environ, COMMAND, *COMMANDS[command])

    assert "Traceback" not in said


@pytest.mark.parametrize("protocols", [HTTP, GRPC], ids=["http", "grpc"])
def test_the_demo_shows_no_secret_when_nobody_takes_its_spans(
    protocols: Mapping[str, Any], tmp_path: Path, port: int, environ: dict[str, str]
) -> None:
    for needed in ("click", "rich", "uvicorn", "opentelemetry.instrumentation.asgi", "grpc"):
        pytest.importorskip(needed, reason=f"the demo needs {needed}")
    write(tmp_path, block_of("as it is", port, protocols))

    said = run(tmp_path, environ, COMMAND, "demo", "--config", "tracing.yaml", "--requests", "1")

    assert "failed" in said
    assert f"127.0.0.1:{port}" in said


# Everything of ours that is alive is shown, as a debugger or an error tracker would show it.
RUNNING = """
import gc, logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
import bentotrace
tracing = bentotrace.build("tracing.yaml")
for number in range(3):
    tracing.provider.get_tracer("test").start_span("one").end()
    tracing.flush(timeout=5)
print(tracing, tracing.config, tracing.status())
shown = 0
for thing in gc.get_objects():
    if str(type(thing).__module__).startswith("bentotrace"):
        shown += 1
        print(repr(thing))
tracing.shutdown(timeout=5)
print("shown", shown)
"""


@pytest.mark.parametrize(
    ("protocols", "way"),
    [
        *itertools.product([HTTP, GRPC, UDP], ["as it is", "from a file", "variables"]),
        (HTTP, "in a query"),  # gRPC's endpoints have none
    ],
)
def test_no_log_line_and_no_living_object_shows_a_secret(
    way: str, protocols: Mapping[str, Any], tmp_path: Path, port: int, environ: dict[str, str]
) -> None:
    if protocols is not HTTP:
        pytest.importorskip("grpc", reason="the extra grpc brings grpcio")
    write(tmp_path, block_of("as it is" if way == "variables" else way, port, protocols))
    if way == "variables":
        environ.update(variables(port))

    said = run(tmp_path, environ, RUNNING)

    assert "DEBUG:bentotrace" in said
    assert int(said.rpartition("shown ")[2]) > 10


WRONG: Mapping[str, tuple[Any, ...]] = {
    "text": ([SECRET], {"a": SECRET}, {SECRET: 1}, [[SECRET]]),
    "headers": (
        SECRET,
        [SECRET],
        [[SECRET]],
        [{"authorization": SECRET}],
        {"authorization": [SECRET]},
        {"authorization": {"a": SECRET}},
        {"authorization": f"{SECRET}\n"},
        {f"authorization: {SECRET}": None},
        {f"authorization {SECRET}": "a"},
        {"authorization": f"${{{SECRET}"},
    ),
    "endpoint": (
        [url(1)],
        {"a": url(1)},
        *(url(1).replace("http:", scheme) for scheme in ("ftp:", "http:/", "")),
        *(url(1).replace("://", slashes) for slashes in (":/", ":", "//", "/")),
        *(url(1).replace(":1", port) for port in (":port", ":99999", ":0", ":-1", ":")),
        f"http://{USER}:{SECRET}@",
        f"http://{USER}:{SECRET}/half@127.0.0.1:x",
        f"http://{USER}:{SECRET} @127.0.0.1:1",
        f"{USER}:{SECRET}@127.0.0.1:1",
        f"{USER}:{SECRET}@",
        f"//{USER}:{SECRET}@[::1",
        f"http://{USER}:{SECRET}@$HOST:1",
    ),
}


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (place, wrong)
        for kind, found in (("text", TEXTS), ("headers", HEADERS), ("endpoint", ENDPOINTS))
        for place in found
        for wrong in WRONG[kind]
    ],
)
@pytest.mark.parametrize("protocols", [HTTP, GRPC], ids=["http", "grpc"])
def test_no_problem_shows_a_secret(
    place: Place, wrong: Any, protocols: Mapping[str, Any], tmp_path: Path
) -> None:
    block = block_of("as it is", 1, protocols)
    put(block, place, wrong)
    write(tmp_path, block)

    for source in (tmp_path / "tracing.yaml", {"tracing": block}):
        try:
            config = load_config(source, environ={})
        except ConfigError as error:
            shown = f"{error} {error!r} {error.problems!r} {error.args!r}"
            assert error.__cause__ is None
            assert error.__context__ is None
        else:
            shown = f"{config!r} {config.settings!r} {config.notes!r}"
        assert SECRET not in shown


@pytest.mark.parametrize(
    ("names", "wrong"),
    [
        (names, wrong)
        for kind, found in (("headers", HEADERS), ("endpoint", ENDPOINTS))
        for names in sorted(set(found.values()))
        for wrong in WRONG[kind]
        if names and isinstance(wrong, str)
    ],
)
def test_no_note_on_a_variable_shows_a_secret(names: tuple[str, ...], wrong: str) -> None:
    for exporter in EXPORTERS:
        try:
            shown = repr(
                load_config({"exporter_type": exporter}, environ=dict.fromkeys(names, wrong))
            )
        except ConfigError as error:
            shown = f"{error} {error!r}"
        assert SECRET not in shown
