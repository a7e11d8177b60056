"""Runs an exporter that was published for OpenTelemetry itself, by its entry-point name.

Such an exporter has no schema, so one is made from its constructor's signature: an option per
keyword, of the annotation's type where that is a plain one; which of them are secret, their names
say (:func:`~bentotrace.redaction.looks_secret`). Its own ``OTEL_*`` variables stay its
own business.
"""

from __future__ import annotations

import enum
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal

import attrs
from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace.config.header_kind import HEADERS
from bentotrace.exceptions import InvalidPluginError
from bentotrace.plugin import BuildContext, ExporterPlugin, Stability, option
from bentotrace.redaction import looks_secret

__all__ = ["adapt"]

_PLAIN = {bool, int, float, str}


class _Unset:
    """Marks an option that was not given: the constructor's own default counts."""

    def __repr__(self) -> str:
        return "the exporter's default"


_UNSET = _Unset()


def adapt(claim: object, exporter: Any) -> ExporterPlugin:
    """Describe an OpenTelemetry exporter as a plugin.

    Args:
        claim: the entry point, for messages.
        exporter: what it loaded: a class, or a function that returns an exporter.

    Raises:
        InvalidPluginError: it cannot be called, or does not tell what it takes.
    """
    if not callable(exporter):
        raise InvalidPluginError(str(claim), f"it is {type(exporter).__name__}, not an exporter")
    try:
        parameters = inspect.signature(exporter).parameters
    except ValueError as error:
        reason = f"it does not tell what its constructor takes: {error}"
        raise InvalidPluginError(str(claim), reason) from error
    config = _schema(exporter, parameters)
    takes_timeout = "timeout" in {field.name for field in attrs.fields(config)}

    def create(options: Any, context: BuildContext) -> SpanExporter:
        given = {
            name: value
            for name, value in attrs.asdict(options, recurse=False).items()
            if value is not _UNSET
        }
        if takes_timeout:
            given.setdefault("timeout", context.timeout)
        made: SpanExporter = exporter(**given)
        return made

    name = getattr(claim, "name", getattr(exporter, "__name__", "exporter"))
    return ExporterPlugin(
        name=name,
        config=config,
        create=create,
        summary="An exporter published for OpenTelemetry, run as it is",
        stability=Stability.BETA,
    )


def _schema(exporter: Callable[..., Any], parameters: Mapping[str, inspect.Parameter]) -> type:
    fields: dict[str, Any] = {}
    annotations: dict[str, Any] = {}
    hints = _hints(exporter)
    for parameter in parameters.values():
        named = parameter.kind in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}
        if not named or parameter.name.startswith("_"):
            continue
        required = parameter.default is parameter.empty
        fields[parameter.name] = option(
            default=attrs.NOTHING if required else _UNSET,
            help="Passed to the exporter's constructor.",
            secret=looks_secret(parameter.name),
            kind=HEADERS if parameter.name == "headers" else None,
        )
        annotations[parameter.name] = _plain(hints.get(parameter.name, Any))
    name = getattr(exporter, "__name__", "Exporter")
    made = attrs.make_class(f"{name}Options", fields, frozen=True)
    made.__annotations__ = annotations
    return made


def _hints(exporter: Callable[..., Any]) -> dict[str, Any]:
    function = exporter.__init__ if inspect.isclass(exporter) else exporter
    try:
        return typing.get_type_hints(function)
    except (AttributeError, NameError, TypeError):
        # Annotations that name what is only imported for type checkers.
        return {}


def _plain(hint: Any) -> Any:
    """Keep the parts of an annotation that a configuration can give; anything where none is."""
    if _can_be_given(hint):
        return hint
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        parts = [part for part in typing.get_args(hint) if _can_be_given(part)]
        if parts:
            return typing.Union[tuple(parts)]  # noqa: UP007
    return Any


def _can_be_given(hint: Any) -> bool:
    if hint in _PLAIN or typing.get_origin(hint) is Literal:
        return True
    return isinstance(hint, type) and issubclass(hint, enum.Enum)
