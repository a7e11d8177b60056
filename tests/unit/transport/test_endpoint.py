from __future__ import annotations

import base64
import traceback
from pathlib import Path

import pytest

from bentotrace.transport.endpoint import parse_endpoint, resolve_url


@pytest.mark.parametrize(
    ("url", "shown", "netloc", "target", "peer"),
    [
        ("http://host:4318/v1/traces", None, "host:4318", "/v1/traces", "host:4318"),
        ("http://host", "http://host/", "host", "/", "host:80"),
        ("HTTPS://host:443/x", "https://host/x", "host", "/x", "host:443"),
        ("http://[::1]:4318/", None, "[::1]:4318", "/", "[::1]:4318"),
        ("http://[fe80::1%25Eth0]/", "http://[fe80::1]/", "[fe80::1]", "/", "[fe80::1%Eth0]:80"),
        ("http://[fe80::1%eth0]/", "http://[fe80::1]/", "[fe80::1]", "/", "[fe80::1%eth0]:80"),
        ("http://[fe80::1%25]/", "http://[fe80::1]/", "[fe80::1]", "/", "[fe80::1%25]:80"),
        ("http://host/a?b=c&d=%20", None, "host", "/a?b=c&d=%20", "host:80"),
        ("http://host/ä#part", "http://host/%C3%A4", "host", "/%C3%A4", "host:80"),
        (
            "http://bücher.example/",
            "http://xn--bcher-kva.example/",
            "xn--bcher-kva.example",
            "/",
            None,
        ),
    ],
)
def test_a_url_is_taken_apart(
    url: str, shown: str | None, netloc: str, target: str, peer: str | None
) -> None:
    endpoint = parse_endpoint(url)
    assert str(endpoint) == (shown or url)
    assert (endpoint.netloc, endpoint.target) == (netloc, target)
    assert peer is None or endpoint.peer == peer
    assert endpoint.authorization is None


def test_credentials_become_basic_authorization_and_are_not_shown() -> None:
    endpoint = parse_endpoint("http://us%3Aer:p%40ss@host/")
    assert endpoint.authorization == "Basic " + base64.b64encode(b"us:er:p@ss").decode()
    assert str(endpoint) == "http://host/"
    assert endpoint.authorization not in repr(endpoint)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host:4318",
        "ftp://user:secret@host/",
        "http://",
        "http:///path",
        "http://user:secret@host:port/",
        "http://user:secret@host:99999/",
        "http://user:sec/ret@host/",
        "http://user:secret@host/a b",
        "http://user:secret@host/\r\nX: y",
        "http://[::1/",
        f"http://{'ü' * 70}/",
    ],
)
def test_what_is_no_url_is_refused_without_showing_credentials(url: str) -> None:
    with pytest.raises(ValueError, match="endpoint") as caught:
        parse_endpoint(url)
    # What a log would have, with the errors that led to it; without the lines of source.
    told = "".join(traceback.format_exception_only(caught.value))
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert "secret" not in told
    assert "ret@" not in told


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://host:8123", "http://host:8123/in?table=a+b%26c"),
        ("http://host/proxy", "http://host/proxy?table=a+b%26c"),
        ("http://host/?wait=1", "http://host/in?wait=1&table=a+b%26c"),
        ("http://host/proxy?wait=1", "http://host/proxy?wait=1&table=a+b%26c"),
        ("unix:/run/db.sock", "http+unix://%2Frun%2Fdb.sock/in?table=a+b%26c"),
    ],
)
def test_parameters_are_added_to_the_query_of_any_url(text: str, address: str) -> None:
    resolved = resolve_url(text, example="http://host", path="/in", query={"table": "a b&c"})
    assert resolved.address == address
    assert parse_endpoint(resolved.address).target.endswith("table=a+b%26c")


def test_a_relative_path_of_a_socket_begins_in_the_directory_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert parse_endpoint("http+unix://otlp.sock/").socket_path == f"{tmp_path}/otlp.sock"
    assert parse_endpoint("http+unix://%00otlp/").socket_path == "\0otlp"


def test_a_relative_path_of_a_socket_stays_where_the_whole_one_is_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.chdir(deep)

    assert parse_endpoint("http+unix://otlp.sock/").socket_path == "otlp.sock"
