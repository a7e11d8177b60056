"""A secret in every option that takes one, and receivers that quote every secret in every form."""

from __future__ import annotations

import base64
import html
import itertools
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from attrs import Factory, define

from bentotrace.discovery import registry
from bentotrace.schema.tree import section_of
from bentotrace.transport._http_failure import _WORDS_LIMIT
from bentotrace.transport._http_response import BODY_LIMIT

from ..messages import length_delimited, varint
from ..servers import Receiver, read_head

USER = "somebody"
SPELLINGS = {
    "plain": "zq9secret{}9qz",
    "hard": 'p@ss/w"ö<&{}rd+1',
    "spaced": "zq9 {} correct horse",
}
_KEPT = 6
"""The characters of a secret's beginning that no output may have."""


@define
class Planted:
    """A configuration with a secret of its own in every place that takes one."""

    spelling: str
    block: dict[str, Any] = Factory(dict)
    secrets: list[str] = Factory(list)

    def new(self, *, only_ascii: bool = False) -> str:
        secret = SPELLINGS[self.spelling].format(len(self.secrets) + 10)
        # gRPC sends nothing else in a header.
        self.secrets.append(secret.replace("ö", "o") if only_ascii else secret)
        return self.secrets[-1]


def plant(spelling: str, origin: str, protocols: Mapping[str, Mapping[str, Any]]) -> Planted:
    """Fill every secret option of every exporter, and the credentials of every endpoint.

    Args:
        spelling: of the secrets.
        origin: ``host:port`` of the endpoints, with ``https://`` before it for TLS.
        protocols: the exporters to use, with options.
    """
    planted = Planted(spelling)
    block = planted.block
    block |= {"exporter_type": list(protocols), "sample_rate": 1.0, "timeout": 2.0}
    for exporter, options in protocols.items():
        section = block.setdefault(exporter, {})
        for path, leaf in section_of(registry.load(exporter).config).leaves():
            above = section
            for step in path[:-1]:
                above = above.setdefault(step, {})
            if leaf.record.secret and leaf.kind.takes_mapping:
                first, second = (planted.new(only_ascii="grpc" in path) for _ in range(2))
                above[path[-1]] = {"x-api-key": f"Bearer {first}", "x-two": second}
            elif leaf.record.secret:
                above[path[-1]] = planted.new()
            elif path[-1] == "username":
                above[path[-1]] = USER
            elif path[-1].endswith("endpoint"):
                scheme, _, netloc = origin.rpartition("://")
                userinfo = f"{USER}:{quote(planted.new(), safe='')}@"
                grpc = options.get("protocol") == "grpc" or "grpc" in path
                url = f"{scheme or 'http'}://{userinfo}{netloc}"
                if not grpc:
                    url += f"/?api-key={quote(planted.new(), safe='')}"
                above[path[-1]] = url
        section.update(options)
    return planted


def forms(secret: str) -> dict[str, str]:
    """The forms in which a receiver may quote a secret; independent of those that are masked."""
    quoted = quote(secret, safe="")
    basic = base64.b64encode(f"{USER}:{secret}".encode()).decode()
    return {
        "decoded": secret,
        "as sent": basic,
        "as sent, unpadded": basic.rstrip("="),
        "percent-encoded": quoted,
        "in lower case": "".join(f"%{p[:2].lower()}{p[2:]}" for p in quoted.split("%"))[1:]
        if "%" in quoted
        else quoted,
        "as a form": quote_plus(secret),
        "json": json.dumps(secret)[1:-1],
        "json as text": json.dumps(secret, ensure_ascii=False)[1:-1],
        "html": html.escape(secret),
        "repr": repr(secret)[1:-1],
    }


def quotes_of(secrets: list[str]) -> list[str]:
    """Every form of every secret, once where two forms are the same text."""
    return list(dict.fromkeys(form for secret in secrets for form in forms(secret).values()))


def shown_secrets(output: str, secrets: list[str]) -> list[str]:
    """Return which forms of which secrets an output shows, or the beginnings of which."""
    found = []
    for name, form in (pair for secret in secrets for pair in forms(secret).items()):
        # Of a name and a password the beginning is the name's.
        kept = form if name.startswith("as sent") else form[: max(_KEPT, form.find("9") + 5)]
        if kept in output:
            found.append(f"{name}: {kept} of {form}")
    return found


def response(status: str, kind: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", f"Content-Type: {kind}"]
    return "\r\n".join((*lines, *headers, "", "")).encode() + body


def _status(text: str) -> bytes:
    return varint(1 << 3) + varint(16) + length_delimited(2, text.encode())


def _partial_success(text: str) -> bytes:
    inner = varint(1 << 3) + varint(1) + length_delimited(2, text.encode())
    return length_delimited(1, inner)


def _page_cut_at(limit: int) -> Callable[[str], bytes]:
    def page(form: str) -> bytes:
        start, end = b"<style>", b"</style>bad "
        data = form.encode()
        padding = limit - len(start) - len(end) - len(data) // 2 - 1
        body = start + b" " * padding + end + data + b" " * BODY_LIMIT
        return response("401 No", "text/html", body)

    return page


ECHOES: dict[str, Callable[[str], bytes]] = {
    "phrase": lambda form: response(f"401 bad {form}", "text/plain", b""),
    "text": lambda form: response("401 No", "text/plain", f"wrong password {form}.".encode()),
    "text cut at 200": lambda form: response(
        "401 No", "text/plain", f"{'y' * (198 - len(form) // 2)} {form}".encode()
    ),
    "text cut by the receiver": lambda form: response(
        "401 No", "text/plain", f"wrong {form[: max(6, len(form) - 2)]}…".encode()
    ),
    "text at the limit": lambda form: response(
        "401 No",
        "text/plain",
        b" " * (_WORDS_LIMIT - len(form.encode()) // 2) + form.encode() + b"x" * BODY_LIMIT,
    ),
    "text in Latin-1": lambda form: response(
        "401 No", "text/plain", f"wrong password {form}.".encode("latin-1", "replace")
    ),
    "page": lambda form: response(
        "401 No", "text/html", f"<h1>No</h1><p>{html.escape(form)}</p>".encode()
    ),
    "careless page": lambda form: response("401 No", "text/html", f"<p>{form}</p>".encode()),
    "page at the limit": _page_cut_at(_WORDS_LIMIT),
    "page at 64 KiB": _page_cut_at(BODY_LIMIT),
    "json": lambda form: response(
        "401 No", "application/json", json.dumps({"message": f"bad {form}"}).encode()
    ),
    "other json": lambda form: response(
        "401 No", "application/json", json.dumps({"words": [form]}).encode()
    ),
    "json of Go": lambda form: response(
        "401 No",
        "application/json",
        json.dumps({"words": [form]}, ensure_ascii=False)
        .replace("<", "\\u003c")
        .replace("&", "\\u0026")
        .encode(),
    ),
    "protobuf": lambda form: response("401 No", "application/x-protobuf", _status(f"bad {form}")),
    "location": lambda form: response(
        "302 Found", "text/plain", b"", f"Location: http://{USER}:{form}@other/?q={form}"
    ),
    "long location": lambda form: response(
        "302 Found", "text/plain", b"", f"Location: http://other/{'y' * 170}/{form}"
    ),
    "not HTTP": lambda form: f"SSH-2.0-bad {form}\r\n".encode(),
    "not HTTP, cut at 200": lambda form: f"{'y' * (198 - len(form) // 2)} {form}\r\n".encode(),
    "partial success": lambda form: response(
        "200 OK", "application/x-protobuf", _partial_success(f"bad {form}")
    ),
    "success": lambda form: response(f"200 {form}", "text/plain", form.encode()),
}


@define(eq=False)
class EchoServer:
    """Answers each request with the next form of the next secret."""

    echo: Callable[[str], bytes]
    pairs: Iterator[str] = Factory(lambda: iter(()))

    def quote_all(self, secrets: list[str]) -> int:
        """Begin to quote these; return how many requests it takes to quote everything."""
        found = quotes_of(secrets)
        self.pairs = itertools.cycle(found)
        return len(found)

    def __call__(self, connection: socket.socket) -> None:
        receiver = Receiver(replies=[None], keep_alive=False)
        while True:
            try:
                head, rest, _ = read_head(connection)
            except ValueError:
                return
            _read_body(connection, head, rest)
            receiver.replies[:] = [self.echo(next(self.pairs))]
            connection.sendall(receiver.replies[0] or b"")


def _read_body(connection: socket.socket, head: bytes, rest: bytes) -> None:
    lines = head.lower().split(b"\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0
    )
    while len(rest) < length:
        read = connection.recv(1 << 20)
        if not read:
            return
        rest += read
