"""What the tests of the examination look at in a diagnosis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bentotrace.doctor.report import Diagnosis, State
from bentotrace.doctor.verdict import StepName

Diagnose = Callable[..., Diagnosis]

# What is tried again takes its whole timeout to fail.
AFTER_RETRIES = 1.5

REQUEST_STEPS = [
    StepName.CONFIGURATION,
    StepName.RESOLUTION,
    StepName.CONNECTION,
    StepName.TLS,
    StepName.PROTOCOL,
    StepName.AUTHENTICATION,
    StepName.PATH,
    StepName.RESPONSE,
]


def http(url: str, **options: Any) -> dict[str, Any]:
    return {"protocol": "http", "endpoint": url, "http": options}


def states(diagnosis: Diagnosis) -> list[State]:
    return [step.state for step in diagnosis.steps]


def told(diagnosis: Diagnosis, name: StepName) -> str:
    (step,) = [step for step in diagnosis.steps if step.name is name]
    return step.message


def failed(diagnosis: Diagnosis) -> StepName:
    (step,) = [step for step in diagnosis.steps if step.state is State.FAILED]
    return step.name


def examine_over(protocol: str, diagnose: Diagnose, url: str, **options: Any) -> Diagnosis:
    if protocol == "grpc":
        pytest.importorskip("grpc", reason="grpcio is not installed (extra: grpc)")
    section = {
        "protocol": protocol,
        "endpoint": url,
        protocol: options.pop("section", {}),
    }
    return diagnose("otlp", section, **options)
