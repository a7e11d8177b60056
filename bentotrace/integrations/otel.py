"""Start bentotrace from ``opentelemetry-instrument``, which finds it by its entry points.

The command loads a distro for defaults, a configurator for the SDK, and then instruments the
installed libraries. It uses the first distro and configurator that it finds, in no fixed order, so
bentotrace takes part only when it is configured or selected by name.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]

import bentotrace
from bentotrace.exceptions import BentotraceError
from bentotrace.integrations._connections import hook_uvicorn_when_imported
from bentotrace.integrations.bentoml.program import is_program
from bentotrace.integrations.otel_choice import CANNOT_START, CONFIGURATOR, DISTRO, NAME, is_chosen

__all__ = [
    "Configurator",
    "Distro",
    "make_distro",
    "warn_when_passed_over",
]

_OTHER_SIGNALS = ("OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER")
_REPLACED = (
    *("OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER", "OTEL_PYTHON_ID_GENERATOR"),
    "OTEL_PYTHON_TRACER_CONFIGURATOR",
)
_OF_APPLICATIONS = ("fastapi", "starlette")
_DECLARATIVE_FILES = ("OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE")

_logger = logging.getLogger("bentotrace")


def _find_other() -> EntryPoint | None:
    """Find the configurator that would start without bentotrace."""
    found = entry_points(group="opentelemetry_configurator")
    return next((entry_point for entry_point in found if entry_point.name != NAME), None)


class Distro(BaseDistro):  # type: ignore[misc]
    """Set no default exporter, because that would take precedence over the file."""

    def _configure(self, **_kwargs: Any) -> None:
        os.environ.setdefault(CONFIGURATOR, NAME)

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:
        """Instrument a library, unless each request would have a second span by that."""
        # BentoML's applications, and those within them, are traced by BentoML's middleware.
        if entry_point.name not in _OF_APPLICATIONS or not is_program():
            super().load_instrumentor(entry_point, **kwargs)


def make_distro() -> Distro | None:
    """Return the distro; None, which the command skips, when bentotrace is not configured."""
    if is_chosen():
        return Distro()
    other = _find_other()
    if other is not None and CONFIGURATOR not in os.environ:
        # Otherwise OpenTelemetry logs that the other one is not loaded.
        os.environ[CONFIGURATOR] = other.name
        Configurator._left_to_other = True
    return None


class Configurator:
    """Start bentotrace for traces, and the SDK for metrics and logs if variables select them.

    A process of BentoML starts them when it serves a service, with the service's configuration.
    """

    _started: ClassVar[bool] = False
    _other_signals_started: ClassVar[bool] = False
    _left_to_other: ClassVar[bool] = False

    def configure(self, **kwargs: Any) -> None:
        """Start, or call the configurator that would start without bentotrace.

        Args:
            kwargs: passed to the configurator of the SDK.

        Raises:
            BentotraceError: tracing cannot start, as for :func:`bentotrace.configure`.
            SystemExit: the same, before the program runs.
        """
        if not is_chosen():
            other = _find_other()
            if other is not None:
                other.load()().configure(**kwargs)
            return
        Configurator._started = True
        for name in _DECLARATIVE_FILES:
            if os.environ.get(name, "").strip():
                _logger.warning(
                    "%s is ignored, because bentotrace configures tracing; unset it, or set %s to "
                    "another configurator",
                    name,
                    CONFIGURATOR,
                )
        from bentotrace.integrations.bentoml import hooks

        hooks.hook_when_imported(lambda tracing: _start_other_signals(tracing, kwargs))
        if is_program():
            return
        hook_uvicorn_when_imported()
        try:
            tracing = bentotrace.configure()
        except BentotraceError as error:
            # Only sitecustomize, before the program, runs in a __main__ without a file.
            if hasattr(sys.modules["__main__"], "__file__"):
                raise
            # OpenTelemetry would log any other exception, and run the program without tracing.
            raise SystemExit(f"{CANNOT_START}\n{error}") from None
        _start_other_signals(tracing, kwargs)


def warn_when_passed_over() -> None:
    """Warn when another distribution was started although bentotrace is configured."""
    if Configurator._left_to_other:
        # Child processes decide for themselves.
        Configurator._left_to_other = False
        os.environ.pop(CONFIGURATOR, None)
    elif not Configurator._started and CONFIGURATOR not in os.environ and is_chosen():
        _logger.warning(
            "another distribution of OpenTelemetry started first, so the configuration of "
            "bentotrace is not used; set %s=%s, or start with: bentotrace run",
            DISTRO,
            NAME,
        )


def _start_other_signals(tracing: bentotrace.Tracing, kwargs: Mapping[str, Any]) -> None:
    """Start the SDK's metrics and logs, once per process, if variables select an exporter."""
    exporters = {os.environ.get(name, "").strip().lower() for name in _OTHER_SIGNALS}
    if Configurator._other_signals_started or exporters <= {"", "none"}:
        return
    Configurator._other_signals_started = True
    from opentelemetry.sdk._configuration import _OTelSDKConfigurator
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    class SDKConfigurator(_OTelSDKConfigurator):
        """The SDK's, which must be subclassed."""

    options = dict(kwargs, sampler=ALWAYS_OFF)
    if isinstance(tracing.provider, TracerProvider):
        options["resource_attributes"] = dict(tracing.provider.resource.attributes)
    try:
        with _without_traces():
            SDKConfigurator().configure(**options)  # type: ignore[no-untyped-call]
    except Exception as error:
        _logger.warning(
            "metrics and logs did not start, traces did: %s: %s; check %s",
            type(error).__name__,
            tracing.config.redaction.line(str(error)),
            " and ".join(_OTHER_SIGNALS),
        )


@contextmanager
def _without_traces() -> Iterator[None]:
    """Keep the SDK from exporting traces, and from warning that the provider is already set."""
    hidden = {name: os.environ.pop(name, None) for name in (*_REPLACED, *_DECLARATIVE_FILES)}
    logger = logging.getLogger("opentelemetry.trace")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        os.environ.update({name: value for name, value in hidden.items() if value is not None})
