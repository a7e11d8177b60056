"""Describe an exporter of OpenTelemetry's own group as a plugin.

Its schema has one option per argument of its constructor, with the argument's type if a file can
hold it. The exporter itself reads its ``OTEL_*`` variables.
"""

from __future__ import annotations

import builtins
import inspect
import sys
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ForwardRef

import attrs
from attrs import evolve, field
from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace.discovery.calls import describe, pass_interrupt
from bentotrace.exceptions import InvalidPluginError
from bentotrace.plugin import BuildContext, ExporterPlugin, Kind, Stability, kind_of, option
from bentotrace.redaction import looks_secret
from bentotrace.schema.annotations import UNIONS
from bentotrace.transport.options import HEADERS
from bentotrace.values import frozen

__all__ = ["AdaptedPlugin", "adapt"]


class _Unset:
    """Marks an option that is not set, for which the constructor's default is used."""

    def __repr__(self) -> str:
        return "the exporter's default"


_UNSET = _Unset()


@frozen(kw_only=True)
class AdaptedPlugin(ExporterPlugin):
    """An exporter published for OpenTelemetry, described as a plugin.

    Attributes:
        fields: the options, as the arguments of :func:`attrs.make_class`.
        annotations: their types.
        takes_any: whether the constructor takes arguments of any name, as ``**kwargs``.
    """

    fields: Mapping[str, Any] = field(repr=False)
    annotations: Mapping[str, Any] = field(repr=False)
    takes_any: bool

    def with_options(self, names: Iterable[str]) -> ExporterPlugin:
        """Return it with options of these names too, if its constructor takes any."""
        more = [name for name in names if name not in self.fields and name.isidentifier()]
        if not self.takes_any or not more:
            return self
        fields = {**self.fields, **{name: _option(name, _UNSET) for name in more}}
        annotations = {**self.annotations, **dict.fromkeys(more, Any)}
        config = _make_class(self.config.__name__, fields, annotations)
        return evolve(self, config=config, fields=fields, annotations=annotations)


def adapt(name: str, claim: str, exporter: Any) -> AdaptedPlugin:
    """Describe an OpenTelemetry exporter as a plugin.

    Args:
        name: the exporter type.
        claim: its entry point, for messages.
        exporter: a class, or a function that returns an exporter.

    Raises:
        InvalidPluginError: it is not callable, or has no signature.
    """
    if not callable(exporter):
        raise InvalidPluginError(claim, f"it is {type(exporter).__name__}, not an exporter")
    try:
        parameters = _parameters(exporter)
    # A class may have a metaclass, a property or a signature of its own that raises.
    except BaseException as error:
        pass_interrupt(error)
        reason = f"the arguments of its constructor are unknown: {describe(error)}"
        raise InvalidPluginError(claim, reason) from error
    fields: dict[str, Any] = {}
    annotations: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.kind not in _NAMED or parameter.name.startswith("_"):
            continue
        hint = _hint(parameter, exporter)
        default = attrs.NOTHING if parameter.default is parameter.empty else _UNSET
        fields[parameter.name] = _option(parameter.name, default, hint)
        annotations[parameter.name] = hint if hint is not _OBJECT else Any
    takes_timeout = "timeout" in fields

    def create(options: Any, context: BuildContext) -> SpanExporter:
        values = attrs.asdict(options, recurse=False).items()
        arguments = {name: value for name, value in values if value is not _UNSET}
        if takes_timeout:
            arguments.setdefault("timeout", context.timeout)
        created: SpanExporter = exporter(**arguments)
        return created

    class_name = f"{getattr(exporter, '__name__', 'Exporter')}Options"
    return AdaptedPlugin(
        name=name,
        config=_make_class(class_name, fields, annotations),
        create=create,
        summary="An exporter published for OpenTelemetry, run as it is",
        stability=Stability.BETA,
        api_version=1,
        fields=fields,
        annotations=annotations,
        takes_any=any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters),
    )


_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def _parameters(exporter: Callable[..., Any]) -> list[inspect.Parameter]:
    options: dict[str, Any] = {}
    if sys.version_info >= (3, 14):
        import annotationlib

        # Annotations are evaluated here, and may name what only type checkers import.
        options["annotation_format"] = annotationlib.Format.FORWARDREF
    return [*inspect.signature(exporter, **options).parameters.values()]


def _make_class(name: str, fields: Mapping[str, Any], annotations: Mapping[str, Any]) -> type:
    schema = attrs.make_class(name, dict(fields), frozen=True)
    schema.__annotations__ = dict(annotations)
    return schema


def _option(name: str, default: Any, hint: Any = Any) -> Any:
    kind = HEADERS if name == "headers" else None
    in_code = hint is _OBJECT
    return option(
        default=default,
        help="Only in code: an object." if in_code else "Passed to the exporter's constructor.",
        secret=looks_secret(name),
        kind=_object_kind(name) if in_code and kind is None else kind,
    )


def _object_kind(name: str) -> Kind:
    def convert(value: object) -> object:
        if isinstance(value, (bool, int, float, str, list, tuple, Mapping)):
            raise ValueError(
                f"is an object that only code can create; pass {name} in the exporter's section "
                f"to bentotrace.configure()"
            )
        return value

    # No value of a file is one.
    return Kind("an object", convert, json_schema={"type": "null"})


class _Object:
    """The annotation of an argument that no file can hold."""


_OBJECT = _Object


class _AnyName(type):
    """The class of :class:`_Unknown`, whose attributes and items are unknown too."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls

    def __getitem__(cls, _item: object) -> Any:
        return cls


class _Unknown(metaclass=_AnyName):
    """Stands for a name in an annotation that only type checkers import."""


class _Names(dict[str, Any]):
    """The names of a module; one that it does not have is unknown."""

    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, _Unknown)


def _hint(parameter: inspect.Parameter, exporter: Callable[..., Any]) -> Any:
    """Return the parts of an annotation that a file can hold; ``_OBJECT`` if there are none."""
    hint = parameter.annotation
    if hint is parameter.empty:
        return _OBJECT if parameter.name in _OBJECTS else Any
    function = exporter.__init__ if inspect.isclass(exporter) else exporter
    names = _Names(getattr(inspect.unwrap(function), "__globals__", {}))
    parts = [part for part in _parts(hint, names) if part is not type(None)]
    plain = tuple(part for part in parts if _is_plain(part))
    return typing.Union[plain] if plain else _OBJECT  # noqa: UP007


# Arguments without an annotation that are objects in every exporter that has them.
_OBJECTS = frozenset({"channel", "channel_credentials", "client", "credentials", "session"})


def _parts(hint: Any, names: _Names) -> list[Any]:
    """Return the alternatives of an annotation; a part that cannot be resolved is unknown."""
    if isinstance(hint, ForwardRef):
        hint = hint.__forward_arg__
    if isinstance(hint, str):
        try:
            hint = eval(hint, {}, names)
        except Exception:
            return [_Unknown]
    if isinstance(hint, (str, ForwardRef)):
        return [_Unknown]
    if typing.get_origin(hint) in UNIONS:
        return [found for part in typing.get_args(hint) for found in _parts(part, names)]
    return [hint]


def _is_plain(hint: Any) -> bool:
    if hint is Any:
        return True
    if hint is _Unknown or (isinstance(hint, type) and attrs.has(hint)):
        return False
    try:
        kind_of(hint)
    except Exception:
        return False
    return True
