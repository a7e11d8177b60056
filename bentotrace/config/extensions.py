"""Load the listed extensions, with their options for each destination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from attrs import evolve

from bentotrace.config.destinations import read_destinations
from bentotrace.config.diagnostics import Report
from bentotrace.config.document import Block, inherit_section, merge
from bentotrace.config.lint import report_unlisted
from bentotrace.config.plugin_code import reading_options
from bentotrace.config.resolve import resolve
from bentotrace.config.settings import Resolved, Setting
from bentotrace.discovery import registry
from bentotrace.discovery.extension import DESTINATIONS
from bentotrace.discovery.registry import Extension, extension_names, load_extension
from bentotrace.exceptions import BlockedPluginError
from bentotrace.problems import closest
from bentotrace.schema.tree import section_of

__all__ = ["ExtensionReader", "Wrapping"]


class Wrapping(NamedTuple):
    """The extensions of an exporter, the outermost first, and what switches others off."""

    extensions: tuple[Extension, ...] = ()
    switches: tuple[Setting, ...] = ()


class ExtensionReader(NamedTuple):
    """Reads the extensions of a tracing block.

    Attributes:
        block: the block.
        overrides: options from code.
        environ: the environment.
        report: collects problems and notes.
        exporters: the selected exporter types.
    """

    block: Block
    overrides: Mapping[str, Any]
    environ: Mapping[str, str]
    report: Report
    exporters: Sequence[str]

    def read(self, listed: Setting) -> Mapping[str, Wrapping]:
        """Return the extensions of each exporter type."""
        names = listed.value or ()
        installed = extension_names() if names else ()
        found = {name: Wrapping() for name in self.exporters}
        for name in names:
            if name not in installed:
                near = closest(name, installed)
                hint = f"did you mean {near}?" if near else "install its package"
                have = f"; installed are {', '.join(installed)}" if installed else ""
                parts = (f"no extension named {name!r}", f"{hint}{have}", *registry.obstacles())
                self._problem(listed, "; ".join(parts))
        for name in names:
            if name in installed:
                try:
                    extension = load_extension(name)
                except BlockedPluginError as error:
                    self._problem(listed, str(error))
                    continue
                for exporter, (extensions, switches) in self._configured(extension).items():
                    outer = found[exporter]
                    found[exporter] = Wrapping(
                        (*outer.extensions, *extensions), (*outer.switches, *switches)
                    )
        report_unlisted(self.block, names, self.report)
        return found

    def _configured(self, extension: Extension) -> Mapping[str, Wrapping]:
        """Return an extension with its options, or what switches it off, for each exporter type."""
        name, config = extension.name, extension.plugin.config
        if extension.former_hook:
            self.report.inform(
                f"extension {name!r} has the hook bentotrace_wrap_exporter, which is "
                f"deprecated; ask the author of {extension.claim} for bentotrace_extension"
            )
        with reading_options(f"extension {name!r}", config):
            own, off = read_destinations(
                name, self.block, self.overrides, self.exporters, self.report
            )
            found = {exporter: Wrapping(switches=(switch,)) for exporter, switch in off.items()}
            wrapped = [exporter for exporter in self.exporters if exporter not in off]
            common = None
            if not wrapped or not own.issuperset(wrapped):
                common = self._resolve(self.block, self.overrides.get(name), config, (name,))
            for exporter in wrapped:
                section = self._resolve_own(name, exporter, config) if exporter in own else common
                assert section is not None
                settings = tuple(section.settings.values())
                configured = evolve(extension, options=section.options, settings=settings)
                found[exporter] = Wrapping((configured,))
        return found

    def _resolve_own(self, name: str, exporter: str, config: type) -> Resolved:
        """Resolve the options for one exporter type, which inherit from the extension's section."""
        below = (name, DESTINATIONS, exporter)
        section: Any = self.block.value.get(name)
        shared = section if isinstance(section, Mapping) else {}
        given = shared.get(DESTINATIONS)
        own = given.get(exporter) if isinstance(given, Mapping) else None
        own = own if isinstance(own, Mapping) else None
        common = {key: value for key, value in shared.items() if key != DESTINATIONS}
        document, merged = inherit_section(self.block, below, own, common)
        value = {**self.block.value, name: {DESTINATIONS: {exporter: merged}}}
        overrides = _merged(self.overrides.get(name), exporter)
        trial = Report()
        block = Block(document, self.block.path, value)
        resolved = self._resolve(block, overrides, config, below, trial)
        self.report.add_new(trial)
        return resolved

    def _resolve(
        self,
        block: Block,
        overrides: Any,
        config: type,
        below: tuple[str, ...],
        report: Report | None = None,
    ) -> Resolved:
        return resolve(
            section_of(config),
            block,
            overrides,
            self.environ,
            self.report if report is None else report,
            below=below,
            foreign=(DESTINATIONS,) if len(below) == 1 else (),
        )

    def _problem(self, setting: Setting, message: str) -> None:
        assert setting.effective is not None
        path = (*self.block.path, *setting.path)
        self.report.problem(setting.effective.position, path, message)


def _merged(section: Any, exporter: str) -> Any:
    """Return an extension's options from code for one exporter type."""
    if not isinstance(section, Mapping):
        return section
    given = section.get(DESTINATIONS)
    own = given.get(exporter) if isinstance(given, Mapping) else None
    common = {key: value for key, value in section.items() if key != DESTINATIONS}
    return merge(own, common) if isinstance(own, Mapping) else common
