"""One destination's exporter, created from its configuration and wrapped in a guard."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from bentotrace._version import __version__
from bentotrace.config.load import ExporterConfig
from bentotrace.config.options import TracingOptions
from bentotrace.delivery.advice import advise
from bentotrace.delivery.guard import Guard
from bentotrace.delivery.health import OnExportError
from bentotrace.delivery.reports import Reports
from bentotrace.discovery import registry
from bentotrace.discovery.calls import describe, pass_interrupt, running
from bentotrace.discovery.contract import kind_of_value
from bentotrace.exceptions import PluginError
from bentotrace.plugin import BuildContext
from bentotrace.redaction import Redaction, without_credentials

__all__ = ["make_context", "make_guarded"]


def make_guarded(
    exporter: ExporterConfig,
    options: TracingOptions,
    resource: Resource,
    *,
    logger: logging.Logger,
    reports: Reports | None = None,
    on_export_error: OnExportError | None = None,
    redaction: Redaction | None = None,
) -> Guard:
    """Create the exporter of a destination; opens no connection.

    ``reports`` receives what the exporter reports, ``on_export_error`` is called with each failed
    export in the exporting thread, and ``redaction`` has the secrets of the whole configuration.

    Raises:
        PluginError: the exporter cannot be created, or an extension cannot wrap it.
    """
    reports = Reports() if reports is None else reports
    redaction = exporter.redaction if redaction is None else exporter.redaction | redaction
    context = make_context(exporter, options, resource, reports, logger, redaction)
    created = _create(exporter, context)
    if exporter.extensions:
        created = _Passed(created, reports)
    # Spans pass the extensions in the order in which they are listed.
    for extension in reversed(exporter.extensions):
        wrapped = extension.wrap(created, context)
        subject = f"extension {extension.claim} cannot wrap the exporter: its hook"
        created = _checked(wrapped, subject, redaction)
    return Guard(
        created,
        reports,
        name=exporter.plugin.name,
        endpoint=context.endpoint,
        logger=logger,
        on_error=on_export_error,
        redaction=redaction,
        advise=partial(advise, exporter, redaction),
    )


def make_context(
    exporter: ExporterConfig,
    options: TracingOptions,
    resource: Resource,
    reports: Reports,
    logger: logging.Logger,
    redaction: Redaction,
) -> BuildContext:
    """Create the context of a destination."""
    endpoint = exporter.target.endpoint if exporter.target is not None else ""
    return BuildContext(
        timeout=exporter.timeout,
        max_tag_value_length=options.max_tag_value_length,
        resource=resource,
        service_name=str(resource.attributes.get(SERVICE_NAME, "")),
        logger=logger,
        user_agent=f"bentotrace/{__version__}",
        report=reports.add,
        drop=reports.drop,
        redaction=redaction,
        exporter=exporter.plugin.name,
        endpoint=redaction.redact(without_credentials(endpoint)),
    )


class _Passed(SpanExporter):
    """The exporter that extensions wrap; counts the spans that they pass to it."""

    def __init__(self, exporter: SpanExporter, reports: Reports) -> None:
        self._exporter = exporter
        self._reports = reports
        reports.passed = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._reports.passed = (self._reports.passed or 0) + len(spans)
        return self._exporter.export(spans)

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        flush = getattr(self._exporter, "force_flush", None)
        return flush is None or flush(timeout_millis) is not False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exporter, name)


def _create(exporter: ExporterConfig, context: BuildContext) -> SpanExporter:
    plugin, redaction = exporter.plugin, context.redaction
    try:
        with running(f"create() of exporter {plugin.name!r}"):
            created: object = plugin.create(exporter.options, context)
    except BaseException as error:
        pass_interrupt(error)
        reason = describe(error, redaction)
        problem = PluginError(f"cannot create exporter {plugin.name!r}: {reason}")
        if isinstance(error, ImportError):
            problem = registry.missing_dependency(error, plugin) or problem
        raise problem from redaction.cause(error)
    return _checked(created, f"cannot create exporter {plugin.name!r}: its create()", redaction)


def _checked(created: object, subject: str, redaction: Redaction) -> SpanExporter:
    """Return what a plugin returned, if it is an exporter.

    Raises:
        PluginError: it is not.
    """
    try:
        problem = _problem_of(created)
    except BaseException as error:
        pass_interrupt(error)
        reason = f"whose attributes cannot be read: {describe(error, redaction)}"
        problem = f"{type(created).__name__}, {reason}"
    if problem is not None:
        raise PluginError(f"{subject} returned {problem}")
    return created  # type: ignore[return-value]


def _problem_of(created: object) -> str | None:
    """Return what is wrong with an exporter; None if nothing is."""
    kind = kind_of_value(created)
    if inspect.isclass(created) or not callable(getattr(created, "export", None)):
        return f"{kind}, not a SpanExporter"
    for name in ("export", "shutdown", "force_flush"):
        method = getattr(created, name, None)
        if not callable(method) and (method is not None or name != "force_flush"):
            return f"{kind}, which has no method {name}()"
        if inspect.iscoroutinefunction(method):
            return f"{kind}, whose {name}() is a coroutine; it must be a plain function"
    return None
