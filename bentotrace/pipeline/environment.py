"""Variables that OpenTelemetry reads itself, and for whose values it raises in the application."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry import trace as trace_api
from opentelemetry.sdk.resources import Resource, ResourceDetector

from bentotrace import _opentelemetry
from bentotrace.discovery.calls import describe, pass_interrupt
from bentotrace.discovery.components import DETECTORS, Components
from bentotrace.exceptions import PluginError
from bentotrace.schema.kinds import parse_list

__all__ = ["OPTIONS", "correct_variables", "detect_resource", "find_provider"]

OPTIONS = ("OTEL_PYTHON_EXCLUDED_URLS", *_opentelemetry.LIMITS)
"""The variables of options, which the configuration reports; they are corrected without a log."""

_TRACER_PROVIDER = "OTEL_PYTHON_TRACER_PROVIDER"
_DETECTORS = "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS"
_PATTERNS = re.compile(
    "OTEL_PYTHON_(.+_)?EXCLUDED_URLS|OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_.+", re.ASCII
)
_EXEMPLAR_FILTERS = ("trace_based", "always_on", "always_off")

_logger = logging.getLogger("bentotrace")


def find_provider() -> trace_api.TracerProvider:
    """Return the global tracer provider, without creating the one that a variable names."""
    os.environ.pop(_TRACER_PROVIDER, None)
    return trace_api.get_tracer_provider()


def correct_variables() -> None:
    """Remove the values for which OpenTelemetry raises from the environment, and log them."""
    _opentelemetry.import_modules()
    for name in [*os.environ]:
        correct = _CORRECTIONS.get(name) or (_pattern if _PATTERNS.fullmatch(name) else None)
        if correct is None:
            continue
        text = os.environ[name]
        try:
            corrected = correct(text) if text.strip() else ""
        except ValueError as error:
            corrected = ""
            level = logging.DEBUG if name in OPTIONS else logging.WARNING
            _logger.log(level, "%s is ignored: %s", name, error)
        if not corrected:
            # Blank, it would be a value for OpenTelemetry.
            del os.environ[name]
        elif corrected != text:
            os.environ[name] = corrected


def detect_resource(attributes: Mapping[str, Any]) -> Resource:
    """Return the resource of the SDK's detectors, with these attributes.

    The SDK tolerates a detector that raises an ``Exception``. One that exits, or returns something
    else than a resource, is removed from the environment and logged.
    """
    try:
        return Resource.create(attributes)
    except BaseException as error:
        pass_interrupt(error)
        names = parse_list(os.environ.get(_DETECTORS, ""))
        usable = [name for name in names if _can_detect(name)]
        if usable == names:
            raise
        os.environ[_DETECTORS] = ",".join(usable) or "otel"
    return Resource.create(attributes)


def _can_detect(detector: str) -> bool:
    try:
        found: object = DETECTORS.create(detector, ResourceDetector).detect()
        if isinstance(found, Resource):
            return True
        reason = f"it returned {type(found).__name__}, not a Resource"
    except BaseException as error:
        pass_interrupt(error)
        reason = describe(error)
    _logger.warning("%s: %s is ignored: %s", _DETECTORS, detector, reason)
    return False


def _limit(text: str) -> str:
    _opentelemetry.check_limit(text)
    return text


def _exemplar_filter(text: str) -> str:
    if text not in _EXEMPLAR_FILTERS:
        raise ValueError(f"expected one of {', '.join(_EXEMPLAR_FILTERS)}")
    return text


def _pattern(text: str) -> str:
    try:
        re.compile("|".join(parse_list(text)))
    # Such as an OverflowError or a RecursionError.
    except Exception as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return text


def _provider(signal: str) -> Callable[[str], str]:
    def correct(text: str) -> str:
        name = text.strip()
        Components(f"{signal} provider", f"opentelemetry_{signal}_provider").require(name)
        return name

    return correct


def _detectors(text: str) -> str:
    names = parse_list(text)
    if "*" in names:
        # Older versions of the SDK do not know it. The SDK adds otel as the last one itself.
        names = [name for name in (*names, *DETECTORS.names()) if name not in ("*", "otel")]
    return ",".join(name for name in dict.fromkeys(names) if _can_create(name))


def _can_create(detector: str) -> bool:
    try:
        DETECTORS.require(detector)
        DETECTORS.create(detector, ResourceDetector)
    except (PluginError, ValueError) as error:
        _logger.warning("%s: %s is ignored: %s", _DETECTORS, detector, error)
        return False
    return True


_CORRECTIONS: Mapping[str, Callable[[str], str]] = {
    **dict.fromkeys(_opentelemetry.LIMITS, _limit),
    "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT": _limit,
    "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT": _limit,
    "OTEL_METRICS_EXEMPLAR_FILTER": _exemplar_filter,
    _DETECTORS: _detectors,
    **{
        f"OTEL_PYTHON_{signal.upper()}_PROVIDER": _provider(signal)
        for signal in ("tracer", "meter", "logger", "event_logger")
    },
}
