"""Checks of the common options against each other, and of whether an exporter is selected."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bentotrace.config.candidates import Candidate, Origin
from bentotrace.config.diagnostics import Report
from bentotrace.config.document import Block, is_filled
from bentotrace.config.options import PluginsOptions, TracingOptions
from bentotrace.config.resolve import resolve
from bentotrace.config.settings import Resolved
from bentotrace.discovery import registry
from bentotrace.discovery.control import Control
from bentotrace.problems import dotted
from bentotrace.schema.tree import section_of

__all__ = ["check_options", "find_control", "report_unselected", "with_null"]

_SELECTION = "exporter_type"


def find_control(block: Block, environ: Mapping[str, str], overrides: Mapping[str, Any]) -> Control:
    """Return which plugins may be used, before any is imported.

    Raises:
        ConfigError: the section is wrong. Other problems are not looked for, since that may import
            plugins.
    """
    report = Report()
    given = overrides.get("plugins")
    schema = section_of(PluginsOptions)
    found = resolve(schema, block, given, environ, report, below=("plugins",)).options
    report.raise_problems()
    return Control(found.allow, found.block)


def with_null(common: Resolved, block: Block) -> Resolved:
    """Add the place of an ``exporter_type`` that is null, as in BentoML's template."""
    chosen = common.settings[(_SELECTION,)]
    if chosen.explicit is not None or block.value.get(_SELECTION, "") is not None:
        return common
    place = block.document.position((*block.path, _SELECTION))
    found = Candidate(Origin.FILE, str(place), place, ())
    chosen = chosen._replace(candidates=(found, *chosen.candidates))
    return common._replace(settings={**common.settings, (_SELECTION,): chosen})


def report_unselected(
    common: Resolved, block: Block, sections: Sequence[str], report: Report
) -> None:
    """Report the section of an exporter while no exporter is selected."""
    if common.settings[(_SELECTION,)].explicit is not None:
        return
    for name in sections:
        if is_filled(block.value.get(name)):
            path = (*block.path, name)
            message = (
                f"is not used because {dotted((*block.path, _SELECTION))} is not set; write "
                f"exporter_type: {name}"
            )
            report.problem(block.document.key_position(path), path, message)


def check_options(common: Resolved, block: Block, report: Report) -> None:
    """Add notes on options that are valid, and have no effect or are likely a mistake."""
    options: TracingOptions = common.options
    _check_selected(common, options, block, report)
    _check_batch(common, options, report)
    explicit = common.settings[("sample_rates",)].explicit
    if explicit is not None and options.sample_rates != options.effective_sample_rates:
        report.warn(f"{explicit.source}: sample_rates has no effect: {options.why_no_rate}")
    explicit = common.settings[("excluded_urls",)].explicit
    if explicit is not None:
        _check_blanks("excluded_urls", explicit.source, options.excluded_urls, report)
    explicit = common.settings[("sample_rates",)].explicit
    if explicit is not None:
        patterns = [item.match for item in options.sample_rates]
        _check_blanks("sample_rates", explicit.source, patterns, report)


def _check_selected(
    common: Resolved, options: TracingOptions, block: Block, report: Report
) -> None:
    """Warn that nothing is exported, unless that is intentional."""
    if options.disabled or options.exporter_type:
        return
    document = block.document
    null = common.settings[(_SELECTION,)].explicit
    if null is not None:
        report.inform(
            f"{null.source}: exporter_type is null, so tracing is off; write exporter_type: otlp, "
            "or set OTEL_TRACES_EXPORTER=otlp, to turn it on"
        )
        return
    write = f"write exporter_type: otlp in {document.name}, or set" if document.root else "set"
    report.warn(
        f"no exporter is selected, so nothing is exported; {write} OTEL_TRACES_EXPORTER=otlp; "
        f"installed are {', '.join(name for name in registry.names() if name != registry.NONE)}; "
        "to silence this, write none instead of otlp"
    )


def _check_batch(common: Resolved, options: TracingOptions, report: Report) -> None:
    """Warn about a batch size that is larger than the queue, unless it is the default."""
    size, queue = options.processor.max_export_batch_size, options.processor.max_queue_size
    explicit = common.settings[("processor", "max_export_batch_size")].explicit
    if size > queue and explicit is not None:
        report.warn(
            f"{explicit.source}: processor.max_export_batch_size is {size}, more than "
            f"processor.max_queue_size, so batches hold {queue} spans; lower the batch size, "
            f"or raise the queue size"
        )


def _check_blanks(option: str, source: str, patterns: Sequence[str], report: Report) -> None:
    """Warn about patterns with blanks, which no URL has."""
    for pattern in patterns:
        if re.search(r"[^\\]\s", pattern) and "(?x" not in pattern:
            report.warn(
                f"{source}: {option} has a pattern with a blank, which no URL has: {pattern!r}; "
                "for several patterns write a list"
            )
