from __future__ import annotations

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError

from bentotrace.transport.outcome import FailureKind, Outcome, one_line, without_credentials


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://localhost:4318/v1/traces", "http://localhost:4318/v1/traces"),
        ("http://user:pass@localhost:4318/v1", "http://localhost:4318/v1"),
        ("https://user@[::1]:4318/?a=b@c", "https://[::1]:4318/?a=b@c"),
        ("https://[::1]:4318/a@b", "https://[::1]:4318/a@b"),
        ("http://user:p@ss@host/", "http://host/"),
        ("http://user:p/ss@host/", "http://host/"),
        ("http://user:p#ss@host/", "http://host/"),
        ("http://host/a@b", "http://host/a@b"),
        ("http://host:80/a@b", "http://host:80/a@b"),
        ("user:pass@host:4317", "host:4317"),
        ("localhost:4317", "localhost:4317"),
        ("//user:pass@host", "//host"),
        ("http:/user:pass@host", "http:/host"),
        ("http:///user:pass@host", "http:///host"),
        ("http:user:pass@host", "host"),
        ("http//user:pass@host", "host"),
        ("/user:pass@host", "/host"),
        ("http://?user:pass@host", "http://host"),
        ("unix:/run/collector.sock", "unix:/run/collector.sock"),
        ("", ""),
        ("http://host/v1?x=1&api-key=s#f", "http://host/v1?x=1&api-key=***#f"),
        ("http://u:p@host/?Access_Token=a%20b&y=2", "http://host/?Access_Token=***&y=2"),
        ("http://host/?format=jaeger.thrift", "http://host/?format=jaeger.thrift"),
        ("http://host/?sig=", "http://host/?sig="),
    ],
)
def test_credentials_are_taken_out_of_an_endpoint(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


def test_an_outcome_never_holds_the_endpoint_s_credentials() -> None:
    outcome = Outcome(ok=True, endpoint="http://user:secret@localhost/")
    assert outcome.endpoint == "http://localhost/"
    assert "secret" not in repr(outcome) + str(outcome)


def test_an_outcome_reads_as_one_line() -> None:
    outcome = Outcome(
        ok=False,
        endpoint="http://localhost:4318/",
        kind=FailureKind.STATUS,
        status="503",
        reason="503 Service Unavailable: overloaded",
        attempts=3,
        elapsed=2.125,
    )
    assert str(outcome) == (
        "http://localhost:4318/: 503 Service Unavailable: overloaded (3 attempts, 2.12 s)"
    )
    assert "1 attempt," in str(evolve(outcome, attempts=1))


def test_an_outcome_is_frozen_and_can_be_evolved() -> None:
    outcome = Outcome(ok=True, endpoint="http://localhost/", status="200")
    with pytest.raises(FrozenInstanceError):
        outcome.ok = False  # type: ignore[misc]
    partial = evolve(outcome, ok=False, kind=FailureKind.PARTIAL, rejected=3)
    assert (partial.status, partial.rejected) == ("200", 3)


def test_the_body_is_not_in_the_repr() -> None:
    assert "answer" not in repr(Outcome(ok=True, endpoint="x", body=b"answer"))


@pytest.mark.parametrize(("attempts", "retried"), [(0, False), (1, False), (2, True)])
def test_an_outcome_says_whether_it_was_retried(attempts: int, retried: bool) -> None:
    assert Outcome(ok=True, endpoint="x", attempts=attempts).retried is retried


def test_a_message_is_made_one_printable_line() -> None:
    assert one_line("a\r\nb\x1b[31m\tc\x00  d ") == "a b [31m c d"


def test_a_long_message_is_shortened() -> None:
    line = one_line("word " * 1000)
    assert len(line) <= 200
    assert line.endswith("…")
    assert one_line("x" * 200) == "x" * 200
