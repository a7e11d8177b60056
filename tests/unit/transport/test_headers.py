from __future__ import annotations

import pytest

from bentotrace.transport.headers import checked_headers, checked_metadata

SECRET = "s3cret-value"


def test_good_headers_pass_with_their_values_stripped() -> None:
    assert checked_headers({"X-Tenant": " a\tb ", "Authorization": "Bearer é"}) == {
        "X-Tenant": "a\tb",
        "Authorization": "Bearer é",
    }


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({"X-Token": f"{SECRET}\r\nX-Evil: 1"}, "'X-Token': the value has a line break"),
        ({"X-Token": f"{SECRET}\nx"}, "'X-Token': the value has a line break"),
        ({"X-Token": f"{SECRET}\0x"}, "'X-Token': the value has a line break"),
        ({"X-Token": f"{SECRET} €"}, "'X-Token': the value has characters beyond Latin-1"),
        ({"X-Token": SECRET.encode()}, "'X-Token': the value must be a string"),
        ({"X-Token": SECRET, "x-token": SECRET}, "'x-token' is given twice"),
        ({"Content-Length": SECRET}, "'Content-Length' is set by the transport"),
        ({"transfer-encoding": SECRET}, "'transfer-encoding' is set by the transport"),
        ({"": SECRET}, "'' is no header name"),
        ({"X Token": SECRET}, "'X Token' is no header name"),
        ({"X-Token:": SECRET}, "'X-Token:' is no header name"),
        ({"X\r\nEvil": SECRET}, "is no header name"),
        ({"Ünicode": SECRET}, "is no header name"),
        ({3: SECRET}, "3 is no header name"),
    ],
)
def test_a_bad_header_is_named_without_its_value(headers: dict[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        checked_headers(headers)
    assert problem in str(caught.value)
    assert SECRET not in str(caught.value)


def test_metadata_names_become_lower_case() -> None:
    assert checked_metadata({"X-Tenant": " a ", "api_key.v1": ""}) == {
        "x-tenant": "a",
        "api_key.v1": "",
    }


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({"x-token": f"{SECRET}\n"[:-1] + "\n."}, "'x-token': the value has characters other"),
        ({"x-token": f"{SECRET}é"}, "'x-token': the value has characters other"),
        ({"x-token": 1}, "'x-token': the value must be a string"),
        ({"X-Token": SECRET, "x-token": SECRET}, "'x-token' is given twice"),
        ({"x token": SECRET}, "'x token' is no metadata name"),
        ({":path": SECRET}, "':path' is no metadata name"),
        ({"": SECRET}, "'' is no metadata name"),
        ({None: SECRET}, "None is no metadata name"),
        ({"grpc-timeout": SECRET}, "'grpc-timeout' is set by gRPC"),
        ({"Content-Type": SECRET}, "'Content-Type' is set by gRPC"),
        ({"trace-bin": SECRET}, "binary metadata"),
    ],
)
def test_bad_metadata_is_named_without_its_value(headers: dict[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        checked_metadata(headers)
    assert problem in str(caught.value)
    assert SECRET not in str(caught.value)
