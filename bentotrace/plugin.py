"""The descriptor of a plugin, its context, and the options of its schema, for plugin authors.

:mod:`bentotrace.hookspecs` has a complete example.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from attrs import field
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace.redaction import Redaction, hide_named
from bentotrace.schema.kinds import DURATION, NAMES, PATTERNS, Kind, milliseconds
from bentotrace.schema.option import Option, Range, Variable, as_texts, as_variables, option
from bentotrace.schema.tree import kind_of
from bentotrace.transport.options import ADDRESS, HEADERS, PEM_FILE, URL, Address
from bentotrace.transport.outcome import Outcome
from bentotrace.transport.tls import TLSConfig
from bentotrace.values import frozen

__all__ = [
    "ADDRESS",
    "API_VERSION",
    "DURATION",
    "HEADERS",
    "NAMES",
    "PATTERNS",
    "PEM_FILE",
    "URL",
    "Address",
    "BuildContext",
    "Check",
    "ExporterPlugin",
    "ExtensionPlugin",
    "Kind",
    "Option",
    "Range",
    "Stability",
    "Target",
    "Variable",
    "exporter_timeout",
    "kind_of",
    "milliseconds",
    "option",
]

API_VERSION = 1
"""The version of the plugin contract that this bentotrace supports."""


class Stability(enum.Enum):
    """The maturity of a plugin.

    Attributes:
        STABLE: options and behavior keep to the rules of deprecation.
        BETA: they may change in a minor version.
        EXPERIMENTAL: they may change in any version.
        DEPRECATED: it will be removed; selecting it logs a warning.
    """

    STABLE = "stable"
    BETA = "beta"
    EXPERIMENTAL = "experimental"
    DEPRECATED = "deprecated"


def exporter_timeout(text: str) -> float:
    """Parse ``OTEL_EXPORTER_*_TIMEOUT`` into seconds.

    The unit is milliseconds in the specification, and seconds in OpenTelemetry's Python exporters.
    A number without a unit is in seconds below 100, and in milliseconds from 100.
    """
    seconds: float = DURATION.parse(text)
    bare = text.strip().replace(".", "", 1).isdigit()
    return seconds / 1000.0 if bare and seconds >= 100 else seconds


def _timeout_variables(names: str | Variable | Sequence[str | Variable]) -> tuple[Variable, ...]:
    return as_variables(names, exporter_timeout, "timeout_env")


def _lines(texts: str | Sequence[str]) -> tuple[str, ...]:
    return as_texts(texts, "a field of Target")


def _names(texts: str | Sequence[str]) -> tuple[str, ...]:
    return as_texts(texts, "credentials")


@frozen
class Target:
    """Where an exporter's spans go, for the startup log and ``bentotrace doctor``.

    Attributes:
        protocol: the protocol, such as "grpc"; "" if the exporter has only one.
        endpoint: the final endpoint, without credentials.
        warnings: likely mistakes and their fixes, one line each.
        notes: other remarks, one line each.
        tls: the files of an encrypted connection; None for a plaintext or unknown one.
        headers: the names of the headers of every request, without those that the transport sets.
    """

    protocol: str
    endpoint: str = field(repr=lambda value: repr(hide_named(value)))
    warnings: tuple[str, ...] = field(default=(), converter=_lines)
    notes: tuple[str, ...] = field(default=(), converter=_lines)
    tls: TLSConfig | None = None
    headers: tuple[str, ...] = field(default=(), converter=_lines)


@frozen
class Check:
    """The result of a step that a plugin adds to ``bentotrace doctor``.

    Attributes:
        name: one to three words.
        ok: whether it succeeded.
        message: the observation, in one line.
        fix: what to do about a failure, in a sentence or two.
    """

    name: str
    ok: bool
    message: str
    fix: str = ""


def _ignore(*_arguments: object) -> None:
    pass


@frozen
class BuildContext:
    """The settings and services common to all exporters; passed to ``create``.

    Attributes:
        timeout: seconds that one ``export`` may take, including retries.
        max_tag_value_length: the length to which attribute values are truncated before they reach
            an exporter; None for no limit.
        resource: the resource of the provider.
        service_name: ``service.name`` of the resource.
        logger: the exporter's logger.
        user_agent: the name of the client in requests.
        report: reports the outcome of ``n`` spans of the running ``export``; call it once per
            request. Counts, log and ``status()`` then show the reason. Without it, the spans are
            counted by the result of ``export``.
        drop: counts ``n`` spans of the running ``export`` as dropped, with a reason of one or two
            words; for extensions that withhold spans.
        redaction: masks the secrets of the whole configuration. Pass it to the transports, and pass
            text from a receiver through its ``line`` before you truncate or log it.
        exporter: the exporter type of the destination.
        endpoint: the endpoint of the destination, without credentials; "" if unknown.
    """

    timeout: float
    resource: Resource
    service_name: str
    max_tag_value_length: int | None = None
    logger: logging.Logger = field(factory=lambda: logging.getLogger("bentotrace"))
    user_agent: str = "bentotrace"
    report: Callable[[Outcome, int], None] = _ignore
    drop: Callable[[int, str], None] = _ignore
    redaction: Redaction = field(factory=Redaction)
    exporter: str = ""
    endpoint: str = ""

    def report_retry(self, outcome: Outcome) -> None:
        """Report a failed attempt of the running ``export`` that will be retried.

        It is the reason for the loss if the process exits before ``export`` returns.
        """
        self.report(outcome, 0)


@frozen(kw_only=True)
class ExporterPlugin:
    """The description of an exporter, which the hook ``bentotrace_exporter`` returns.

    Attributes:
        name: the exporter type; the same as the entry point's name.
        config: the attrs class of its section, with fields made by :func:`option`.
        create: creates a new exporter at each call, without opening a socket or starting a thread.
        summary: one line for ``bentotrace plugins``.
        stability: its maturity.
        extra: the requirement that installs its dependencies, such as ``bentotrace[otlp]``.
        timeout_env: the variables that override the common ``timeout`` for this exporter; a
            plain name is parsed by :func:`exporter_timeout`.
        target: returns where the spans go, without importing what only ``create`` needs.
        credentials: the dotted names of the options that hold credentials, for advice on a
            rejection; by default ``headers``.
        advise: returns what a failure of this backend means and what to do, in a sentence or two
            for the log and ``bentotrace doctor``; None or "" for the general advice. Called with
            the options and the outcome, in the exporting thread.
        checks: yields further steps of ``bentotrace doctor``, such as whether a table exists, each
            when it ends. Called with the options and a context after the test export, unless that
            did not reach the receiver; it may connect, within ``context.timeout``.
        api_version: the version of the plugin contract that it was written for; by default that of
            the marker :data:`bentotrace.hookspecs.hookimpl`.
    """

    name: str
    config: type
    create: Callable[[Any, BuildContext], SpanExporter]
    summary: str
    stability: Stability = Stability.STABLE
    extra: str | None = None
    timeout_env: tuple[Variable, ...] = field(default=(), converter=_timeout_variables)
    target: Callable[[Any], Target] | None = None
    credentials: tuple[str, ...] = field(default=(), converter=_names)
    advise: Callable[[Any, Outcome], str | None] | None = None
    checks: Callable[[Any, BuildContext], Iterable[Check]] | None = None
    api_version: int | None = None


@frozen
class _NoOptions:
    """The options of an extension without options."""


@frozen(kw_only=True)
class ExtensionPlugin:
    """The description of an extension, which the hook ``bentotrace_extension`` returns.

    Attributes:
        name: its name in ``extensions``, and of its section; the same as the entry point's name.
        wrap: returns an exporter that wraps another one; called with the options, the exporter and
            the context, once for each destination, when the pipeline is built. It opens nothing.
            The new exporter passes batches, ``shutdown`` and ``force_flush`` to the other one, and
            returns its results. It never changes a span: it passes a new one that it creates. It
            reports a span that it withholds by ``context.drop(1, "reason")``.
        summary: one line for ``bentotrace plugins``.
        config: the attrs class of its section, with fields made by :func:`option`; none is named
            ``destinations``, the key with options for single exporter types.
        stability: its maturity.
        api_version: as in :class:`ExporterPlugin`.
    """

    name: str
    wrap: Callable[[Any, SpanExporter, BuildContext], SpanExporter]
    summary: str
    config: type = _NoOptions
    stability: Stability = Stability.STABLE
    api_version: int | None = None
