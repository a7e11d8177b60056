"""What is given and has no effect: sections and variables of exporters that are not selected."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from bentotrace import registry
from bentotrace.config.document import Block
from bentotrace.config.options import TracingOptions
from bentotrace.config.report import Report, closest, dotted
from bentotrace.config.schema import section_of
from bentotrace.plugin import ExporterPlugin

__all__ = ["report_unused"]

_FAMILY = "OTEL_EXPORTER_"
_SPECIFIED = ("OTLP", "JAEGER", "ZIPKIN")
_OTHER_SIGNALS = ("METRICS", "LOGS", "PROFILES")


def report_unused(
    block: Block,
    environ: Mapping[str, str],
    options: TracingOptions,
    selected: Sequence[ExporterPlugin],
    sections: Iterable[str],
    report: Report,
) -> None:
    """Add a note for each filled section and each set variable that changes nothing.

    Args:
        block: the tracing block.
        environ: the environment.
        options: the common options.
        selected: the plugins that are used.
        sections: names of all exporters that may have a section.
        report: takes the notes.
    """
    names = [plugin.name for plugin in selected]
    if options.disabled or not names:
        # Whoever turns exporting off leaves the rest as it is, to turn it on again.
        return
    for name in sections:
        if name not in names and block.value.get(name):
            position = block.document.key_position((*block.path, name))
            report.inform(
                f"{position}: {dotted((*block.path, name))} is filled and not used; "
                f"exporter_type is {', '.join(names)}"
            )
    if all(name in registry.names() for name in names):
        # One of OpenTelemetry's own reads its variables itself.
        _report_variables(environ, selected, report)
    ratio = "OTEL_TRACES_SAMPLER_ARG"
    if environ.get(ratio, "").strip() and "ratio" not in options.sampler:
        report.warn(f"{ratio} is set and has no effect: the sampler is {options.sampler}")


def _report_variables(
    environ: Mapping[str, str], selected: Sequence[ExporterPlugin], report: Report
) -> None:
    used = ", ".join(plugin.name for plugin in selected)
    known = set().union(*map(_known, selected))
    for name in sorted(environ):
        if not name.startswith(_FAMILY) or name in known or not environ[name].strip():
            continue
        family, _, rest = name.removeprefix(_FAMILY).partition("_")
        if family not in _SPECIFIED or rest.startswith(_OTHER_SIGNALS):
            continue
        # A plugin's own variables say which family is its.
        if any(variable.startswith(f"{_FAMILY}{family}_") for variable in known):
            near = closest(name, known)
            hint = f"did you mean {near}?" if near else "the exporter has no such option"
            report.warn(f"{name} is set and has no effect: {hint}")
        elif family != "OTLP" or rest.startswith("TRACES"):
            # The others of OTLP may be meant for metrics and logs.
            report.inform(f"{name} is set and has no effect: exporter_type is {used}")


def _known(plugin: ExporterPlugin) -> Collection[str]:
    """List the variables that an exporter reads."""
    leaves = section_of(plugin.config).leaves()
    named = {variable.name for _, leaf in leaves for variable in leaf.record.env}
    return named | {variable.name for variable in plugin.timeout_env}
