from __future__ import annotations

import contextvars
from collections.abc import Callable

import pytest
from opentelemetry import trace as trace_api

import bentotrace
from bentotrace.pipeline.ids import HandedIds, hand_trace_id


def in_a_context_of_its_own(function: Callable[[], None]) -> None:
    contextvars.copy_context().run(function)


def test_an_id_is_given_once() -> None:
    def ask() -> None:
        ids = HandedIds()
        hand_trace_id(0x5555)
        assert ids.generate_trace_id() == 0x5555
        assert len({0x5555, ids.generate_trace_id(), ids.generate_trace_id()}) == 3

    in_a_context_of_its_own(ask)


def test_an_id_can_be_taken_back() -> None:
    def ask() -> None:
        hand_trace_id(0x5555)
        hand_trace_id(0)
        assert HandedIds().generate_trace_id() != 0x5555

    in_a_context_of_its_own(ask)


def test_another_context_has_random_ids() -> None:
    in_a_context_of_its_own(lambda: hand_trace_id(0x5555))

    assert HandedIds().generate_trace_id() != 0x5555


@pytest.mark.parametrize("rate", [0, 1])
def test_a_pipeline_s_next_trace_has_the_id(rate: float) -> None:
    def ask() -> None:
        with bentotrace.build({"exporter_type": "none", "sample_rate": rate}) as tracing:
            hand_trace_id(0x5555)
            tracer = tracing.provider.get_tracer("test")
            parent = tracer.start_span("parent")
            child = tracer.start_span("child", trace_api.set_span_in_context(parent))
            other = tracer.start_span("other")
            found = [span.get_span_context().trace_id for span in (parent, child, other)]
            assert found[:2] == [0x5555, 0x5555]
            assert found[2] != 0x5555

    in_a_context_of_its_own(ask)
