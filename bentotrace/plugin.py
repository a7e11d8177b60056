"""What a plugin author imports: the descriptor, its context, and the options of its schema.

A complete plugin is shown in :mod:`bentotrace.hookspecs`.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable, Sequence
from typing import Any

import attrs
from attrs import field, frozen
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace.config.header_kind import HEADERS
from bentotrace.config.hint_kind import kind_of
from bentotrace.config.kind import Kind
from bentotrace.config.kinds import (
    ADDRESS,
    DURATION,
    NAMES,
    PATTERNS,
    PEM_FILE,
    Address,
    milliseconds,
)
from bentotrace.config.range import Range
from bentotrace.redaction import Redaction, hide_named
from bentotrace.transport.outcome import Outcome
from bentotrace.transport.tls import TLSConfig

__all__ = [
    "ADDRESS",
    "API_VERSION",
    "DURATION",
    "HEADERS",
    "NAMES",
    "PATTERNS",
    "PEM_FILE",
    "Address",
    "BuildContext",
    "ExporterPlugin",
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
"""The version of the plugin contract that this bentotrace speaks."""

_METADATA_KEY = "bentotrace.option"


class Stability(enum.Enum):
    """How far a plugin can be relied on."""

    STABLE = "stable"
    BETA = "beta"
    EXPERIMENTAL = "experimental"
    DEPRECATED = "deprecated"


@frozen
class Variable:
    """An environment variable that overrides an option.

    Attributes:
        name: the variable's name.
        parse: its text (never blank) to a plain value for the option; ValueError when malformed.
            None parses it as the option's kind does.
    """

    name: str
    parse: Callable[[str], Any] | None = None


def _variables(names: Sequence[str | Variable]) -> tuple[Variable, ...]:
    return tuple(Variable(name) if isinstance(name, str) else name for name in names)


@frozen
class Option:
    """What is known of an option besides its attrs field: one record feeds everything.

    Attributes:
        help: one sentence for the user.
        env: the variables that override it; the first that is set wins.
        secret: whether its value must never be shown.
        unit: unit of the number, as "bytes".
        kind: how its values are read; None takes it from the field's annotation.
        old_names: names that it had at the top of its exporter's section, or of the block; they
            still work, with a note.
    """

    help: str
    env: tuple[Variable, ...] = ()
    secret: bool = False
    unit: str | None = None
    kind: Kind | None = None
    old_names: tuple[str, ...] = ()

    @staticmethod
    def of(attribute: attrs.Attribute[Any]) -> Option:
        """Find the record of a field; a field made without :func:`option` has an empty one."""
        found = attribute.metadata.get(_METADATA_KEY)
        return found if isinstance(found, Option) else Option(help="")


def _repr_hidden(value: Any) -> str:
    """Write a value without the credentials of URLs and what keys in it call secret."""
    return repr(hide_named(value))


def option(
    *,
    help: str,  # noqa: A002 - the field's own term, as in argparse and click
    default: Any = attrs.NOTHING,
    factory: Callable[[], Any] | None = None,
    env: Sequence[str | Variable] = (),
    secret: bool = False,
    unit: str | None = None,
    kind: Kind | None = None,
    old_names: Sequence[str] = (),
    validator: Any = None,
) -> Any:
    """Declare one option of a schema, as a field of an attrs class.

    A field whose annotation is an attrs class is a section of its own. The field's annotation says
    the type; ``X | None`` with default None means "may be left out".

    Args:
        help: one sentence for the user.
        default: value when nobody gives one; without it the option is required.
        factory: makes the default instead.
        env: names of the variables that override it, or :class:`Variable`; the first set wins.
        secret: keeps the value out of repr, messages, and all output.
        unit: unit of the number, as "bytes"; durations are always seconds.
        kind: how values are read, such as :data:`DURATION` or :data:`HEADERS`.
        old_names: names that it had at the top of its exporter's section; they still work.
        validator: attrs validator(s), such as :class:`Range`; each raises ValueError.
    """
    record = Option(
        help=help,
        env=_variables(env),
        secret=secret,
        unit=unit,
        kind=kind,
        old_names=tuple(old_names),
    )
    if factory is not None:
        default = attrs.Factory(factory)
    return field(
        default=default,
        validator=validator,
        repr=_repr_hidden if not secret else False,
        kw_only=True,
        metadata={_METADATA_KEY: record},
    )


def exporter_timeout(text: str) -> float:
    """Read ``OTEL_EXPORTER_*_TIMEOUT`` into seconds.

    The specification says milliseconds, Python's exporters read seconds. A bare number under 100
    is taken as seconds, from 100 on as milliseconds; with a unit it is what it says.
    """
    seconds: float = DURATION.parse(text)
    bare = text.strip().replace(".", "", 1).isdigit()
    return seconds / 1000.0 if bare and seconds >= 100 else seconds


def _timeout_variables(names: Sequence[str | Variable]) -> tuple[Variable, ...]:
    return tuple(
        Variable(name, exporter_timeout) if isinstance(name, str) else name for name in names
    )


@frozen
class Target:
    """Where an exporter's spans go, for the start-up line, and for the command's diagnoses.

    Attributes:
        protocol: what is spoken, as "grpc"; "" when there is nothing to tell apart.
        endpoint: the final endpoint, without credentials.
        warnings: what about it is likely a mistake, a line each, with the fix.
        notes: what is worth knowing of it and no mistake, a line each.
        tls: the files of an encrypted connection; None for a plaintext one, or when unknown.
        headers: the names of the headers that go with every request, without those that the
            transport sets itself.
    """

    protocol: str
    endpoint: str = field(repr=_repr_hidden)
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tls: TLSConfig | None = None
    headers: tuple[str, ...] = ()


def _ignore(*_told: object) -> None:
    """Take what is told and do nothing with it."""


@frozen
class BuildContext:
    """What is common to all exporters; passed to ``create``.

    Attributes:
        timeout: seconds that one ``export`` may take, retries included.
        max_tag_value_length: attribute values are cut to this many characters before they reach
            an exporter; None when they are not.
        resource: the resource of the provider.
        service_name: ``service.name`` of the resource.
        logger: where the exporter logs.
        user_agent: for transports that name their client.
        report: tells what became of so many spans of the running ``export``; call it once per
            request. Counts, log lines and ``status()`` then carry the reason. An exporter that
            never calls it is counted by its result alone.
        drop: tells that so many spans of the running ``export`` are withheld from the receiver, and
            the reason in a word or two, under which they are counted as dropped; for extensions.
        redaction: masks the secrets of the whole configuration. Hand it to the transports, and
            pass words of a receiver through its ``line`` before they are cut or shown.
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

    def report_retry(self, outcome: Outcome) -> None:
        """Tell why an attempt of the running ``export`` failed that is made again.

        Where the process ends before the ``export`` does, that is the reason of the loss.
        """
        self.report(outcome, 0)


@frozen(kw_only=True)
class ExporterPlugin:
    """Describes one exporter; what the hook ``bentotrace_exporter`` returns.

    Attributes:
        name: the exporter type; the same as the entry point's name.
        config: the attrs class of its section; fields made with :func:`option`.
        create: makes the exporter. It opens no socket and starts no thread, and every call
            gives an exporter of its own.
        summary: one line for ``bentotrace plugins``.
        stability: how far it can be relied on.
        extra: requirement that brings its dependencies, as ``bentotrace[otlp]``.
        timeout_env: the variables that override the common ``timeout`` for this exporter; a name
            alone is read as :func:`exporter_timeout` does.
        target: tells where the spans go; it imports nothing that only ``create`` needs.
        api_version: version of the contract it was written for.
    """

    name: str
    config: type
    create: Callable[[Any, BuildContext], SpanExporter]
    summary: str
    stability: Stability = Stability.STABLE
    extra: str | None = None
    timeout_env: tuple[Variable, ...] = field(default=(), converter=_timeout_variables)
    target: Callable[[Any], Target] | None = None
    api_version: int = API_VERSION
