"""The modules of OpenTelemetry that raise at their import for the value of a variable."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec, module_from_spec

__all__ = ["LIMITS", "PROPAGATORS", "check_limit", "find_propagators_error", "import_modules"]

LIMITS = tuple(
    f"OTEL_{name}_LIMIT"
    for name in (
        *("ATTRIBUTE_COUNT", "ATTRIBUTE_VALUE_LENGTH"),
        *("SPAN_ATTRIBUTE_COUNT", "SPAN_ATTRIBUTE_VALUE_LENGTH"),
        *("SPAN_EVENT_COUNT", "SPAN_LINK_COUNT", "EVENT_ATTRIBUTE_COUNT", "LINK_ATTRIBUTE_COUNT"),
    )
)
"""The variables of the limits of spans, which the SDK reads."""

PROPAGATORS = "OTEL_PROPAGATORS"
"""The variable of the propagators, which the API reads."""

_PROPAGATE = "opentelemetry.propagate"


def import_modules() -> None:
    """Import the modules without the values for which they raise, which are reported later.

    A module that raises for nothing is imported when it is needed.
    """
    malformed = [name for name in LIMITS if _is_malformed(os.environ.get(name, ""))]
    if malformed:
        _import_without(malformed, "opentelemetry.sdk.trace")
    if PROPAGATORS in os.environ:
        try:
            import_module(_PROPAGATE)
        # A propagator may raise any exception.
        except Exception:
            _import_without([PROPAGATORS], _PROPAGATE)


def check_limit(text: str) -> None:
    """Raise a ValueError for a limit for which the SDK raises."""
    if _is_malformed(text):
        raise ValueError("expected a whole number, 0 or more")


def find_propagators_error() -> str | None:
    """Return why OpenTelemetry does not accept the propagators of the environment, or None."""
    spec = find_spec(_PROPAGATE)
    if PROPAGATORS not in os.environ or spec is None or spec.loader is None:
        return None
    try:
        # Not in sys.modules, where it may be already.
        spec.loader.exec_module(module_from_spec(spec))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def _is_malformed(limit: str) -> bool:
    try:
        return bool(limit.strip()) and int(limit) < 0
    except ValueError:
        return True


def _import_without(variables: Iterable[str], module: str) -> None:
    hidden = {name: os.environ.pop(name) for name in variables}
    try:
        import_module(module)
    finally:
        os.environ.update(hidden)
