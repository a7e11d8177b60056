from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from bentotrace.config.load import load_config
from bentotrace.exceptions import ConfigError, OptionError
from bentotrace.hookspecs import hookimpl
from bentotrace.plugin import ExporterPlugin, option
from bentotrace.transport.basic_auth import basic_auth
from bentotrace.transport.http import HTTPTransport

SECRET = "s3cr3t-marker"


@pytest.mark.parametrize(
    ("username", "password"),
    [("iris", "s3cret"), ("", "x"), ("x", ""), ("j\u00fcrgen", "pa:ss w\u00f6rd \U0001f511")],
)
def test_the_header_is_what_a_receiver_reads(username: str, password: str) -> None:
    scheme, _, data = basic_auth(username, password)["Authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(data, validate=True).decode().split(":", 1) == [username, password]


@pytest.mark.parametrize(
    ("username", "password", "option", "reason"),
    [
        ("iris", None, "auth.password", "is missing; set username and password, or neither"),
        (None, SECRET, "auth.username", "is missing; set username and password, or neither"),
        (f"iris:{SECRET}", SECRET, "auth.username", "has a colon"),
        (f"iris\n{SECRET}", SECRET, "auth.username", "has a line break"),
        ("iris", f"{SECRET}\x7f", "auth.password", "has a line break or another control"),
        ("iris", f"{SECRET}\udc80", "auth.password", "is not valid UTF-8"),
    ],
)
def test_what_cannot_be_sent_is_an_error_without_a_value(
    username: str | None, password: str | None, option: str, reason: str
) -> None:
    with pytest.raises(OptionError) as caught:
        basic_auth(username, password, options=("auth.username", "auth.password"))
    assert caught.value.option == option
    assert caught.value.reason.startswith(reason)
    assert SECRET not in str(caught.value)


def test_another_authorization_is_an_error_at_its_option() -> None:
    with pytest.raises(OptionError) as caught:
        basic_auth("iris", SECRET, headers={"authorization": SECRET}, headers_option="http.headers")
    assert caught.value.option == "http.headers"
    assert basic_auth(None, None, headers={"authorization": SECRET}) == {}


@frozen
class AcmeOptions:
    login: str | None = option(default=None, env="ACME_LOGIN", help="Name.")
    passphrase: str | None = option(default=None, secret=True, help="Password.")

    def __attrs_post_init__(self) -> None:
        self.credentials()

    def credentials(self) -> dict[str, str]:
        return basic_auth(self.login, self.passphrase, options=("login", "passphrase"))


class Acme:
    @staticmethod
    @hookimpl
    def bentotrace_exporter() -> ExporterPlugin:
        create: Any = None.__class__
        return ExporterPlugin(name="acme", config=AcmeOptions, create=create, summary="Acme")


def test_the_errors_are_at_their_place(tmp_path: Path) -> None:
    file = tmp_path / "tracing.yaml"

    def problems(text: str) -> str:
        file.write_text(f"tracing:\n  exporter_type: acme\n  acme: {text}\n")
        with pytest.raises(ConfigError) as caught:
            load_config(file, environ={}, plugins=[Acme])
        return str(caught.value)

    assert problems("{login: 'a:b', passphrase: x}") == (
        f"{file}:3:17: tracing.acme.login: has a colon, after which a receiver would read the "
        "password; remove it"
    )
    assert problems("{login: ab}").endswith(
        "tracing.acme.passphrase: is missing; set login and passphrase, or neither"
    )


@pytest.fixture
def quoting() -> Iterator[HTTPServer]:
    """A server that quotes the credentials that it gets."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            sent = self.headers["authorization"]
            decoded = base64.b64decode(sent.partition(" ")[2]).decode()
            body = f"not for {sent} or {decoded}".encode()
            self.send_response(401)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_receiver_that_quotes_the_credentials_does_not_show_them(quoting: HTTPServer) -> None:
    block = {"exporter_type": "acme", "acme": {"login": "iris", "passphrase": SECRET}}
    config = load_config(block, environ={}, plugins=[Acme])
    (exporter,) = config.exporters
    header = exporter.options.credentials()
    transport = HTTPTransport(
        f"http://127.0.0.1:{quoting.server_port}/",
        timeout=5,
        content_type="text/plain",
        user_agent="tests",
        headers=header,
        redaction=config.redaction,
    )
    outcome = transport.send(b"x")
    transport.close()
    assert outcome.status == "401"
    assert SECRET not in outcome.reason
    assert header["Authorization"].partition(" ")[2] not in outcome.reason
