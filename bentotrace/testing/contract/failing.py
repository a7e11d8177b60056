"""The duties of ``export`` when the receiver fails."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SpanExportResult

from bentotrace.testing.contract.base import (
    PATIENCE,
    Bench,
    Built,
    Duties,
    require,
    require_success,
    try_export,
    wait_for,
)
from bentotrace.testing.faults import FAULTS, FaultyServer
from bentotrace.testing.receiver import Family
from bentotrace.testing.spans import make_span, make_spans

__all__ = ["FailingDuties"]

_ALWAYS = 1_000
_SLOW = ("drip", "hang")
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    404: "UNIMPLEMENTED",
    413: "RESOURCE_EXHAUSTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
_REPORT = "call context.report(outcome, number) once for each request, also for one that failed"
_MAX_SIZE = 3_000
_ATTEMPTS = 30

Place = Callable[[Any], AbstractContextManager[Any]]


class FailingDuties(Duties):
    """What an export does when the receiver fails."""

    @classmethod
    def pytest_generate_tests(cls, metafunc: pytest.Metafunc) -> None:
        """Run the test of failures once for each failure that the protocol can have."""
        if "failure" in metafunc.fixturenames:
            failures = _failures(cls.family())
            metafunc.parametrize("failure", failures.values(), ids=failures)
        if "slow_fault" in metafunc.fixturenames:
            connects = cls.family() in ("http", "grpc", "tcp")
            metafunc.parametrize("slow_fault", _SLOW if connects else ())

    def test_a_failure_is_counted(self, bench: Bench, failure: Place) -> None:
        """An export that fails returns ``FAILURE``, and reports each span as failed."""
        receiver = bench.receiver()
        with failure(receiver) as target:
            built = bench.build(target, timeout=self.timeout)
            result = built.export(make_spans(3))
        self._require_failure(built, result, 3)

    def test_an_export_keeps_its_timeout(self, bench: Bench, slow_fault: str) -> None:
        """An export to a receiver that hangs, or drips its response, ends in time and failed."""
        with FaultyServer(FAULTS[slow_fault], bench.receiver()) as server:
            built = bench.build(server, timeout=self.timeout)
            started = time.monotonic()
            result = built.export(make_spans(3))
            took = time.monotonic() - started
        require(
            took < self.timeout + PATIENCE,
            f"export() took {took:.1f} s for a timeout of {self.timeout:g} s",
        )
        self._require_failure(built, result, 3)

    def test_a_batch_that_is_too_large_is_counted(self, bench: Bench) -> None:
        """Spans of a batch that the receiver finds too large arrive in parts, or are counted."""
        if self.family() not in ("http", "grpc"):
            pytest.skip("this protocol has no response that names a size")
        receiver = bench.receiver(max_request_size=_MAX_SIZE)
        built = bench.build(receiver)
        batch = [
            make_span(f"span {number}", number=number, attributes={"text": str(number) * 700})
            for number in range(1, 9)
        ]
        result = built.export(batch)
        arrived = len(receiver.spans)
        whole = arrived == len(batch)
        require(
            (result is SpanExportResult.SUCCESS) == whole,
            f"{arrived} of {len(batch)} spans arrived, and export() returned {result!r}; return "
            "SpanExportResult.SUCCESS if all arrived, else FAILURE",
        )
        if self.reports_outcomes:
            require(
                built.counted == len(batch) and built.accepted == arrived,
                f"{arrived} of {len(batch)} spans arrived; {built.counted} were reported, "
                f"{built.accepted} of them as accepted; {_REPORT}",
            )

    def test_a_receiver_that_comes_back_is_used(self, bench: Bench) -> None:
        """An export works after one that failed."""
        receiver = bench.receiver()
        if receiver is None:
            pytest.skip("receiver is None")
        port = receiver.port
        built = bench.build(receiver, timeout=self.timeout)
        receiver.close()
        for _ in range(2):
            try_export(built, make_spans(1))
        back = bench.receiver(port=port)
        # A client may wait a moment before it connects again.
        for _ in range(_ATTEMPTS):
            if try_export(built, make_spans(1)) is SpanExportResult.SUCCESS and back.spans:
                return
            time.sleep(0.1)
        pytest.fail(
            f"{_ATTEMPTS} exports failed after the receiver had come back; connect again after a "
            "failure"
        )

    def test_tls_trusts_the_named_authority_only(self, bench: Bench) -> None:
        """A receiver with a certificate of another authority gets no spans."""
        if not self.supports_tls:
            pytest.skip("supports_tls is False")
        own, other = bench.certificates("own"), bench.certificates("other")
        receiver = bench.receiver(
            **(
                {"credentials": own.server_credentials()}
                if self.family() == "grpc"
                else {"ssl_context": own.server_context()}
            )
        )
        trusting = bench.build(receiver, {self.certificate_option: own.ca_file})
        require_success(trusting.export(make_spans(1)))
        wait_for(receiver, 1)
        built = bench.build(receiver, {self.certificate_option: other.ca_file}, timeout=1.0)
        result = built.export(make_spans(1))
        require(
            len(receiver.spans) == 1,
            "spans were sent to a server with a certificate of another authority; trust only the "
            f"file in {self.certificate_option}",
        )
        self._require_failure(built, result, 1)

    def test_headers_are_sent(self, bench: Bench) -> None:
        """The headers of the options are in each request."""
        if not self.supports_headers:
            pytest.skip("supports_headers is False")
        receiver = bench.receiver()
        built = bench.build(receiver, {self.headers_option: {"X-Tenant": "iris"}})
        require_success(built.export(make_spans(1)), "with the header X-Tenant")
        wait_for(receiver, 1)
        headers = receiver.requests[0].headers
        require(
            headers.get("x-tenant") == "iris",
            f"the request has no header X-Tenant of the option {self.headers_option}, only: "
            f"{', '.join(headers)}",
        )

    def _require_failure(self, built: Built, result: object, number: int) -> None:
        __tracebackhide__ = True
        if not self.confirms_delivery:
            return
        require(
            result is SpanExportResult.FAILURE,
            f"export() returned {result!r}, and no span arrived; return SpanExportResult.FAILURE",
        )
        if self.reports_outcomes:
            require(
                built.counted == number and built.accepted == 0,
                f"of {number} spans {built.counted} were reported, {built.accepted} of them as "
                f"accepted, and none arrived; {_REPORT}",
            )


def _failures(family: Family | None) -> dict[str, Place]:
    """Return a context for each failure, which returns what the options are for."""
    if family is None:
        return {}
    failures: dict[str, Place] = {"refused": _refused, "no such name": _no_such_name}
    if family == "udp":
        return failures
    for status, code in _STATUSES.items() if family in ("http", "grpc") else ():
        failures[str(status)] = partial(_status, status=status, code=code)
    if family == "http":
        failures["redirect"] = _redirect
    for name, fault in FAULTS.items():
        if name not in _SLOW:
            failures[name] = partial(FaultyServer, fault)
    return failures


def _with_address(receiver: Any, host: str, port: int) -> Any:
    """Return an address as if a receiver listened there."""
    address = f"{host}:{port}"
    endpoint = receiver.endpoint.replace(receiver.address, address)
    return SimpleNamespace(host=host, port=port, address=address, endpoint=endpoint)


@contextmanager
def _refused(receiver: Any) -> Iterator[Any]:
    with ExitStack() as opened:
        kind = socket.SOCK_DGRAM if receiver.family == "udp" else socket.SOCK_STREAM
        kept = opened.enter_context(socket.socket(socket.AF_INET, kind))
        kept.bind(("127.0.0.1", 0))
        if receiver.family == "udp":
            # Connected, it accepts datagrams of that one peer only.
            peer = opened.enter_context(socket.socket(socket.AF_INET, kind))
            peer.bind(("127.0.0.1", 0))
            kept.connect(peer.getsockname())
        yield _with_address(receiver, "127.0.0.1", kept.getsockname()[1])


@contextmanager
def _no_such_name(receiver: Any) -> Iterator[Any]:
    yield _with_address(receiver, "nowhere.invalid", receiver.port)


@contextmanager
def _status(receiver: Any, *, status: int, code: str) -> Iterator[Any]:
    if receiver.family == "http":
        receiver.respond_with(status, body=b"no", times=_ALWAYS)
    else:
        receiver.respond_with(code, "no", times=_ALWAYS)
    yield receiver


@contextmanager
def _redirect(receiver: Any) -> Iterator[Any]:
    receiver.respond_with(307, headers={"location": receiver.endpoint}, times=_ALWAYS)
    yield receiver
