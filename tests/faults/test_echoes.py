"""A receiver, a proxy or an exporter quotes a secret: no output of the program shows it."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from pathlib import Path
from typing import Any

import pytest

import bentotrace
from bentotrace.discovery import registry
from bentotrace.schema.tree import section_of

from ..messages import length_delimited
from .echoes import ECHOES, SPELLINGS, EchoServer, Planted, plant, quotes_of, shown_secrets

HTTP = {"otlp": {"protocol": "http"}, "jaeger": {"protocol": "http/thrift.binary"}, "zipkin": {}}
GRPC = {"otlp": {"protocol": "grpc"}, "jaeger": {"protocol": "grpc"}}
VARIABLES = ("http_proxy", "https_proxy", "grpc_proxy", "no_proxy", "all_proxy")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class Written(logging.Handler):
    """All that is logged, as a handler that is made with defaults writes it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter(logging.BASIC_FORMAT))
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += self.format(record) + "\n"


@contextlib.contextmanager
def everything_logged() -> Iterator[Written]:
    root = logging.getLogger()
    level, handler = root.level, Written()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def test_the_exporters_that_take_a_secret_are_those_that_are_tested() -> None:
    secret = {
        name
        for name in registry.names()
        if name != registry.NONE
        for _, leaf in section_of(registry.load(name).config).leaves()
        if leaf.record.secret
    }
    assert secret == set(HTTP)


def outputs_of_exports(planted: Planted, exports: int) -> str:
    """Export so many spans; return the log, the status, the errors handed on, and the reprs."""
    errors: list[Any] = []
    shown = []
    with everything_logged() as log:
        tracing = bentotrace.build({**planted.block, "timeout": 1.0}, on_export_error=errors.append)
        for _ in range(exports):
            tracing.provider.get_tracer("test").start_span("one").end()
            tracing.flush(timeout=10)
            shown.append(tracing.status().as_json())
        shown += [repr(tracing), repr(tracing.config), repr(tracing.status())]
        tracing.shutdown(timeout=5)
    return "\n".join((log.text, *shown, *map(repr, errors)))


def outputs_of_doctor(
    planted: Planted,
    directory: Path,
    capsys: pytest.CaptureFixture[str],
    ways: Sequence[Sequence[str]] = ((), ("--json",)),
) -> str:
    pytest.importorskip("click", reason="the command needs click")
    from bentotrace.cli import main

    file = directory / "tracing.yaml"
    file.write_text(json.dumps({"tracing": planted.block}), encoding="utf-8")
    shown = []
    with everything_logged() as log:
        for way in ways:
            main(["doctor", str(file), *way])
            captured = capsys.readouterr()
            shown.append(captured.out + captured.err)
            if way:
                shown.append(repr(json.loads(captured.out)))
    return "\n".join((log.text, *shown))


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("echo", ECHOES)
def test_an_http_receiver_that_quotes_every_secret(
    echo: str,
    spelling: str,
    serve: Callable[..., Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    handler = EchoServer(ECHOES[echo])
    planted = plant(spelling, serve(handler).netloc, HTTP)
    quotes = handler.quote_all(planted.secrets)

    said = outputs_of_exports(planted, quotes // len(HTTP) + 1)
    # It asks for a while what speaks there.
    ways = [("--json",)] if "not HTTP" in echo else [(), ("--json",)] * 2
    said += outputs_of_doctor(planted, tmp_path, capsys, ways)

    assert len(planted.secrets) > 12
    assert shown_secrets(said, planted.secrets) == []
    assert echo == "success" or "***" in said


@pytest.mark.parametrize("spelling", ["plain", "hard"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_quotes_every_secret(
    scheme: str,
    spelling: str,
    serve: Callable[..., Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handler = EchoServer(ECHOES["phrase"])
    proxy = serve(handler)
    planted = plant(spelling, f"{scheme}://collector.example:4318", HTTP)
    from urllib.parse import quote

    credentials = f"somebody:{quote(planted.new(), safe='')}"
    monkeypatch.setenv(f"{scheme}_proxy", f"http://{credentials}@{proxy.netloc}")
    quotes = handler.quote_all(planted.secrets[::-1])

    said = outputs_of_exports(planted, quotes // len(HTTP) + 1)
    said += outputs_of_doctor(planted, tmp_path, capsys)

    assert shown_secrets(said, planted.secrets) == []
    assert "***" in said


@pytest.mark.parametrize("code", ["UNAUTHENTICATED", "UNAVAILABLE", "UNIMPLEMENTED"])
@pytest.mark.parametrize("in_details", [True, False], ids=["in its words", "in its details"])
def test_a_grpc_receiver_that_quotes_every_secret(
    code: str, in_details: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grpc = pytest.importorskip("grpc", reason="the extra grpc brings grpcio")
    # What is not ASCII cannot be sent as metadata.
    quotes: list[str] = []

    def refuse(_request: bytes, call: Any) -> bytes:
        form = quotes[0]
        quotes.append(quotes.pop(0))
        if not in_details:
            status = length_delimited(2, form.encode())
            call.set_trailing_metadata((("grpc-status-details-bin", status),))
        call.abort(getattr(grpc.StatusCode, code), f"{'y' * 150} bad {form}")
        raise AssertionError

    class AnyMethod(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, _details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(refuse)

    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=(AnyMethod(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        planted = plant("plain", f"127.0.0.1:{port}", GRPC)
        quotes += quotes_of(planted.secrets)
        exports = 10 if code == "UNAVAILABLE" else len(quotes) // len(GRPC) + 1
        planted.block["timeout"] = 0.5
        said = outputs_of_exports(planted, exports)
        said += outputs_of_doctor(planted, tmp_path, capsys)
    finally:
        server.stop(0).wait(5)

    assert shown_secrets(said, planted.secrets) == []
    assert "***" in said


def test_grpc_s_partial_success_that_quotes_every_secret() -> None:
    grpc = pytest.importorskip("grpc", reason="the extra grpc brings grpcio")
    quotes: list[str] = []

    def refuse(_request: bytes, _call: Any) -> bytes:
        quotes.append(quotes.pop(0))
        message = b"\x08\x01" + length_delimited(2, f"bad {quotes[-1]}".encode())
        return length_delimited(1, message)

    class AnyMethod(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, _details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(refuse)

    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=(AnyMethod(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        planted = plant("plain", f"127.0.0.1:{port}", {"otlp": {"protocol": "grpc"}})
        quotes += quotes_of(planted.secrets)
        said = outputs_of_exports(planted, len(quotes))
    finally:
        server.stop(0).wait(5)

    assert shown_secrets(said, planted.secrets) == []
    assert "of its spans: bad ***" in said


VEND = """
    import logging
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Quoting:
        def __init__(self, text):
            self.text = text

        def __repr__(self):
            return self.text

    class Exporter(SpanExporter):
        def __init__(self, mode: str = "", license_key: str = "", connection_string: str = "",
                     access_key: str = "", apikey: str = "", auth: str = "", dsn: str = "",
                     headers: dict = None, password: str = "", user: str = "",
                     options: dict = None, endpoint: str = ""):
            self.secrets = [license_key, connection_string, access_key, apikey, auth, dsn,
                            password, *(headers or {}).values(), *options["logins"][0].values()]
            self.endpoint, self.mode = endpoint, mode
            if mode == "made":
                self.quote(self.secrets)

        def quote(self, secrets):
            try:
                raise KeyError("; ".join(secrets), self.endpoint)
            except KeyError as error:
                raise ValueError("y" * 150 + " " + " ".join(map(repr, secrets))) from error

        def export(self, spans):
            if self.mode == "logs":
                for secret in self.secrets:
                    logging.getLogger("vend").error("bad %s", secret)
            if self.mode == "raises":
                self.secrets.append(self.secrets.pop(0))
                self.quote(self.secrets)
            if self.mode == "returns":
                self.secrets.append(self.secrets.pop(0))
                return Quoting("y" * 150 + " " + self.secrets[0])
            return SpanExportResult.FAILURE

        def shutdown(self):
            if self.mode == "ends":
                self.quote(self.secrets)
"""
RUN = """
    import json, logging, sys, traceback
    import bentotrace
    from bentotrace.cli import main
    logs = '"mode": "logs"' in sys.argv[1]
    # What an exporter logs itself is its own business, but for the doctor, which repeats it.
    logging.basicConfig(level=logging.CRITICAL if logs else logging.DEBUG, stream=sys.stdout)
    with open("c.yaml", "w") as file:
        file.write(sys.argv[1])
    for command in ("validate", "explain", "schema", "plugins", "doctor"):
        main([command, "c.yaml"] if command not in ("schema", "plugins") else [command])
    main(["explain", "c.yaml", "--format", "json"])
    main(["doctor", "c.yaml", "--json"])
    print(repr(bentotrace.load_config("c.yaml")))
    if not logs:
        try:
            tracing = bentotrace.build("c.yaml", on_export_error=print)
        except bentotrace.PluginError:
            traceback.print_exc(file=sys.stdout)
        else:
            for _ in range(12):
                tracing.provider.get_tracer("test").start_span("one").end()
                tracing.flush(timeout=5)
                print(tracing.status().as_json(), tracing.status())
            tracing.shutdown(timeout=5)
"""


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("mode", ["made", "raises", "returns", "logs", "ends", ""])
def test_an_adapted_exporter_that_quotes_every_secret(
    mode: str, spelling: str, distributions: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("click", reason="the command needs click")
    monkeypatch.chdir(tmp_path)
    distributions.add(
        "vend",
        "vend",
        VEND,
        exporter="vend",
        value="vend:Exporter",
        group="opentelemetry_traces_exporter",
    )
    planted = Planted(spelling)
    options: dict[str, Any] = {"mode": mode, "user": "somebody"}
    for name in ("license_key", "access_key", "apikey", "auth", "dsn", "password"):
        options[name] = planted.new()
    options["connection_string"] = f"Endpoint=https://x.example;AccountKey={planted.new()}"
    options["headers"] = {"x-api-key": f"Bearer {planted.new()}"}
    options["options"] = {"logins": [{"api-token": planted.new()}]}
    block = {"exporter_type": "vend", "sample_rate": 1, "timeout": 2, "vend": options}

    said = distributions.run(RUN, json.dumps({"tracing": block}))

    assert shown_secrets(said, planted.secrets) == []
    # What cannot be built is not explained.
    assert ("vend.license_key" in said) is (mode != "made")
    assert said.count("***") > 12
