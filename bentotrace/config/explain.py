"""Explain: every option of a configuration with its value, its source, and what it overrode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import frozen

from bentotrace.config.kinds import DURATION
from bentotrace.config.load import Config, ExporterConfig
from bentotrace.config.report import Note, dotted
from bentotrace.config.resolve import Candidate, Origin, Setting
from bentotrace.config.secrets import masked
from bentotrace.redaction import without_credentials

__all__ = ["Destination", "ExplainedOption", "Explanation", "Given", "explain"]


@frozen
class Given:
    """A value that an option was given.

    Attributes:
        value: plain; ``"***"`` in place of a secret.
        source: a variable's name, ``file:line:column``, ``configure()`` or ``default``.
        read_as: a variable's bare number with the unit that it was given, as "500 ms", or "".
    """

    value: Any
    source: str
    read_as: str = ""


@frozen
class ExplainedOption:
    """One option.

    Attributes:
        path: its dotted path in the tracing block.
        value: what counts, as in :class:`Given`.
        source: where that comes from.
        overrode: what it won over, the highest first, without the default.
        unit: unit of the number, or "".
        read_as: as in :class:`Given`.
    """

    path: str
    value: Any
    source: str
    overrode: tuple[Given, ...] = ()
    unit: str = ""
    read_as: str = ""


@frozen
class Destination:
    """One exporter.

    Attributes:
        exporter: its name.
        protocol: what is spoken; "" when there is nothing to tell apart.
        endpoint: the final one, without credentials; "" when the plugin does not tell.
        options: the options of its section, and its timeout.
    """

    exporter: str
    protocol: str
    endpoint: str
    options: tuple[ExplainedOption, ...]


@frozen
class Explanation:
    """A whole configuration.

    Attributes:
        source: where it was read from.
        options: the options common to all exporters.
        destinations: the exporters.
        notes: what the user should know.
    """

    source: str
    options: tuple[ExplainedOption, ...]
    destinations: tuple[Destination, ...]
    notes: tuple[Note, ...]


def explain(config: Config) -> Explanation:
    """Tell where every value comes from; secrets are masked."""
    # An exporter may have a timeout of its own, and then shows it.
    common = [
        setting
        for setting in config.settings
        if setting.path != ("timeout",) or not config.exporters
    ]
    return Explanation(
        config.source,
        tuple(option for setting in common for option in _options(setting)),
        tuple(_destination(exporter) for exporter in config.exporters),
        config.notes,
    )


def _destination(exporter: ExporterConfig) -> Destination:
    target = exporter.target
    options = tuple(option for setting in exporter.settings for option in _options(setting))
    return Destination(
        exporter.plugin.name,
        target.protocol if target is not None else "",
        exporter.redaction.redact(without_credentials(target.endpoint)) if target else "",
        options,
    )


def _options(setting: Setting) -> Iterator[ExplainedOption]:
    """Give one option, or one for each name of an option whose sources are merged."""
    if not setting.leaf.kind.merges:
        given = [_given(setting, candidate) for candidate in setting.candidates]
        yield _option(setting, dotted(setting.path), given)
        return
    names: dict[str, list[Given]] = {}
    for candidate in setting.candidates:
        for name, value in setting.typed(candidate).items():
            shown = masked({name: value}, secret=setting.leaf.record.secret)[name]
            names.setdefault(name, []).append(Given(shown, candidate.source))
    for name, given in sorted(names.items()):
        yield _option(setting, f"{dotted(setting.path)}.{name}", given)


def _option(setting: Setting, path: str, given: list[Given]) -> ExplainedOption:
    first, *others = given
    rest = tuple(other for other in others if other.source != Origin.DEFAULT.value)
    unit = "s" if setting.leaf.kind is DURATION else setting.leaf.record.unit
    return ExplainedOption(path, first.value, first.source, rest, unit or "", first.read_as)


def _given(setting: Setting, candidate: Candidate) -> Given:
    value = setting.typed(candidate)
    shown = masked(value, secret=setting.leaf.record.secret)
    read_as = _read_as(candidate.text, value) if setting.leaf.kind is DURATION else ""
    return Given(shown, candidate.source, read_as)


def _read_as(text: str, seconds: float) -> str:
    """Tell the unit that a duration without one was given: some variables hold milliseconds."""
    try:
        number = float(text)
    except ValueError:
        return ""
    return f"{text} s" if number == seconds else f"{text} ms"
