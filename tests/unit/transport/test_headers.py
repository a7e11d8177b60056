from __future__ import annotations

from typing import Any

import pytest

from bentotrace.redaction import Redaction
from bentotrace.transport.headers import (
    ANY,
    GRPC,
    HTTP,
    HeaderRules,
    ResponseHeaders,
    check_headers,
    checked_headers,
)

SECRET = "s3cret-value"


def test_good_headers_pass_with_their_values_stripped() -> None:
    assert checked_headers({"X-Tenant": " a\tb ", "Authorization": "Bearer é"}, HTTP) == {
        "X-Tenant": "a\tb",
        "Authorization": "Bearer é",
    }


def test_metadata_names_become_lower_case() -> None:
    assert checked_headers({"X-Tenant": " a ", "api_key.v1": ""}, GRPC) == {
        "x-tenant": "a",
        "api_key.v1": "",
    }


def test_compression_is_the_one_encoding_that_metadata_may_name() -> None:
    assert checked_headers({"grpc-encoding": "gzip"}, GRPC) == {"grpc-encoding": "gzip"}
    with pytest.raises(ValueError, match="is set by the transport; use the option compression"):
        checked_headers({"grpc-encoding": "deflate"}, GRPC)


def test_http_may_name_how_long_a_connection_is_kept() -> None:
    # As BentoML's guide does; it does not frame a request.
    headers = {"Keep-Alive": "timeout=5, max=1000"}

    assert checked_headers(headers, HTTP) == headers
    with pytest.raises(ValueError, match="Keep-Alive: is set by the transport; leave it out"):
        checked_headers(headers, GRPC)


LINE_BREAK = "X-Token: its value contains a line break"
NOT_HTTP = "X-Token: its value contains a character that HTTP cannot send"
NOT_GRPC = "x-token: its value contains a character that gRPC cannot send"
NAMES = "a header's name has only letters"


@pytest.mark.parametrize(
    ("rules", "headers", "problem"),
    [
        (HTTP, {"X-Token": f"{SECRET}\r\nX-Evil: 1"}, LINE_BREAK),
        (HTTP, {"X-Token": f"{SECRET}\nx"}, LINE_BREAK),
        (HTTP, {"X-Token": f"{SECRET}\0x"}, LINE_BREAK),
        (HTTP, {"X-Token": f"{SECRET}\x1bx"}, NOT_HTTP),
        (HTTP, {"X-Token": f"{SECRET} €"}, NOT_HTTP),
        (HTTP, {"X-Token": SECRET.encode()}, "X-Token: expected text"),
        (HTTP, {"X-Token": SECRET, "x-token": SECRET}, "x-token: is set twice"),
        (HTTP, {"Content-Length": SECRET}, "Content-Length: is set by the transport"),
        (HTTP, {"content-type": SECRET}, "content-type: is set by the transport"),
        (HTTP, {"transfer-encoding": SECRET}, "transfer-encoding: is set by the transport"),
        (HTTP, {"TE": SECRET}, "TE: is set by the transport; leave it out"),
        (HTTP, {"": SECRET}, NAMES),
        (HTTP, {"X Token": SECRET}, NAMES),
        (HTTP, {"X-Token:": SECRET}, "X-Token: its colon is part of the name"),
        (HTTP, {f"X-Token: {SECRET}": None}, "X-Token: its colon is part of the name"),
        (HTTP, {"X\r\nEvil": SECRET}, NAMES),
        (HTTP, {"Ünicode": SECRET}, NAMES),
        (HTTP, {3: SECRET}, "a header's name must be text"),
        (GRPC, {"X-Token": f"{SECRET}\n."}, "X-Token: its value contains a line break"),
        (GRPC, {"x-token": f"{SECRET}é"}, NOT_GRPC),
        (GRPC, {"x-token": f"{SECRET}\tx"}, NOT_GRPC),
        (GRPC, {"x-token": 1}, "x-token: expected text, found a number"),
        (GRPC, {"X-Token": SECRET, "x-token": SECRET}, "x-token: is set twice"),
        (GRPC, {"x token": SECRET}, NAMES),
        (GRPC, {":path": SECRET}, NAMES),
        (GRPC, {"": SECRET}, NAMES),
        (GRPC, {None: SECRET}, "a header's name must be text"),
        (GRPC, {"grpc-timeout": SECRET}, "grpc-timeout: is set by the transport; use the option"),
        (GRPC, {"grpc-else": SECRET}, "grpc-else: is set by the transport; leave it out"),
        (GRPC, {"Host": SECRET}, "Host: is set by the transport; use the option endpoint"),
        (GRPC, {"Content-Type": SECRET}, "Content-Type: is set by the transport"),
        (GRPC, {"trace-bin": SECRET}, "binary metadata"),
        (ANY, {"X-Token": f"{SECRET}\nx"}, LINE_BREAK),
        (ANY, {"X Token": SECRET}, NAMES),
    ],
)
def test_a_bad_header_is_named_without_its_value(
    rules: HeaderRules, headers: dict[str, str], problem: str
) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        checked_headers(headers, rules)
    assert problem in str(caught.value)
    assert SECRET not in str(caught.value)


def test_all_problems_are_found_and_the_others_are_good() -> None:
    headers: list[tuple[Any, Any]] = [("te", "x"), ("good", "x"), ("bad name", "x"), ("n", None)]
    good, problems = check_headers(headers, HTTP)
    assert good == {"good": "x"}
    assert [(problem.index, problem.name) for problem in problems] == [
        (0, "te"),
        (2, "bad"),
        (3, "n"),
    ]


def test_one_bad_header_does_not_hide_another() -> None:
    with pytest.raises(ValueError, match=r"header te: is set .*; header n: expected text"):
        checked_headers({"te": "x", "n": 1}, HTTP)  # type: ignore[dict-item]


def test_the_headers_of_a_response_are_bounded() -> None:
    many = [(f"x-{number}", "y" * 5000) for number in range(5000)]
    headers = ResponseHeaders(many)
    assert len(headers) == 100
    assert max(map(len, headers.values())) <= 1000
    assert ResponseHeaders([("x", "1"), ("X", "2")])["x"] == "1"
    assert dict(ResponseHeaders()) == {}


def test_a_secret_in_the_name_or_at_the_cut_end_of_a_response_header_is_masked() -> None:
    found = [(SECRET, "name"), ("x-long", "y" * (1000 - len(SECRET) // 2) + SECRET)]
    headers = ResponseHeaders(found, Redaction([SECRET]))
    assert SECRET not in repr(headers)
    assert SECRET[: len(SECRET) // 2] not in headers["x-long"]
    with pytest.raises(KeyError):
        headers[SECRET]
