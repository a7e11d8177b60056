"""Find exporter plugins by their metadata, and load the one that is selected.

pluggy's own ``load_setuptools_entrypoints`` imports every plugin and drops duplicates without a
word, so finding and loading are done here, and pluggy calls the hook of the one plugin.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import attrs
import pluggy

from bentotrace import hookspecs
from bentotrace.config.report import closest
from bentotrace.config.schema import section_of
from bentotrace.entry_points import EntryPoint, read_entry_points
from bentotrace.exceptions import (
    BrokenPluginError,
    DuplicateExporterError,
    InvalidPluginError,
    PluginError,
    UnknownExporterError,
)
from bentotrace.plugin import API_VERSION, ExporterPlugin

__all__ = [
    "NONE",
    "PROPAGATORS_GROUP",
    "Claim",
    "find",
    "hooks_of",
    "load",
    "missing_dependency",
    "names",
    "sections",
    "single",
]

NONE = "none"
"""The exporter type that exports nothing; no plugin can claim it."""

OTEL_GROUP = "opentelemetry_traces_exporter"
"""The entry-point group of exporters published for OpenTelemetry itself."""

PROPAGATORS_GROUP = "opentelemetry_propagator"
"""The entry-point group of OpenTelemetry's propagators."""

_GROUPS = (
    hookspecs.EXPORTERS_GROUP,
    hookspecs.EXTENSIONS_GROUP,
    OTEL_GROUP,
    PROPAGATORS_GROUP,
)

_INSTALL = {
    **dict.fromkeys(("jaeger_thrift", "jaeger_proto"), "bentotrace[upstream]"),
    **dict.fromkeys(("zipkin_json", "zipkin_proto"), "bentotrace[upstream]"),
    "otlp_proto_grpc": "opentelemetry-exporter-otlp-proto-grpc",
    "otlp_proto_http": "opentelemetry-exporter-otlp-proto-http",
}
"""Names that are not ours but well known, and what brings them."""


class Claim(NamedTuple):
    """An entry point that offers an exporter.

    Attributes:
        name: the exporter type.
        entry_point: what the distribution wrote.
    """

    name: str
    entry_point: EntryPoint

    # Read when somebody asks: it takes a file per distribution.
    @property
    def distribution(self) -> str:
        """The distribution's name, or "unknown"."""
        return self._said("Name")

    @property
    def version(self) -> str:
        """The distribution's version, or "unknown"."""
        return self._said("Version")

    def _said(self, field: str) -> str:
        found = self.entry_point.dist.metadata.get_all(field)
        return str(found[0]) if found else "unknown"

    @property
    def what(self) -> str:
        """What it offers, as a message calls it."""
        extends = self.entry_point.group == hookspecs.EXTENSIONS_GROUP
        return "extension" if extends else "exporter plugin"

    def __str__(self) -> str:
        return (
            f"{self.entry_point.name} = {self.entry_point.value} "
            f"({self.distribution} {self.version})"
        )


@cache
def find(group: str = hookspecs.EXPORTERS_GROUP) -> tuple[Claim, ...]:
    """List what is installed in an entry-point group, by name; imports no plugin.

    Metadata is read once in the life of the process.
    """
    claims = [Claim(point.name, point) for point in _entry_points() if point.group == group]
    return tuple(sorted(claims, key=lambda claim: (claim.name, claim.entry_point.value)))


@cache
def _entry_points() -> tuple[EntryPoint, ...]:
    return read_entry_points(_GROUPS)


def sections() -> tuple[str, ...]:
    """List the names that a section of the tracing block may have, OpenTelemetry's included."""
    claims = (*find(), *find(OTEL_GROUP))
    return tuple(dict.fromkeys(claim.name for claim in claims if claim.name != NONE))


def names() -> tuple[str, ...]:
    """List the exporter types that a configuration may use, without upstream's own."""
    return (*dict.fromkeys(claim.name for claim in find()), NONE)


def load(name: str) -> ExporterPlugin:
    """Load the one plugin of that name.

    A name that no bentotrace plugin has is looked up among OpenTelemetry's own exporters.

    Raises:
        UnknownExporterError: nobody registered it.
        DuplicateExporterError: two distributions registered it.
        BrokenPluginError: its module or hook raised.
        InvalidPluginError: it does not keep the contract.
    """
    claims = [claim for claim in find() if claim.name == name]
    if claims:
        return _check(_describe(single(name, claims)), claims[0])
    claims = [claim for claim in find(OTEL_GROUP) if claim.name == name]
    if claims:
        from bentotrace.adapter import adapt

        claim = single(name, claims)
        return adapt(claim, _import(claim))
    install = _INSTALL.get(name)
    near = closest(name, names()) or closest(name.partition("_")[0], names())
    raise UnknownExporterError(name, names(), near, install)


def single(name: str, claims: Sequence[Claim], what: str = "exporter") -> Claim:
    """Give the only claim on a name.

    Raises:
        DuplicateExporterError: there are several.
    """
    if len(claims) > 1:
        raise DuplicateExporterError(name, [str(claim) for claim in claims], what)
    return claims[0]


def _import(claim: Claim) -> Any:
    try:
        return claim.entry_point.load()
    except (Exception, SystemExit) as error:
        reason = f"importing it raised {type(error).__name__}: {error}"
        raise BrokenPluginError(str(claim), reason, claim.what) from error


def hooks_of(claim: Claim, hook: str) -> Any:
    """Import a plugin and give its hooks, as pluggy calls them.

    Args:
        claim: the plugin.
        hook: name of the one that it must have.

    Raises:
        BrokenPluginError: its module raised.
        InvalidPluginError: it does not have the hook, or they are not as specified.
    """
    plugin = _import(claim)
    manager = pluggy.PluginManager("bentotrace")
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin, name=claim.name)
        manager.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        reason = f"its hook does not match the specification: {error}"
        raise InvalidPluginError(str(claim), reason, claim.what) from error
    if not getattr(manager.hook, hook).get_hookimpls():
        reason = f"it has no hook; decorate {hook}() with bentotrace.hookspecs.hookimpl"
        raise InvalidPluginError(str(claim), reason, claim.what)
    return manager.hook


def _describe(claim: Claim) -> object:
    try:
        found = hooks_of(claim, "bentotrace_exporter").bentotrace_exporter()
    except BrokenPluginError:
        raise
    except (Exception, SystemExit) as error:
        reason = f"bentotrace_exporter() raised {type(error).__name__}: {error}"
        raise BrokenPluginError(str(claim), reason) from error
    # pluggy leaves out a result of None.
    return found[0] if found else None


def _check(plugin: object, claim: Claim) -> ExporterPlugin:
    problem = _problem(plugin, claim.name)
    if problem is not None:
        raise InvalidPluginError(str(claim), problem)
    assert isinstance(plugin, ExporterPlugin)
    return plugin


def _problem(plugin: object, name: str) -> str | None:
    if not isinstance(plugin, ExporterPlugin):
        return (
            f"bentotrace_exporter() returned {type(plugin).__name__}, "
            f"not a bentotrace.plugin.ExporterPlugin"
        )
    if plugin.api_version != API_VERSION:
        return (
            f"it is written for version {plugin.api_version} of the plugin contract, "
            f"this bentotrace speaks {API_VERSION}"
        )
    if plugin.name != name:
        return f"it calls itself {plugin.name!r}, its entry point {name!r}"
    if not inspect.isclass(plugin.config) or not attrs.has(plugin.config):
        return "its config is not an attrs class"
    if not callable(plugin.create):
        return "its create cannot be called"
    try:
        section_of(plugin.config)
    except TypeError as error:
        return f"its config cannot be read: {error}"
    return None


def missing_dependency(error: ImportError, plugin: ExporterPlugin) -> PluginError | None:
    """Turn the ImportError of a plugin's missing dependency into advice, if it is one."""
    missing = (error.name or "").partition(".")[0]
    own = plugin.config.__module__.partition(".")[0]
    if plugin.extra is None or missing in {"", own, "bentotrace"}:
        return None
    return PluginError(
        f"exporter {plugin.name!r} needs {missing}, which is not installed; "
        f"pip install '{plugin.extra}'"
    )
