"""Load a configuration: run every stage from a source to typed options."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

from attrs import evolve, field

from bentotrace._files import absolute
from bentotrace.config.candidates import is_bare_variable
from bentotrace.config.checks import (
    check_options,
    find_control,
    report_unselected,
    with_null,
)
from bentotrace.config.diagnostics import Note, Report
from bentotrace.config.document import Block, Document, Service, is_filled, merge_defaults
from bentotrace.config.extensions import ExtensionReader
from bentotrace.config.lint import report_unused
from bentotrace.config.locate import Wanted, locate, services_with_block
from bentotrace.config.options import OnError, TracingOptions
from bentotrace.config.plugin_code import reading_options
from bentotrace.config.references import substitute
from bentotrace.config.resolve import resolve
from bentotrace.config.settings import Resolved, Setting, with_variables
from bentotrace.config.variables import report_variables
from bentotrace.config.yaml import read
from bentotrace.discovery import registry
from bentotrace.discovery.contract import kind_of_value
from bentotrace.discovery.control import using_control
from bentotrace.discovery.registry import Extension, extension_names
from bentotrace.exceptions import (
    BlockedPluginError,
    ConfigError,
    PluginError,
    UnknownExporterError,
)
from bentotrace.plugin import ExporterPlugin, Stability, Target
from bentotrace.redaction import Redaction, one_line, url_secrets
from bentotrace.schema.secrets import secrets_in
from bentotrace.schema.tree import section_of
from bentotrace.transport import proxy_secrets
from bentotrace.values import frozen

__all__ = [
    "Config",
    "ExporterConfig",
    "Source",
    "find_on_error",
    "list_services",
    "load_config",
    "names_configuration",
    "whole_paths",
]

Source = str | os.PathLike[str] | Mapping[str, object] | None
"""A path, a mapping, or None for the file that the environment names."""

_OWN_VARIABLE = "BENTOTRACE_CONFIG"
_BENTOML_VARIABLE = "BENTOML_CONFIG"


@frozen
class ExporterConfig:
    """One destination.

    Attributes:
        plugin: the exporter's plugin.
        options: an instance of the plugin's config class.
        timeout: seconds that one export may take.
        target: where the spans go; None if unknown.
        settings: the settings of the exporter's section, its timeout, and what switches
            extensions off for it.
        extensions: the extensions that wrap the exporter, the outermost first.
    """

    plugin: ExporterPlugin
    options: Any
    timeout: float
    target: Target | None
    settings: tuple[Setting, ...] = field(repr=False)
    extensions: tuple[Extension, ...] = ()

    @property
    def redaction(self) -> Redaction:
        """The redaction of the secrets in its options and its endpoint."""
        found = set(secrets_in(self.options))
        for extension in self.extensions:
            found.update(secrets_in(extension.options))
        if self.target is not None:
            found.update(url_secrets(self.target.endpoint))
        return Redaction(found)


@frozen
class Config:
    """A checked configuration, ready to build.

    Attributes:
        options: the common options.
        exporters: the destinations; none for ``exporter_type: none`` and when disabled.
        source: the file, or a description.
        settings: the settings of the common options; none if tracing could not start.
        notes: remarks on the configuration.
    """

    options: TracingOptions
    exporters: tuple[ExporterConfig, ...]
    source: str
    settings: tuple[Setting, ...] = field(repr=False)
    notes: tuple[Note, ...] = ()

    @property
    def redaction(self) -> Redaction:
        """The redaction of the secrets of all destinations and of the proxies in the environment.

        It is common to all, since a receiver may quote what another was sent (by a common proxy).
        """
        found = Redaction(proxy_secrets(os.environ))
        for exporter in self.exporters:
            found |= exporter.redaction
        return found

    def setting(self, option: str) -> Setting:
        """Return the setting of a common option."""
        (found,) = [setting for setting in self.settings if setting.path == (option,)]
        return found


def load_config(
    source: Source = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    service: str | Service | None = None,
    plugins: Iterable[object] = (),
) -> Config:
    """Read, check and complete a configuration without building anything.

    Args:
        source: path of a YAML file, or a mapping; None reads the file that ``BENTOTRACE_CONFIG``
            names, else the one of ``BENTOML_CONFIG``, else the environment alone.
        environ: the environment; ``os.environ`` by default.
        overrides: options that override all other sources, sections as mappings.
        service: the service of a BentoML file whose block is read; None reads the one that
            ``OTEL_SERVICE_NAME`` names, else the only one. A :class:`Service` may be missing in
            the file.
        plugins: modules with hooks, which are used before the installed plugins.

    Raises:
        ConfigError: with every problem, in file order.
        PluginError: the plugin of a selected exporter cannot be used.
    """
    environ = os.environ if environ is None else environ
    report = Report()
    block = _find_block(source, environ, service, report)
    with registry.using(plugins), using_control(find_control(block, environ, overrides or {})):
        return _Loader(block, environ, overrides or {}, report).config()


def find_on_error(
    source: Source = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    service: str | Service | None = None,
) -> OnError:
    """Return ``on_error`` of a configuration with problems, or its default if that is wrong too."""
    environ = os.environ if environ is None else environ
    for readable in (source, {}):
        report = Report()
        try:
            block = _find_block(readable, environ, service, report)
        # The error is already known to the caller.
        except Exception:
            continue
        common = resolve(section_of(TracingOptions), block, overrides, environ, report)
        found: OnError | None = common.value("on_error")
        if found is not None:
            return found
    return "raise"


def names_configuration(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether ``BENTOTRACE_CONFIG`` is set or the file of ``BENTOML_CONFIG`` has a block."""
    environ = os.environ if environ is None else environ
    if environ.get(_OWN_VARIABLE, "").strip():
        return True
    try:
        return is_filled(_find_block(None, environ, None, Report()).value)
    except ConfigError:
        # BentoML reports what is wrong with its file.
        return False


def _find_block(
    source: Source, environ: Mapping[str, str], service: str | Service | None, report: Report
) -> Block:
    document, required = _read(source, environ)
    known = service if isinstance(service, Service) else None
    wanted = Wanted(
        required,
        known.name if known is not None else cast("str | None", service),
        service_required=known is None,
        service_name=environ.get("OTEL_SERVICE_NAME", "").strip() or None,
    )
    block = substitute(locate(document, report, wanted), environ, report)
    return merge_defaults(block, known.defaults if known is not None else ())


def _read(source: Source, environ: Mapping[str, str]) -> tuple[Document, bool]:
    """Read the source, or the file that the environment names; return whether it needs a block."""
    if source is None:
        own, other = (_expand(environ.get(name, "")) for name in (_OWN_VARIABLE, _BENTOML_VARIABLE))
        variable = _OWN_VARIABLE if own else _BENTOML_VARIABLE
        return read(own or other or None, variable=variable), bool(own)
    return read(source), True


def _expand(path: str) -> str:
    """Expand a path as BentoML expands its own."""
    return os.path.expanduser(os.path.expandvars(path.strip()))


def whole_paths(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that name a file by a relative path, with the whole path."""
    named = {name: _expand(environ.get(name, "")) for name in (_OWN_VARIABLE, _BENTOML_VARIABLE)}
    return {
        name: absolute(path) for name, path in named.items() if path and not os.path.isabs(path)
    }


def list_services(
    source: Source = None, *, environ: Mapping[str, str] | None = None
) -> list[str | None]:
    """List the services of a BentoML file that have their own block.

    None stands for all others, if there is a block for them that selects an exporter; it is the
    only item for other files.

    Raises:
        ConfigError: the file cannot be read.
    """
    return services_with_block(_read(source, os.environ if environ is None else environ)[0])


class _Loader(NamedTuple):
    block: Block
    environ: Mapping[str, str]
    overrides: Mapping[str, Any]
    report: Report

    def config(self) -> Config:
        sections = registry.sections()
        common = resolve(
            section_of(TracingOptions),
            self.block,
            self.overrides,
            self.environ,
            self.report,
            foreign=(*sections, *extension_names()),
        )
        common = with_null(common, self.block)
        options = common.options
        exporters = self._exporters(common)
        report_unselected(common, self.block, sections, self.report)
        self.report.raise_problems()
        plugins = [exporter.plugin for exporter in exporters]
        check_options(common, self.block, self.report)
        report_unused(self.block, options, plugins, sections, self.report)
        report_variables(self.environ, options, plugins, self.report)
        return Config(
            options,
            tuple(exporters),
            self.block.document.name,
            tuple(common.settings.values()),
            tuple(self.report.notes),
        )

    def _exporters(self, common: Resolved) -> list[ExporterConfig]:
        """Load the selected plugins and read their sections, even if a common option is wrong."""
        if common.value("disabled"):
            return []
        found = []
        selected = [name for name in common.value("exporter_type") or () if name != registry.NONE]
        wrappings = ExtensionReader(
            self.block, self.overrides, self.environ, self.report, selected
        ).read(common.settings[("extensions",)])
        for name in selected:
            try:
                plugin = registry.load(name)
            except (BlockedPluginError, UnknownExporterError) as error:
                hint = "; write ${NAME} for a variable" if is_bare_variable(name) else ""
                self._problem(common.settings[("exporter_type",)], f"{error}{hint}")
                continue
            with reading_options(f"exporter {name!r}", plugin.config):
                exporter = self._exporter(plugin, common)
            if exporter is not None:
                if plugin.stability is Stability.DEPRECATED:
                    summary = one_line(plugin.summary)
                    self.report.warn(f"exporter {name!r} is deprecated: {summary}")
                extensions, switches = wrappings[name]
                settings = (*exporter.settings, *switches)
                found.append(evolve(exporter, settings=settings, extensions=extensions))
        return found

    def _section(self, name: str, config: type) -> Resolved:
        """Read the section of a plugin."""
        given = self.overrides.get(name)
        schema = section_of(config)
        return resolve(schema, self.block, given, self.environ, self.report, below=(name,))

    def _problem(self, setting: Setting, message: str) -> None:
        assert setting.effective is not None
        path = (*self.block.path, *setting.path)
        self.report.problem(setting.effective.position, path, message)

    def _exporter(self, plugin: ExporterPlugin, common: Resolved) -> ExporterConfig | None:
        overrides = self.overrides.get(plugin.name)
        for section in (self.block.value.get(plugin.name), overrides):
            if isinstance(section, Mapping):
                plugin = registry.with_options(plugin, section)
        resolved = self._section(plugin.name, plugin.config)
        timeout = common.settings[("timeout",)]
        timeout = with_variables(timeout, plugin.timeout_env, self.environ, self.report)
        if resolved.options is None or timeout.value is None:
            return None
        bound = common.value("processor", "export_timeout")
        seconds = timeout.value if bound is None else min(timeout.value, bound)
        target = self._target(plugin, resolved.options)
        settings = (*resolved.settings.values(), timeout)
        return ExporterConfig(plugin, resolved.options, seconds, target, settings)

    def _target(self, plugin: ExporterPlugin, options: Any) -> Target | None:
        """Return where the spans go, and add the plugin's warnings and notes to the report."""
        target = plugin.target(options) if plugin.target is not None else None
        if target is not None:
            if not isinstance(target, Target):
                raise PluginError(
                    f"exporter {plugin.name!r} cannot be used: its target() returned "
                    f"{kind_of_value(target)}, not a bentotrace.plugin.Target"
                )
            for name in ("protocol", "endpoint"):
                value: object = getattr(target, name)
                if not isinstance(value, str):
                    raise PluginError(
                        f"exporter {plugin.name!r} cannot be used: the {name} of its target() is "
                        f"{kind_of_value(value)}, not text"
                    )
            redact = Redaction(secrets_in(options)).redact
            target = evolve(
                target,
                warnings=tuple(map(redact, target.warnings)),
                notes=tuple(map(redact, target.notes)),
            )
            for warning in target.warnings:
                self.report.warn(warning)
            for note in target.notes:
                self.report.inform(note)
        return target
