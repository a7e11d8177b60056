"""The steps that a plugin adds to the examination of its destination."""

from __future__ import annotations

import time
from itertools import islice

from attrs import evolve

from bentotrace.config.load import ExporterConfig
from bentotrace.discovery.calls import HangError, call_bounded, describe, running
from bentotrace.discovery.contract import kind_of_value
from bentotrace.doctor.export import captured_output
from bentotrace.plugin import BuildContext, Check
from bentotrace.values import frozen

__all__ = ["CheckStep", "Checks", "run_checks"]

_MOST = 50
_GRACE_SECONDS = 2.0
_NAME_LENGTH = 40
_MESSAGE_LENGTH = 600


@frozen
class CheckStep:
    """One result, with its duration in seconds."""

    check: Check
    seconds: float


@frozen
class Checks:
    """The results, in order."""

    steps: tuple[CheckStep, ...] = ()

    @property
    def failed(self) -> Check | None:
        """The first that failed."""
        return next((step.check for step in self.steps if not step.check.ok), None)


def run_checks(exporter: ExporterConfig, context: BuildContext) -> Checks:
    """Run the checks of an exporter's plugin; one that raises or hangs is a failed step."""
    plugin, options = exporter.plugin, exporter.options
    if plugin.checks is None:
        return Checks()
    what = f"checks() of exporter {plugin.name!r}"
    checks = plugin.checks
    steps: list[CheckStep] = []

    def run() -> None:
        started = time.monotonic()
        with running(what):
            for check in islice(checks(options, context), _MOST):
                ended = time.monotonic()
                steps.append(CheckStep(_checked(check), ended - started))
                started = ended

    started = time.monotonic()
    problem = ""
    with captured_output():
        try:
            call_bounded(run, context.timeout + _GRACE_SECONDS, what)
        except HangError as error:
            problem = str(error)
        except BaseException as error:
            problem = f"{what} raised {describe(error, context.redaction)}"
    found = [*steps]
    if problem:
        fix = "Report this to the author of the exporter."
        failed = Check("checks", ok=False, message=problem, fix=fix)
        found.append(CheckStep(failed, time.monotonic() - started))
    return Checks(tuple(evolve(step, check=_shown(step.check, context)) for step in found))


def _checked(check: object) -> Check:
    if isinstance(check, Check):
        return check
    raise TypeError(f"yielded {kind_of_value(check)}, not a bentotrace.plugin.Check")


def _shown(check: Check, context: BuildContext) -> Check:
    """Return a check with its texts in one line each, without secrets."""
    line = context.redaction.line
    return Check(
        line(str(check.name), _NAME_LENGTH),
        bool(check.ok),
        line(str(check.message), _MESSAGE_LENGTH),
        line(str(check.fix), _MESSAGE_LENGTH),
    )
