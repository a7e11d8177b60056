"""Name resolution with a deadline."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from bentotrace.deadline import Deadline
from bentotrace.transport._resolution import Resolution


def look_up(host: str) -> list[Any]:
    return Resolution(host, 4318, socket.SOCK_STREAM).addresses(Deadline.after(10))


def test_a_name_is_resolved() -> None:
    assert {address[3][0] for address in look_up("localhost")} <= {"127.0.0.1", "::1"}


@pytest.mark.parametrize("host", ["bücher.invalid", "bücher" * 20, "label" * 20, "a..b", "\ud800"])
def test_a_name_without_an_address_is_an_error_of_the_resolution(host: str) -> None:
    with pytest.raises(socket.gaierror):
        look_up(host)


def test_a_function_that_replaces_the_standard_one_gets_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # dnspython's resolver, for example, accepts no bytes.
    hosts: list[object] = []
    standard = socket.getaddrinfo

    def replacement(host: object, *args: Any, **options: Any) -> list[Any]:
        hosts.append(host)
        return standard(host, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", replacement)
    assert look_up("127.0.0.1")
    assert hosts == ["127.0.0.1"]
