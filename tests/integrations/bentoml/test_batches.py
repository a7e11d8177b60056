"""Batchable methods that ``bentoml serve`` serves, and the spans of their batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("bentoml", reason="These tests serve with BentoML.")

from bentotrace.testing import OTLPHTTPReceiver, ReceivedSpan

from .conftest import named, of_requests
from .services import BATCHES
from .serving import serving

Write = Callable[[str, str], Path]

REQUESTS = 50


def links(span: ReceivedSpan) -> set[str]:
    return {link.span_id for link in span.links}


def test_each_request_has_its_wait_and_its_batch(
    write: Write, directory: Path, receiver: OTLPHTTPReceiver, variables: Mapping[str, str]
) -> None:
    write("service.py", BATCHES)

    with (
        serving(directory, "service:Iris", **variables) as iris,
        ThreadPoolExecutor(REQUESTS) as pool,
    ):
        asked = [pool.submit(iris.ask, "/classify", petals=[1.0]) for _ in range(REQUESTS)]
        ids = {each.result().headers["x-bentoml-request-id"] for each in asked}
        assert iris.end() == 0

    spans = receiver.spans
    requests = named(spans, "POST /classify")
    waits, batches = named(spans, "wait classify"), named(spans, "batch classify")
    assert requests.keys() == ids
    assert {wait.parent_id for wait in waits.values()} == ids
    assert len(waits) == REQUESTS
    assert sum(batch.attributes["bentoml.batch.size"] for batch in batches.values()) == REQUESTS
    assert max(batch.attributes["bentoml.batch.size"] for batch in batches.values()) > 1
    for wait in waits.values():
        (batch_id,) = links(wait)
        batch = batches[batch_id]
        assert wait.parent_id in links(batch)
        assert wait.end_ns <= batch.end_ns
        for size in ("bentoml.batch.size", "bentoml.batch.items"):
            assert wait.attributes[size] == batch.attributes[size] == len(batch.links)
        assert batch.attributes["code.function.name"] == "service.Iris.classify"
    # The service's own spans are those of its batch, which is in the trace of a request it serves.
    assert [span.parent_id in batches for span in spans if span.name == "compare"] == [
        True for _ in batches
    ]
    for batch in batches.values():
        assert batch.parent_id in links(batch)
        assert batch.trace_id == requests[batch.parent_id or ""].trace_id


def test_a_request_too_large_for_a_batch_is_linked_to_both_of_its_batches(
    write: Write, directory: Path, receiver: OTLPHTTPReceiver, variables: Mapping[str, str]
) -> None:
    write("service.py", BATCHES)

    with serving(directory, "service:Iris", **variables) as iris:
        answer = iris.ask("/classify", petals=[1.0] * 30)
        assert iris.end() == 0

    assert len(answer.json()) == 30
    (request,) = named(receiver.spans, "POST /classify").values()
    (wait,) = named(receiver.spans, "wait classify").values()
    batches = named(receiver.spans, "batch classify").values()
    assert sorted(batch.attributes["bentoml.batch.items"] for batch in batches) == [10, 20]
    assert {batch.parent_id for batch in batches} == {request.span_id}
    first = min(batches, key=lambda batch: batch.start_ns)
    assert links(wait) == {first.span_id}


def test_an_exception_is_on_the_batch_once(
    write: Write, directory: Path, receiver: OTLPHTTPReceiver, variables: Mapping[str, str]
) -> None:
    write("service.py", BATCHES)

    with serving(directory, "service:Iris", **variables) as iris:
        assert iris.status("/classify", petals=[-1.0]) == 500
        assert iris.end() == 0

    (batch,) = named(receiver.spans, "batch classify").values()
    (event,) = [event for span in receiver.spans for event in span.events]
    assert event in batch.events
    assert event.attributes["exception.type"] == "ValueError"
    assert event.attributes["exception.message"] == "a petal has no negative length"
    assert "in classify" in event.attributes["exception.stacktrace"]
    assert (batch.status, batch.attributes["error.type"]) == ("error", "ValueError")


@pytest.mark.parametrize("sampled", ["first", "second", None])
def test_a_batch_is_sampled_when_any_of_its_requests_is(
    sampled: str | None,
    write: Write,
    directory: Path,
    receiver: OTLPHTTPReceiver,
    variables: Mapping[str, str],
) -> None:
    # Both wait until the batch of the request before them has run.
    slow = 'if petals[0] == 5: print("slow", flush=True); time.sleep(2)'
    write("service.py", BATCHES.replace("time.sleep(0.02)", slow))
    traces = {"before": "a" * 32, "first": "b" * 32, "second": "c" * 32}

    def ask(name: str, petal: float) -> None:
        flag = "01" if name == sampled else "00"
        header = {"traceparent": f"00-{traces[name]}-{'d' * 16}-{flag}"}
        iris.ask("/classify", headers=header, petals=[petal])

    with (
        serving(directory, "service:Iris", **variables) as iris,
        ThreadPoolExecutor(3) as pool,
    ):
        # Until BentoML has measured how long a batch takes, each has one request.
        for _ in range(20):
            ask("before", 1.0)
        running = pool.submit(ask, "before", 5.0)
        iris.wait_until_said("slow", times=1)
        both = [pool.submit(ask, name, 1.0) for name in ("first", "second")]
        for each in (running, *both):
            each.result()
        assert iris.end() == 0

    batches = [*named(receiver.spans, "batch classify").values()]
    assert {span.trace_id for span in of_requests(receiver.spans)} == (
        {traces[sampled]} if sampled else set()
    )
    assert [batch.trace_id for batch in batches] == ([traces[sampled]] if sampled else [])
    sizes = [(batch.attributes["bentoml.batch.size"], len(batch.links)) for batch in batches]
    assert sizes == ([(2, 1)] if sampled else [])


def test_one_option_turns_these_spans_off(
    write: Write, directory: Path, receiver: OTLPHTTPReceiver, variables: Mapping[str, str]
) -> None:
    write("service.py", BATCHES)
    write("tracing.yaml", "tracing: {bentoml_spans: false}")

    with serving(directory, "service:Iris", BENTOTRACE_CONFIG="tracing.yaml", **variables) as iris:
        iris.ask("/classify", petals=[1.0])
        assert iris.end() == 0

    assert sorted(span.name for span in receiver.spans) == ["POST /classify", "compare"]
