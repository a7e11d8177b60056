"""The duties of ``export`` to a healthy receiver."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from bentotrace.testing.contract.base import (
    Bench,
    Duties,
    require,
    require_success,
    try_export,
    wait_for,
)
from bentotrace.testing.spans import full_span, make_span, make_spans, odd_spans

__all__ = ["ExportingDuties"]

_THREADS = 2
_EXPORTS = 5


class ExportingDuties(Duties):
    """What an export does when nothing fails."""

    def test_export_returns_success(self, bench: Bench) -> None:
        """The spans arrive, and the result is ``SpanExportResult.SUCCESS``."""
        receiver = bench.receiver()
        require_success(bench.build(receiver).export(make_spans(3)))
        if receiver is not None:
            found = wait_for(receiver, 3)
            names = sorted(span.name for span in found)
            require(names == ["span 1", "span 2", "span 3"], f"these spans arrived: {names}")

    def test_an_empty_batch_is_accepted(self, bench: Bench) -> None:
        """An export of no spans succeeds."""
        built = bench.build(bench.receiver())
        result = built.export([])
        require(
            result is SpanExportResult.SUCCESS,
            f"export([]) returned {result!r}, expected SpanExportResult.SUCCESS",
        )
        require(
            built.counted == 0,
            f"export([]) reported {built.counted} spans; report nothing",
        )

    def test_the_batch_is_left_untouched(self, bench: Bench) -> None:
        """Neither the list nor a span in it is changed."""
        batch = [full_span(1), full_span(2)]
        before, content = list(batch), [_content(span) for span in batch]
        bench.build(bench.receiver()).export(batch)
        same = len(batch) == len(before) and all(a is b for a, b in zip(batch, before, strict=True))
        require(same, "export() changed the list of spans; copy it first")
        changed = [a for a, b in zip(content, map(_content, batch), strict=True) if a != b]
        require(not changed, "export() changed a span; copy what you change")

    def test_the_result_agrees_with_the_reports(self, bench: Bench) -> None:
        """Each span is reported once, as accepted, when the export succeeds."""
        if not self.reports_outcomes:
            pytest.skip("reports_outcomes is False")
        built = bench.build(bench.receiver())
        require_success(built.export(make_spans(3)))
        require(
            built.counted == built.accepted == 3,
            f"of 3 spans {built.counted} were reported, {built.accepted} of them as accepted; "
            "call context.report(outcome, number) once for each request",
        )

    def test_every_field_arrives(self, bench: Bench) -> None:
        """The receiver reads every field of a span that the protocol has."""
        receiver = bench.receiver()
        if receiver is None:
            pytest.skip("receiver is None")
        sent = full_span()
        require_success(bench.build(receiver).export([sent]))
        (found,) = wait_for(receiver, 1)
        expected = _expected(sent, self.value_types)
        wrong = [
            f"{name} is {getattr(found, name)!r}, expected {value!r}"
            for name, value in expected.items()
            if name not in self.lost_fields and not _holds(getattr(found, name), value)
        ]
        require(
            not wrong, f"{'; '.join(wrong)}; name what the protocol does not have in lost_fields"
        )

    def test_odd_values_lose_no_other_span(self, bench: Bench) -> None:
        """Spans with invalid values arrive or are dropped, and the others arrive."""
        odd = odd_spans(number=10)
        reason = _loss(bench, odd, patience=5.0)
        if not reason:
            return
        losses = {repr(span.name): _loss(bench, [span], patience=1.0) for span in odd}
        alone = {name: found for name, found in losses.items() if found}
        which = f"these odd spans: {', '.join(alone)}" if alone else "odd spans"
        *_, reason = reason, *alone.values()
        pytest.fail(
            f"a batch is not exported with {which}; the last: {reason}; convert such values, or "
            "call context.drop(1, reason) and send the other spans"
        )

    def test_two_threads_export_at_once(self, bench: Bench) -> None:
        """Exports of two threads all arrive."""
        receiver = bench.receiver()
        built = bench.build(receiver)
        batches = [[make_span("x", number=number)] for number in range(1, 1 + _THREADS * _EXPORTS)]

        def export(batch: list[ReadableSpan]) -> Any:
            return built.call("export", batch, within=built.timeout)

        with ThreadPoolExecutor(_THREADS) as pool:
            for result in pool.map(export, batches):
                require_success(result, "in one of two threads at once")
        if receiver is not None:
            found = {span.span_id for span in wait_for(receiver, len(batches))}
            require(len(found) == len(batches), f"{len(found)} of {len(batches)} spans arrived")

    def test_a_forked_child_exports(self, bench: Bench) -> None:
        """A child process exports after its parent did."""
        receiver = bench.receiver()
        if not hasattr(os, "fork"):
            pytest.skip("this system has no fork")
        done = bench.run(_FORK, receiver)
        require(
            done.returncode == 0,
            f"{done.stderr.strip()[-1000:]}; connect again in the child, see os.register_at_fork()",
        )
        if receiver is not None:
            names = sorted(span.name for span in wait_for(receiver, 3))
            require(
                names == ["child", "parent", "parent again"],
                f"of the parent, its forked child, and the parent again only {names} arrived",
            )


def _loss(bench: Bench, odd: Sequence[ReadableSpan], *, patience: float) -> str:
    """Return why spans between two others are not all sent or dropped; "" if they are."""
    receiver = bench.receiver()
    built = bench.build(receiver)
    batch = [make_span("first"), *odd, make_span("last", number=2)]
    result = try_export(built, batch)
    if isinstance(result, Exception):
        return f"export() raised {type(result).__name__}: {result}"
    if receiver is None:
        return ""
    expected = len(batch) - sum(number for number, _ in built.drops)
    try:
        names = {span.name for span in receiver.wait(expected, patience)}
    except TimeoutError as error:
        return str(error)
    if receiver.errors:
        return f"the receiver could not decode: {receiver.errors[-1].reason}"
    return "" if {"first", "last"} <= names else f"only {sorted(names)} arrived"


_FORK = """
import os, signal, sys
from opentelemetry.sdk.trace.export import SpanExportResult
from bentotrace.testing.spans import make_span
built = Built(config, 10.0).create()
def export(where, name, number):
    try:
        result = built.exporter.export([make_span(name, number=number)])
    except BaseException as error:
        result = f"raised {error!r}"
    if result is not SpanExportResult.SUCCESS:
        print(f"export() {where}: {result}", file=sys.stderr, flush=True)
        os._exit(1)
export("before the fork", "parent", 1)
child = os.fork()
if child == 0:
    signal.alarm(20)
    export("in the forked child", "child", 2)
    os._exit(0)
status = os.waitpid(child, 0)[1]
if os.WIFSIGNALED(status):
    sys.exit(f"export() in the forked child: {signal.Signals(os.WTERMSIG(status)).name}")
if status:
    sys.exit(1)
export("in the parent after the fork", "parent again", 3)
built.exporter.shutdown()
"""


def _content(span: ReadableSpan) -> str:
    events = [(event.name, event.timestamp, dict(event.attributes or {})) for event in span.events]
    links = [(link.context, dict(link.attributes or {})) for link in span.links]
    fields = (span.name, span.context, span.parent, span.kind, span.start_time, span.end_time)
    status = (span.status.status_code, span.status.description)
    return repr((fields, dict(span.attributes or {}), events, links, status, span.resource))


def _expected(span: ReadableSpan, value_types: frozenset[type]) -> Mapping[str, Any]:
    """Return the fields of :class:`ReceivedSpan` that a protocol with everything has."""
    context, parent = span.context, span.parent
    assert context is not None
    assert parent is not None
    scope = span.instrumentation_scope
    assert scope is not None
    return {
        "trace_id": f"{context.trace_id:032x}",
        "span_id": f"{context.span_id:016x}",
        "parent_id": f"{parent.span_id:016x}",
        "name": span.name,
        "kind": span.kind.name.lower(),
        "start_ns": span.start_time,
        "end_ns": span.end_time,
        "attributes": _values(span.attributes or {}, value_types),
        "events": [(event.name, event.timestamp) for event in span.events],
        "links": [
            (f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}") for link in span.links
        ],
        "status": span.status.status_code.name.lower(),
        "status_description": span.status.description,
        "service_name": "shop",
        "resource": _values(span.resource.attributes, value_types),
        "scope_name": scope.name,
        "scope_version": scope.version,
        "trace_state": context.trace_state.to_header(),
    }


def _values(attributes: Mapping[str, Any], value_types: frozenset[type]) -> dict[str, Any]:
    """Return attributes as they arrive."""
    found: dict[str, Any] = {}
    for key, value in attributes.items():
        plain = list(value) if isinstance(value, tuple) else value
        known = type(plain) in value_types
        found[key] = plain if known else json.dumps(plain, separators=(",", ":"))
    return found


def _holds(found: Any, expected: Any) -> bool:
    """Return whether a field has what is expected; attributes may have more."""
    if isinstance(expected, dict):
        plain = {
            key: list(value) if isinstance(value, tuple) else value for key, value in found.items()
        }
        return all(
            key in plain and plain[key] == value and type(plain[key]) is type(value)
            for key, value in expected.items()
        )
    if isinstance(expected, list):
        pairs = [
            (each.trace_id, each.span_id) if hasattr(each, "span_id") else (each.name, each.time_ns)
            for each in found
        ]
        return pairs == expected
    return bool(found == expected)
