"""Load the selected plugin, and check that it keeps the contract.

pluggy's own ``load_setuptools_entrypoints`` would import every plugin and silently drop duplicates.
"""

from __future__ import annotations

import inspect
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from operator import attrgetter
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, TypeVar, cast

import pluggy
from attrs import evolve
from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace import hookspecs
from bentotrace._version import __version__
from bentotrace.discovery.calls import describe, pass_interrupt, running
from bentotrace.discovery.contract import problem_of
from bentotrace.discovery.control import current_control
from bentotrace.discovery.extension import Extension
from bentotrace.discovery.finder import OTEL_GROUP, Claim, find, obstacles
from bentotrace.exceptions import (
    BlockedPluginError,
    BrokenPluginError,
    DuplicateExporterError,
    InvalidPluginError,
    PluginError,
    UnknownExporterError,
)
from bentotrace.plugin import BuildContext, ExporterPlugin, ExtensionPlugin
from bentotrace.problems import closest

__all__ = [
    "NONE",
    "Claim",
    "Extension",
    "extension_names",
    "find",
    "find_one",
    "foreign_names",
    "load",
    "load_extension",
    "missing_dependency",
    "names",
    "obstacles",
    "sections",
    "using",
    "with_options",
]

NONE = "none"
"""The exporter type that exports nothing, which is no plugin's."""

_Plugin = TypeVar("_Plugin", ExporterPlugin, ExtensionPlugin)

_INSTALL = {
    **dict.fromkeys(("jaeger_thrift", "jaeger_proto"), "bentotrace[upstream]"),
    **dict.fromkeys(("zipkin_json", "zipkin_proto"), "bentotrace[upstream]"),
    "otlp_proto_grpc": "opentelemetry-exporter-otlp-proto-grpc",
    "otlp_proto_http": "opentelemetry-exporter-otlp-proto-http",
}
"""Well-known names of other projects' exporters, and the requirement that installs each."""


_given: ContextVar[Mapping[str, ExporterPlugin | Extension]] = ContextVar(
    "_given", default=MappingProxyType({})
)


@contextmanager
def using(modules: Iterable[object]) -> Iterator[None]:
    """Within the block, use plugins that are passed in code before the installed ones.

    Raises:
        BrokenPluginError: reading a hook of one raised.
        InvalidPluginError: one does not keep the contract.
    """
    found: dict[str, ExporterPlugin | Extension] = {}
    for module in modules:
        plugin = _load_given(module)
        if plugin.name in found:
            reason = f"another plugin in plugins= is named {plugin.name!r} too"
            raise InvalidPluginError(_name_of(module), reason)
        found[plugin.name] = plugin
    token = _given.set(MappingProxyType({**_given.get(), **found}))
    try:
        yield
    finally:
        _given.reset(token)


def _load_given(module: object) -> ExporterPlugin | Extension:
    name = _name_of(module)
    source = _Source(name, "plugin", name.rpartition(".")[2])
    hooks = _read_hooks(module, source)
    if hooks.bentotrace_exporter.get_hookimpls():
        return _describe(source, hooks, "bentotrace_exporter", ExporterPlugin)
    extension = _extension(source, hooks)
    if extension is not None:
        return extension
    reason = _no_hook("bentotrace_exporter() or bentotrace_extension")
    raise InvalidPluginError(name, reason, source.what)


def _no_hook(names: str) -> str:
    return f"it has no hook; decorate {names}() with bentotrace.hookspecs.hookimpl"


def _name_of(module: object) -> str:
    return str(getattr(module, "__name__", None) or type(module).__name__)


def _given_exporters() -> tuple[str, ...]:
    return tuple(name for name, found in _given.get().items() if isinstance(found, ExporterPlugin))


def sections() -> tuple[str, ...]:
    """List the valid names of an exporter's section, including OpenTelemetry's exporters."""
    return tuple(dict.fromkeys((*names()[:-1], *foreign_names())))


def names() -> tuple[str, ...]:
    """List the valid exporter types, without OpenTelemetry's own."""
    installed = (claim.name for claim in find())
    return (*dict.fromkeys((*installed, *_given_exporters())), NONE)


def foreign_names() -> tuple[str, ...]:
    """List the names that only exporters published for OpenTelemetry itself have."""
    own = names()
    return tuple(dict.fromkeys(c.name for c in find(OTEL_GROUP) if c.name not in own))


def extension_names() -> tuple[str, ...]:
    """List the names of the extensions."""
    given = (name for name, found in _given.get().items() if isinstance(found, Extension))
    installed = (claim.name for claim in find(hookspecs.EXTENSIONS_GROUP))
    return tuple(dict.fromkeys((*installed, *given)))


def load(name: str) -> ExporterPlugin:
    """Load the plugin with a name, or else OpenTelemetry's own exporter with that name.

    Raises:
        UnknownExporterError: no distribution registers the name.
        DuplicateExporterError: more than one distribution registers the name.
        BrokenPluginError: the plugin's module or hook raised.
        InvalidPluginError: the plugin does not keep the contract.
    """
    given = _given.get().get(name)
    if isinstance(given, ExporterPlugin):
        return given
    claim = find_one(name, hookspecs.EXPORTERS_GROUP)
    if claim is not None:
        source = _Source.of(claim)
        hooks = _read_hooks(_import(claim, source), source)
        if not hooks.bentotrace_exporter.get_hookimpls():
            raise InvalidPluginError(source.claim, _no_hook("bentotrace_exporter"), source.what)
        return _describe(source, hooks, "bentotrace_exporter", ExporterPlugin)
    claim = find_one(name, OTEL_GROUP)
    if claim is not None:
        from bentotrace.discovery.adapter import adapt

        source = _Source.of(claim)
        return adapt(name, source.claim, _import(claim, source))
    known = (*names(), *foreign_names())
    near = closest(name, known) or closest(name.partition("_")[0], known)
    raise UnknownExporterError(
        name, names(), near, _INSTALL.get(name), obstacles(), foreign_names()
    )


def with_options(plugin: ExporterPlugin, names: Iterable[str]) -> ExporterPlugin:
    """Return a plugin with options of these names too, if its exporter takes any."""
    add = getattr(plugin, "with_options", None)
    return plugin if add is None else cast("ExporterPlugin", add(names))


def find_one(name: str, group: str, what: str = "exporter") -> Claim | None:
    """Return the entry point of a group with a name; None if there is none.

    Raises:
        DuplicateExporterError: more than one distribution registers the name.
        BlockedPluginError: it may not be used.
    """
    found = find(group)
    first, last = (cut(found, name, key=attrgetter("name")) for cut in (bisect_left, bisect_right))
    refusals = {claim: current_control().refusal(claim) for claim in found[first:last]}
    if refusals and all(refusals.values()):
        listed = "; ".join(f"{claim}: {reason}" for claim, reason in refusals.items())
        raise BlockedPluginError(f"{what} {name!r} is blocked: {listed}")
    claims = [claim for claim, reason in refusals.items() if reason is None]
    if len(claims) > 1:
        raise DuplicateExporterError(name, [str(claim) for claim in claims], what)
    return claims[0] if claims else None


class _Source(NamedTuple):
    """Where a plugin is from, for messages.

    Attributes:
        claim: entry point, distribution and version, or the name of a module.
        what: the kind of plugin.
        name: the name of its entry point or its module.
        distribution: whom to upgrade.
        registered: whether the name is an entry point's.
    """

    claim: str
    what: str
    name: str
    distribution: str = ""
    registered: bool = False

    @classmethod
    def of(cls, claim: Claim) -> _Source:
        return cls(str(claim), claim.what, claim.name, claim.distribution, registered=True)


def _import(claim: Claim, source: _Source) -> Any:
    try:
        with running(f"importing {source.what} {source.claim}"):
            return claim.load()
    except BaseException as error:
        pass_interrupt(error)
        reason = f"importing it raised {describe(error)}{_who_upgrades(error)}"
        raise BrokenPluginError(source.claim, reason, source.what) from error


def _who_upgrades(error: BaseException) -> str:
    """Return advice for a plugin that needs a name which this bentotrace does not have."""
    missing = isinstance(error, ImportError) and (error.name or "").startswith("bentotrace.")
    unknown = isinstance(error, TypeError) and "unexpected keyword argument" in str(error)
    names = ("ExporterPlugin", "ExtensionPlugin", "option()")
    unknown = unknown and any(name in str(error) for name in names)
    return f"; upgrade bentotrace, which is {__version__} here" if missing or unknown else ""


class _PluginManager(pluggy.PluginManager):
    """Checks only attributes that may be hooks, which takes a third of the time."""

    _specifications: ClassVar[dict[str, Any]] = {}

    def parse_hookspec_opts(self, module_or_class: Any, name: str) -> Any:
        if not name.startswith("bentotrace_"):
            return None
        if name not in self._specifications:
            self._specifications[name] = super().parse_hookspec_opts(module_or_class, name)
        return self._specifications[name]

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        if name.startswith("__"):
            return None
        # An implementation may have any name: @hookimpl(specname="bentotrace_exporter").
        value = vars(plugin).get(name) if inspect.ismodule(plugin) else None
        if value is not None and not inspect.isroutine(value):
            return None
        return super().parse_hookimpl_opts(plugin, name)


def _read_hooks(plugin: object, source: _Source) -> Any:
    manager = _PluginManager("bentotrace")
    manager.add_hookspecs(hookspecs)
    try:
        with running(f"reading the hooks of {source.what} {source.claim}"):
            manager.register(plugin, name=source.name)
            manager.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        reason = f"its hook does not match the specification: {describe(error)}"
        raise InvalidPluginError(source.claim, reason, source.what) from error
    except BaseException as error:
        pass_interrupt(error)
        reason = f"reading its hooks raised {describe(error)}"
        raise BrokenPluginError(source.claim, reason, source.what) from error
    return manager.hook


def _describe(source: _Source, hooks: Any, hook: str, expected: type[_Plugin]) -> _Plugin:
    """Call a hook, and return its descriptor."""
    try:
        with running(f"{hook}() of {source.what} {source.claim}"):
            # pluggy omits a result of None.
            plugin = next(iter(getattr(hooks, hook)()), None)
    except BaseException as error:
        pass_interrupt(error)
        reason = f"{hook}() raised {describe(error)}{_who_upgrades(error)}"
        raise BrokenPluginError(source.claim, reason, source.what) from error
    if isinstance(plugin, expected) and plugin.api_version is None:
        plugin = evolve(plugin, api_version=hookspecs.MARKER_VERSION)
    name = source.name if source.registered else None
    with running(f"reading the options of {source.what} {source.claim}"):
        problem = problem_of(plugin, name, source.distribution or source.claim, expected)
    if problem is not None:
        raise InvalidPluginError(source.claim, problem, source.what)
    assert isinstance(plugin, expected)
    return plugin


def missing_dependency(error: ImportError, plugin: ExporterPlugin) -> PluginError | None:
    """Return the error with advice for a missing dependency of a plugin, if it is one."""
    missing = str(error.name or "").partition(".")[0]
    own = plugin.config.__module__.partition(".")[0]
    if plugin.extra is None or missing in {"", own, "bentotrace"}:
        return None
    return PluginError(
        f"exporter {plugin.name!r} needs {missing}, which is not installed; "
        f"pip install '{plugin.extra}'"
    )


def load_extension(name: str) -> Extension:
    """Load an installed extension.

    Raises:
        DuplicateExporterError: more than one distribution registers the name.
        BrokenPluginError: the extension's module or hook raised.
        InvalidPluginError: the extension does not keep the contract.
    """
    given = _given.get().get(name)
    if isinstance(given, Extension):
        return given
    claim = find_one(name, hookspecs.EXTENSIONS_GROUP, "extension")
    assert claim is not None
    source = _Source.of(claim)
    hooks = _read_hooks(_import(claim, source), source)
    found = _extension(source, hooks)
    if found is None:
        reason = (
            "it has no hook; decorate bentotrace_extension() with bentotrace.hookspecs.hookimpl"
        )
        raise InvalidPluginError(source.claim, reason, source.what)
    return found


def _extension(source: _Source, hooks: Any) -> Extension | None:
    """Return the extension of a module's hooks; None if it has no such hook."""
    if hooks.bentotrace_extension.get_hookimpls():
        plugin = _describe(source, hooks, "bentotrace_extension", ExtensionPlugin)
        return Extension(source.claim, plugin)
    hook = hooks.bentotrace_wrap_exporter
    if not hook.get_hookimpls():
        return None

    def wrap(_options: object, exporter: SpanExporter, context: BuildContext) -> Any:
        # pluggy omits a result of None.
        return next(iter(hook(exporter=exporter, context=context)), None)

    return Extension(
        source.claim, ExtensionPlugin(name=source.name, wrap=wrap, summary=""), former_hook=True
    )
