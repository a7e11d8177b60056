"""The duties of what a plugin says about failures."""

from __future__ import annotations

from functools import partial
from itertools import product

from bentotrace.plugin import Check
from bentotrace.testing.contract.base import Bench, Duties, call, require
from bentotrace.transport.outcome import FailureKind, Outcome

__all__ = ["ExplainingDuties"]

_STATUSES = (None, "400", "401", "404", "429", "503", "UNAVAILABLE", "UNIMPLEMENTED")


class ExplainingDuties(Duties):
    """What a plugin adds to the advice on a failure and to ``bentotrace doctor``."""

    def test_advice_is_a_line_for_every_failure(self, bench: Bench) -> None:
        """``advise`` returns a line or None for every kind of failure."""
        config = bench.load(bench.configure(bench.receiver()))
        advise = config.plugin.advise
        if advise is None:
            return
        for kind, status in product(FailureKind, _STATUSES):
            outcome = Outcome(False, "here", kind, status=status, reason="no", body=b"no")
            found = call(partial(advise, config.options, outcome), "advise()", 1.0)
            require(
                found is None or (isinstance(found, str) and len(found.splitlines()) < 2),
                f"advise() returned {found!r} for {kind} and status {status}; expected one line "
                "or None",
            )

    def test_checks_are_steps_of_the_doctor(self, bench: Bench) -> None:
        """``checks`` yields checks in time, with and without a receiver."""
        receiver = bench.receiver()
        built = bench.build(receiver, timeout=self.timeout)
        checks = built.config.plugin.checks
        if checks is None:
            return

        def run() -> list[Check]:
            return [*checks(built.config.options, built.context)]

        for _ in range(2):
            for check in call(run, "checks()", self.timeout):
                require(
                    isinstance(check, Check) and check.name.strip() and check.message.strip(),
                    f"checks() yielded {check!r}; expected a Check with a name and a message",
                )
            if receiver is not None:
                receiver.close()
