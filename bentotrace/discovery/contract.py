"""Check the descriptor of a plugin against the contract of :mod:`bentotrace.hookspecs`."""

from __future__ import annotations

import inspect

import attrs

from bentotrace._version import __version__
from bentotrace.discovery.calls import describe, pass_interrupt
from bentotrace.discovery.extension import DESTINATIONS
from bentotrace.discovery.finder import reason_against
from bentotrace.plugin import API_VERSION, ExporterPlugin, ExtensionPlugin, Stability
from bentotrace.schema.tree import section_of

__all__ = ["kind_of_value", "problem_of"]

_OPTIONAL = ("target", "advise", "checks")


def problem_of(
    plugin: object,
    name: str | None,
    distribution: str,
    expected: type[ExporterPlugin | ExtensionPlugin] = ExporterPlugin,
) -> str | None:
    """Return what is wrong with what a plugin's hook returned; None if nothing is.

    Args:
        plugin: the returned value.
        expected: the class of the value.
        name: the name of its entry point; None without one.
        distribution: whom to upgrade.
    """
    if not isinstance(plugin, (ExporterPlugin, ExtensionPlugin)) or not isinstance(
        plugin, expected
    ):
        hook = "bentotrace_exporter" if expected is ExporterPlugin else "bentotrace_extension"
        kind = kind_of_value(plugin)
        return f"{hook}() returned {kind}, not a bentotrace.plugin.{expected.__name__}"
    if plugin.api_version != API_VERSION or isinstance(plugin.api_version, bool):
        return _version_problem(plugin.api_version, distribution)
    if name is not None and type(plugin.name) is str and plugin.name != name:
        return f"its name is {plugin.name!r}, but its entry point is {name!r}"
    return _descriptor_problem(plugin) or reason_against(plugin.name) or _config_problem(plugin)


def _version_problem(version: object, distribution: str) -> str:
    if isinstance(version, bool) or not isinstance(version, int):
        return f"its api_version is {version!r}, not a number such as {API_VERSION}"
    advice = f"upgrade {distribution}"
    if version > API_VERSION:
        advice = f"upgrade bentotrace, or install an older {distribution}"
    return (
        f"it is for version {version} of the plugin contract; bentotrace {__version__} supports "
        f"version {API_VERSION}; {advice}"
    )


def _descriptor_problem(plugin: ExporterPlugin | ExtensionPlugin) -> str | None:
    if not isinstance(plugin.name, str):
        return f"its name is {plugin.name!r}, not text"
    if type(plugin.name) is not str:
        return f"its name is text of the class {type(plugin.name).__name__}, not plain text"
    if not inspect.isclass(plugin.config) or not attrs.has(plugin.config):
        return "its config is not an attrs class"
    for name in ("wrap", "create", *_OPTIONAL):
        value = getattr(plugin, name, None)
        absent = value is None and (name in _OPTIONAL or not hasattr(plugin, name))
        if not absent and not callable(value):
            return f"its {name} is not callable"
    extra = getattr(plugin, "extra", None)
    if extra is not None and not isinstance(extra, str):
        return f"its extra is {extra!r}, not text"
    if not isinstance(plugin.summary, str):
        return f"its summary is {plugin.summary!r}, not text"
    if not isinstance(plugin.stability, Stability):
        return f"its stability is {plugin.stability!r}, not a bentotrace.plugin.Stability"
    return None


def _config_problem(plugin: ExporterPlugin | ExtensionPlugin) -> str | None:
    try:
        options = {".".join(path): leaf for path, leaf in section_of(plugin.config).leaves()}
        for name in getattr(plugin, "credentials", ()):
            if name not in options:
                return f"its credentials name {name!r}, which is not an option of its config"
        if isinstance(plugin, ExtensionPlugin) and section_of(plugin.config).child(DESTINATIONS):
            return f"its option {DESTINATIONS} has a reserved name"
        for name, leaf in options.items():
            for old in leaf.record.old_names:
                if old in options:
                    return f"its option {name} has the old name {old}, which is an option"
    except TypeError as error:
        return f"its config cannot be read: {describe(error).partition(': ')[2]}"
    except BaseException as error:
        pass_interrupt(error)
        return f"reading its config raised {describe(error)}"
    return None


def kind_of_value(value: object) -> str:
    """Return the kind of a value of the wrong type, for a message."""
    if inspect.isclass(value):
        return f"a class, {value.__name__}"
    return type(value).__name__
