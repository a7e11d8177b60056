"""The corridor from a source to a typed configuration, from read to structure."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from traceback import extract_tb
from typing import Any, NamedTuple

from attrs import evolve, field, frozen

from bentotrace import registry
from bentotrace.config.document import Block, Document
from bentotrace.config.lay import Service, lay_over
from bentotrace.config.locate import Wanted, locate
from bentotrace.config.options import OnError, ProcessorOptions, TracingOptions
from bentotrace.config.report import Note, Report, closest, dotted
from bentotrace.config.resolve import Origin, Resolved, Setting, resolve, with_variables
from bentotrace.config.schema import section_of
from bentotrace.config.secrets import secrets_in
from bentotrace.config.structure import structure
from bentotrace.config.substitute import substitute
from bentotrace.config.unused import report_unused
from bentotrace.config.yaml import read
from bentotrace.exceptions import BentotraceError, ConfigError, PluginError, UnknownExporterError
from bentotrace.extensions import Extension, load_extension
from bentotrace.extensions import names as extension_names
from bentotrace.plugin import ExporterPlugin, Target
from bentotrace.redaction import Redaction, url_secrets
from bentotrace.transport.proxy import proxy_secrets

__all__ = [
    "Config",
    "ExporterConfig",
    "Source",
    "find_on_error",
    "load_config",
    "names_configuration",
]

Source = str | os.PathLike[str] | Mapping[str, object] | None
"""A path, a mapping, or nothing."""

_OWN_VARIABLE = "BENTOTRACE_CONFIG"
_BENTOML_VARIABLE = "BENTOML_CONFIG"


@frozen
class ExporterConfig:
    """One destination.

    Attributes:
        plugin: the exporter's plugin.
        options: an instance of the plugin's config class.
        timeout: seconds that one export may take.
        target: where the spans go; None when the plugin does not tell.
        settings: the settings of the exporter's section, and its timeout.
        extensions: what wraps the exporter, the outermost first.
    """

    plugin: ExporterPlugin
    options: Any
    timeout: float
    target: Target | None
    settings: tuple[Setting, ...] = field(repr=False)
    extensions: tuple[Extension, ...] = ()

    @property
    def redaction(self) -> Redaction:
        """What masks the secrets of its options, and of its endpoint."""
        found = set(secrets_in(self.options))
        if self.target is not None:
            found.update(url_secrets(self.target.endpoint))
        return Redaction(found)


@frozen
class Config:
    """A checked configuration, ready to build.

    Attributes:
        options: the common options.
        exporters: the destinations; none for ``exporter_type: none`` and when disabled.
        source: where it was read from, as a person would say it.
        settings: the settings of the common options.
        notes: what the user should know.
    """

    options: TracingOptions
    exporters: tuple[ExporterConfig, ...]
    source: str
    settings: tuple[Setting, ...] = field(repr=False)
    notes: tuple[Note, ...] = ()

    @property
    def redaction(self) -> Redaction:
        """What masks the secrets of all destinations, and of the proxies in the environment.

        A receiver may quote what another was sent: all go through the same proxy, and so on.
        """
        found = Redaction(proxy_secrets(os.environ))
        for exporter in self.exporters:
            found |= exporter.redaction
        return found


def load_config(
    source: Source = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    service: str | Service | None = None,
) -> Config:
    """Read, check and complete a configuration; nothing is built, no socket is opened.

    Args:
        source: path of a YAML file, or a mapping; None takes the file that ``BENTOTRACE_CONFIG``
            names, else the one of ``BENTOML_CONFIG``, else the environment alone.
        environ: the environment; ``os.environ`` by default.
        overrides: options that win over everything, sections as mappings.
        service: the service of a BentoML file whose block is wanted; None takes the one that
            ``OTEL_SERVICE_NAME`` names, else the only one. One that is known otherwise need not
            be in the file.

    Raises:
        ConfigError: with every problem, in file order.
        PluginError: the selected exporter's plugin cannot be used.
    """
    environ = os.environ if environ is None else environ
    report = Report()
    block = _find_block(source, environ, service, report)
    return _Loader(block, environ, overrides or {}, report).config()


def find_on_error(
    source: Source = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    service: str | Service | None = None,
) -> OnError:
    """Find ``on_error`` in a configuration that has problems, takes what :func:`load_config` does.

    A file that cannot be read says nothing of it, and neither does a wrong value.
    """
    environ = os.environ if environ is None else environ
    for readable in (source, {}):
        report = Report()
        try:
            block = _find_block(readable, environ, service, report)
        except ConfigError:
            continue
        found: OnError | None = _checked(
            resolve(section_of(TracingOptions), block, overrides, environ, report), "on_error"
        )
        if found is not None:
            return found
    return "raise"


def names_configuration(environ: Mapping[str, str] | None = None) -> bool:
    """Tell whether the environment names a configuration of tracing.

    ``BENTOTRACE_CONFIG`` does, also where it names no good one; ``BENTOML_CONFIG`` when its file
    has a tracing block.
    """
    environ = os.environ if environ is None else environ
    if environ.get(_OWN_VARIABLE, "").strip():
        return True
    try:
        return bool(_find_block(None, environ, None, Report()).value)
    except ConfigError:
        # BentoML says what is wrong with its file.
        return False


def _find_block(
    source: Source, environ: Mapping[str, str], service: str | Service | None, report: Report
) -> Block:
    required = source is not None
    if source is None:
        source = environ.get(_OWN_VARIABLE, "").strip() or None
        required = source is not None
    if source is None:
        source = _bentoml_file(environ)
    beneath: Sequence[Document] = ()
    wanted = Wanted(required, service_name=environ.get("OTEL_SERVICE_NAME", "").strip() or None)
    if isinstance(service, Service):
        beneath = service.beneath
        wanted = wanted._replace(service=service.name, service_required=False)
    elif service is not None:
        wanted = wanted._replace(service=service)
    return lay_over(substitute(locate(read(source), report, wanted), environ, report), beneath)


def _bentoml_file(environ: Mapping[str, str]) -> str | None:
    # As BentoML itself reads it.
    name = environ.get(_BENTOML_VARIABLE, "").strip()
    return os.path.expanduser(os.path.expandvars(name)) or None


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
            foreign=sections,
        )
        options = structure(common, self.report)
        exporters = self._exporters(common)
        self._check_unselected(common, sections)
        self.report.raise_problems()
        plugins = [exporter.plugin for exporter in exporters]
        self._check_selected(options)
        self._check_batch(common, options.processor)
        self._check_rates(common, options)
        report_unused(self.block, self.environ, options, plugins, sections, self.report)
        return Config(
            options,
            tuple(exporters),
            self.block.document.name,
            tuple(common.settings.values()),
            tuple(self.report.notes),
        )

    def _exporters(self, common: Resolved) -> list[ExporterConfig]:
        """Load the selected plugins and read their sections.

        The names are taken from the setting itself, so that a mistake in another common option
        does not hide those in an exporter's section.
        """
        if _checked(common, "disabled"):
            return []
        found = []
        extensions = self._extensions(common)
        for name in _checked(common, "exporter_type") or ():
            if name == registry.NONE:
                continue
            try:
                plugin = registry.load(name)
            except UnknownExporterError as error:
                setting = common.settings[("exporter_type",)]
                assert setting.effective is not None
                path = (*self.block.path, *setting.path)
                self.report.problem(setting.effective.position, path, str(error))
                continue
            try:
                exporter = self._exporter(plugin, common)
            except BentotraceError:
                raise
            except Exception as error:
                # Defaults, validators and targets are code of the plugin's. What was raised may
                # quote a secret, and an error that nobody catches is printed with its cause.
                frame = extract_tb(error.__traceback__)[-1]
                raise PluginError(
                    f"exporter {name!r} cannot read its options: {type(error).__name__} in "
                    f"{frame.name}(), {frame.filename}:{frame.lineno}"
                ) from (None if _takes_secrets(plugin) else error)
            if exporter is not None:
                found.append(evolve(exporter, extensions=extensions))
        return found

    def _extensions(self, common: Resolved) -> tuple[Extension, ...]:
        """Load the extensions that are listed."""
        listed = _checked(common, "extensions") or ()
        setting = common.settings[("extensions",)]
        installed = extension_names() if listed else ()
        for name in listed:
            if name not in installed and setting.effective is not None:
                near = closest(name, installed)
                hint = f"did you mean {near}?" if near else "install what brings it"
                have = f"; installed are {', '.join(installed)}" if installed else ""
                message = f"no extension named {name!r}; {hint}{have}"
                path = (*self.block.path, *setting.path)
                self.report.problem(setting.effective.position, path, message)
        return tuple(load_extension(name) for name in listed if name in installed)

    def _exporter(self, plugin: ExporterPlugin, common: Resolved) -> ExporterConfig | None:
        resolved = resolve(
            section_of(plugin.config),
            self.block,
            self.overrides.get(plugin.name),
            self.environ,
            self.report,
            below=(plugin.name,),
        )
        options = structure(resolved, self.report)
        timeout = common.settings[("timeout",)]
        timeout = with_variables(timeout, plugin.timeout_env, self.environ, self.report)
        seconds = _value(timeout)
        if options is None or seconds is None:
            return None
        target = plugin.target(options) if plugin.target is not None else None
        if target is not None:
            if not isinstance(target, Target):
                raise PluginError(
                    f"exporter {plugin.name!r} cannot be used: its target() returned "
                    f"{type(target).__name__}, not a bentotrace.plugin.Target"
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
        bound = _checked(common, "processor", "export_timeout")
        if bound is not None:
            seconds = min(seconds, bound)
        settings = (*resolved.settings.values(), timeout)
        return ExporterConfig(plugin, options, seconds, target, settings)

    def _check_selected(self, options: TracingOptions) -> None:
        """Tell that nothing is exported, unless somebody says that it is meant."""
        if options.disabled or options.exporter_type:
            return
        document = self.block.document
        write = f"write exporter_type: otlp in {document.name}, or set" if document.root else "set"
        self.report.warn(
            f"no exporter is selected, so spans go nowhere; {write} OTEL_TRACES_EXPORTER=otlp; "
            f"installed are {', '.join(registry.names())} (none says that it is meant)"
        )

    def _check_batch(self, common: Resolved, processor: ProcessorOptions) -> None:
        """Tell that a batch cannot be larger than the queue, to whom gave its size."""
        size, queue = processor.max_export_batch_size, processor.max_queue_size
        given = common.settings[("processor", "max_export_batch_size")].effective
        if size > queue and given is not None and given.origin is not Origin.DEFAULT:
            self.report.warn(
                f"{given.source}: processor.max_export_batch_size is {size}, more than "
                f"processor.max_queue_size, so batches hold {queue} spans; raise the one, or lower "
                f"the other"
            )

    def _check_rates(self, common: Resolved, options: TracingOptions) -> None:
        """Tell that rates of their own have no effect, to whom gave them."""
        given = common.settings[("sample_rates",)].effective
        if given is not None and options.sample_rates != options.effective_sample_rates:
            self.report.warn(
                f"{given.source}: sample_rates has no effect: the sampler is {options.sampler}; "
                f"set sampler: parentbased_traceidratio"
            )

    def _check_unselected(self, common: Resolved, sections: Sequence[str]) -> None:
        """Refuse a section that is filled while nothing says which exporter to use."""
        chosen = common.settings[("exporter_type",)].effective
        if chosen is None or chosen.origin is not Origin.DEFAULT:
            return
        for name in sections:
            if self.block.value.get(name):
                path = (*self.block.path, name)
                message = (
                    f"is filled, but {dotted((*self.block.path, 'exporter_type'))} is not given; "
                    f"write exporter_type: {name}"
                )
                self.report.problem(self.block.document.key_position(path), path, message)


def _takes_secrets(plugin: ExporterPlugin) -> bool:
    return any(leaf.record.secret for _, leaf in section_of(plugin.config).leaves())


def _checked(resolved: Resolved, *option: str) -> Any:
    return _value(resolved.settings[option])


def _value(setting: Setting) -> Any:
    """Give a setting's typed value, or None when it is wrong, which is told elsewhere."""
    if setting.effective is None:
        return None
    try:
        return setting.typed(setting.effective)
    except ValueError:
        return None
