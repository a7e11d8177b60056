"""What an examination found, as plain values."""

from __future__ import annotations

import enum
from typing import Any

from attrs import field, frozen

from bentotrace.config.report import Note
from bentotrace.doctor.verdict import StepName, Verdict

__all__ = ["Diagnosis", "Examination", "State", "Step"]


class State(enum.Enum):
    """How a step went."""

    GOOD = "good"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """Nothing was seen of it, for good or ill."""
    NOT_REACHED = "not_reached"


@frozen
class Step:
    """One thing that was tried.

    Attributes:
        name: what.
        state: how it went.
        told: what was seen, in one line.
        seconds: how long it took; None where that says nothing.
    """

    name: StepName
    state: State
    told: str
    seconds: float | None = None


@frozen
class Diagnosis:
    """What became of the span that was sent to one destination.

    Attributes:
        exporter: the exporter type.
        protocol: what is spoken; "" when there is nothing to tell apart.
        endpoint: where the span went, without credentials.
        endpoint_source: where that is configured; "" where it is not known.
        steps: what was tried, in order.
        verdict: what it comes to.
        reason: why, in one line.
        fix: what to do about it.
        trace_id: of the span, as a backend shows it.
    """

    exporter: str
    protocol: str
    endpoint: str
    endpoint_source: str
    steps: tuple[Step, ...]
    verdict: Verdict
    reason: str
    fix: str
    trace_id: str


@frozen
class Examination:
    """A configuration whose every destination was sent one span.

    Attributes:
        source: where the configuration was read from.
        diagnoses: one for each destination, in the order of the configuration.
        notes: what the user should know, although it hinders no span.
        nothing: the verdict when there is no destination.
    """

    source: str
    diagnoses: tuple[Diagnosis, ...]
    notes: tuple[Note, ...] = ()
    nothing: Verdict = field(default=Verdict.NOTHING)

    @property
    def verdict(self) -> Verdict:
        """The first verdict that is not good, else the first."""
        verdicts = [diagnosis.verdict for diagnosis in self.diagnoses] or [self.nothing]
        return next((verdict for verdict in verdicts if not verdict.good), verdicts[0])

    def as_dict(self) -> dict[str, Any]:
        """Give the same as plain values, for JSON."""
        return {
            "good": self.verdict.good,
            "verdict": self.verdict.word,
            "exit_code": self.verdict.exit_code,
            "source": self.source,
            "problems": [],
            "notes": [{"message": note.message, "warning": note.warning} for note in self.notes],
            "destinations": [_as_dict(diagnosis) for diagnosis in self.diagnoses],
        }


def _as_dict(diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        "exporter": diagnosis.exporter,
        "protocol": diagnosis.protocol,
        "endpoint": diagnosis.endpoint,
        "endpoint_source": diagnosis.endpoint_source,
        "verdict": diagnosis.verdict.word,
        "exit_code": diagnosis.verdict.exit_code,
        "reason": diagnosis.reason,
        "fix": diagnosis.fix,
        "trace_id": diagnosis.trace_id,
        "steps": [
            {
                "name": step.name.value,
                "state": step.state.value,
                "told": step.told,
                "seconds": None if step.seconds is None else round(step.seconds, 4),
            }
            for step in diagnosis.steps
        ],
    }
