"""Each span is in one count, whatever the receiver does."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from .batches import MEBIBYTE
from .switch import QUICK, SOON, Bench


class Machine(RuleBasedStateMachine):
    """Whatever happens to the receiver, each span is in one count, and arrives at most once."""

    directory: Path
    number = 0

    def __init__(self) -> None:
        super().__init__()
        Machine.number += 1
        place = self.directory / str(Machine.number)
        self.bench = Bench(place, backoff=QUICK, max_bytes=MEBIBYTE, max_queue_size=16)

    @rule(count=st.integers(1, 10))
    def end(self, count: int) -> None:
        self.bench.end(count)

    @rule(there=st.booleans())
    def switch(self, there: bool) -> None:
        self.bench.exporter.there = there

    @rule(hangs=st.booleans())
    def hang(self, hangs: bool) -> None:
        gate = self.bench.exporter.gate
        gate.clear() if hangs else gate.set()

    @rule(timeout=st.sampled_from([0.0, 0.05]))
    def flush(self, timeout: float) -> None:
        self.bench.processor.flush(timeout)

    @invariant()
    def nothing_is_lost_from_the_counts(self) -> None:
        self.bench.check()

    def teardown(self) -> None:
        self.bench.exporter.there = True
        self.bench.exporter.gate.set()
        # An attempt that began while the receiver was away does not end it.
        assert self.bench.processor.flush(SOON)
        status = self.bench.check()
        taken = self.bench.exporter.taken
        assert status.pending == 0
        assert status.exported == len(taken) == len(set(taken))
        assert taken == sorted(taken, key=int)
        assert self.bench.processor.close(SOON)


def test_every_span_is_in_one_count_whatever_happens(tmp_path: Path) -> None:
    Machine.directory = tmp_path
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
