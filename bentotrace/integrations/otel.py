"""OpenTelemetry's own start: ``opentelemetry-instrument`` finds bentotrace by its entry points.

It asks a distro for defaults, a configurator for the SDK, and then instruments what is installed;
of each it takes the first that it finds, in no order. So bentotrace says that it is there only when
it is configured or asked for by name, and else leaves the start to whoever is installed beside it.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, NoReturn

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import bentotrace
from bentotrace.exceptions import BentotraceError
from bentotrace.integrations.otel_choice import CONFIGURATOR, DISTRO, NAME, is_chosen

__all__ = ["Configurator", "Distro", "make_distro", "warn_when_passed_over"]

_TRACES = "OTEL_TRACES_EXPORTER"
_OTHER_SIGNALS = ("OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER")
_DECLARATIVE_FILES = ("OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE")

_logger = logging.getLogger("bentotrace")


class Distro(BaseDistro):  # type: ignore[misc]
    """Sets no default of an exporter, which would win over the file."""

    def _configure(self, **_kwargs: Any) -> None:
        os.environ.setdefault(CONFIGURATOR, NAME)


def make_distro() -> Distro | None:
    """Give the distro, or None, which is passed over, when bentotrace is only installed."""
    return Distro() if is_chosen() else None


class Configurator(_OTelSDKConfigurator):
    """Starts bentotrace for traces, and the SDK for metrics and logs where they are wanted.

    OpenTelemetry makes one instance per process.

    Attributes:
        tracing: the pipeline that it started.
    """

    tracing: bentotrace.Tracing | None = None

    def _configure(self, **kwargs: Any) -> None:
        if not is_chosen():
            _configure_next(**kwargs)
            return
        for name in _DECLARATIVE_FILES:
            if os.environ.get(name, "").strip():
                _logger.warning(
                    "%s is set, and bentotrace is chosen: the file that it names is not read; "
                    "unset it, or set %s to another configurator",
                    name,
                    CONFIGURATOR,
                )
        try:
            self.tracing = bentotrace.configure()
        except BentotraceError as error:
            if not _is_interpreter_starting():
                raise
            _end(error)
        _watch_middleware()
        if any(_names_exporter(name) for name in _OTHER_SIGNALS):
            self._start_other_signals(self.tracing, **kwargs)

    def _start_other_signals(self, tracing: bentotrace.Tracing, **kwargs: Any) -> None:
        if isinstance(tracing.provider, TracerProvider):
            kwargs["resource_attributes"] = dict(tracing.provider.resource.attributes)
        try:
            with _without_traces():
                super()._configure(sampler=ALWAYS_OFF, **kwargs)  # type: ignore[no-untyped-call]
        except Exception as error:
            _logger.warning(
                "metrics and logs do not start, traces do: %s: %s; see %s",
                type(error).__name__,
                tracing.config.redaction.line(str(error)),
                " and ".join(_OTHER_SIGNALS),
            )


def warn_when_passed_over() -> None:
    """Say what to set when another distribution was started though bentotrace is configured."""
    started = Configurator().tracing is not None  # type: ignore[no-untyped-call]
    if not started and CONFIGURATOR not in os.environ and is_chosen():
        _logger.warning(
            "another distribution of OpenTelemetry started first, so the configuration of "
            "bentotrace is not used; set %s=%s, or start with: bentotrace run",
            DISTRO,
            NAME,
        )


def _configure_next(**kwargs: Any) -> None:
    """Let the configurator start that would have started without bentotrace."""
    found = entry_points(group="opentelemetry_configurator")
    other = next((entry_point for entry_point in found if entry_point.name != NAME), None)
    if other is None:
        return

    def is_true(record: logging.LogRecord) -> bool:
        return record.args != (other.name, NAME)

    # OpenTelemetry would say that the other one is not loaded.
    logging.getLogger("opentelemetry.instrumentation.auto_instrumentation._load").addFilter(is_true)
    other.load()().configure(**kwargs)


def _watch_middleware() -> None:
    """Keep from the middleware for ASGI what is not recorded, once that is imported."""
    try:
        from wrapt import register_post_import_hook
    except ImportError:
        # OpenTelemetry's instrumentation brings it; without it, the sampler does it alone.
        return
    register_post_import_hook(_skip_unrecorded, "opentelemetry.instrumentation.asgi")


def _skip_unrecorded(_module: ModuleType) -> None:
    try:
        from bentotrace.integrations._unrecorded import skip_unrecorded
    except ImportError:
        # It is laid out in another way than is known.
        return
    skip_unrecorded()


def _names_exporter(variable: str) -> bool:
    return os.environ.get(variable, "").strip().lower() not in ("", "none")


@contextmanager
def _without_traces() -> Iterator[None]:
    """Keep the SDK's configuration from exporting traces, and from saying that they are ours."""
    hidden = {name: os.environ.pop(name, None) for name in (_TRACES, *_DECLARATIVE_FILES)}
    logger = logging.getLogger("opentelemetry.trace")

    def is_news(record: logging.LogRecord) -> bool:
        return record.msg != "Overriding of current TracerProvider is not allowed"

    logger.addFilter(is_news)
    try:
        yield
    finally:
        logger.removeFilter(is_news)
        os.environ.update({name: value for name, value in hidden.items() if value is not None})


def _is_interpreter_starting() -> bool:
    """Tell whether this runs in ``sitecustomize``, before the program."""
    frames = traceback.walk_stack(None)
    return any(frame.f_globals.get("__name__") == "sitecustomize" for frame, _ in frames)


def _end(error: BentotraceError) -> NoReturn:
    """End the process as a program ends for which tracing is configured wrongly."""
    sys.stderr.write(f"bentotrace: the process ends, for tracing cannot start\n{error}\n")
    sys.stderr.flush()
    # An exception here is OpenTelemetry's to swallow, and SystemExit the interpreter's to dump.
    os._exit(1)
