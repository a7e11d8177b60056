from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from bentotrace.doctor.certificate import certificate_of, fetch_certificate


@pytest.mark.parametrize("which", ["certificates", "expired_certificates"])
def test_a_certificate_is_read_that_nobody_trusts(
    serve: Any, receiver: Any, request: pytest.FixtureRequest, which: str
) -> None:
    context = request.getfixturevalue(which).server_context()
    port = serve(receiver(), context=context).port

    found = fetch_certificate("127.0.0.1", port, 5)

    assert found is not None
    assert found.hosts == ("localhost",)
    assert found.issuer.startswith("trustme")
    assert (found.ends < datetime.now(timezone.utc)) == which.startswith("expired")


def test_a_server_without_tls_has_none(serve: Any, free_port: int) -> None:
    assert fetch_certificate("127.0.0.1", serve(lambda connection: None).port, 5) is None
    assert fetch_certificate("127.0.0.1", free_port, 5) is None


def test_the_issuer_has_the_name_that_it_gives() -> None:
    times = {"notBefore": "Jan  1 00:00:00 2026 GMT", "notAfter": "Jan  1 00:00:00 2027 GMT"}
    named = ((("organizationName", "Acme"),), (("commonName", "Acme Root"),))

    made = certificate_of(
        {"issuer": named, "subjectAltName": (("DNS", "a"), ("DNS", "b")), **times}
    )

    assert made is not None
    assert (made.issuer, made.hosts) == ("Acme Root", ("a", "b"))
    assert (made.begins.year, made.ends.year) == (2026, 2027)
    nameless = certificate_of(times)
    assert nameless is not None
    assert nameless.issuer == "an issuer without a name"
    assert certificate_of({}) is None
    assert certificate_of(None) is None
