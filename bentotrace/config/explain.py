"""Explain: every option of a configuration with its value, its source, and what it overrides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from bentotrace.config.candidates import Candidate, Origin
from bentotrace.config.diagnostics import Note
from bentotrace.config.load import Config, ExporterConfig
from bentotrace.config.settings import Setting
from bentotrace.problems import dotted
from bentotrace.redaction import without_credentials
from bentotrace.schema.kinds import DURATION
from bentotrace.schema.secrets import masked
from bentotrace.values import frozen

__all__ = ["Destination", "ExplainedOption", "Explanation", "Given", "explain"]


@frozen
class Given:
    """The value of an option from one source.

    Attributes:
        value: plain; ``"***"`` for a secret.
        source: a variable's name, ``file:line:column``, ``configure()`` or ``default``.
        read_as: a duration without a unit, with the unit that was assumed, as "500 ms"; else "".
    """

    value: Any
    source: str
    read_as: str = ""


@frozen
class ExplainedOption:
    """One option.

    Attributes:
        path: its dotted path in the tracing block.
        value: the effective value, as in :class:`Given`.
        source: its source, as in :class:`Given`.
        overrode: the values that it overrides, the highest first, without the default.
        unit: unit of the number, or "".
        read_as: as in :class:`Given`.
        deprecated: what to use instead of it, or "".
    """

    path: str
    value: Any
    source: str
    overrode: tuple[Given, ...] = ()
    unit: str = ""
    read_as: str = ""
    deprecated: str = ""


@frozen
class Destination:
    """One exporter.

    Attributes:
        exporter: the exporter type.
        protocol: the protocol, or "" if the exporter has only one.
        endpoint: the final endpoint, without credentials; "" if unknown.
        options: the options of its section, its timeout, and those of its extensions.
    """

    exporter: str
    protocol: str
    endpoint: str
    options: tuple[ExplainedOption, ...]


@frozen
class Explanation:
    """A whole configuration: its source, the common options, the destinations and the notes."""

    source: str
    options: tuple[ExplainedOption, ...]
    destinations: tuple[Destination, ...]
    notes: tuple[Note, ...]


def explain(config: Config) -> Explanation:
    """List every option with the source of its value; secrets are masked."""
    # The timeout is shown with each exporter, whose own variables may override it.
    common = (s for s in config.settings if s.path != ("timeout",) or not config.exporters)
    return Explanation(
        config.source, _options(common), tuple(map(_destination, config.exporters)), config.notes
    )


def _destination(exporter: ExporterConfig) -> Destination:
    name, target = exporter.plugin.name, exporter.target
    extended = (setting for each in exporter.extensions for setting in each.settings)
    options = _options((*exporter.settings, *extended))
    if target is None:
        return Destination(name, "", "", options)
    endpoint = exporter.redaction.redact(without_credentials(target.endpoint))
    return Destination(name, target.protocol, endpoint, options)


def _options(settings: Iterable[Setting]) -> tuple[ExplainedOption, ...]:
    return tuple(option for setting in settings for option in _explain(setting))


def _explain(setting: Setting) -> Iterator[ExplainedOption]:
    """Yield one option, or one for each name of an option whose sources are merged."""
    if not setting.leaf.kind.merges:
        given = [_given(setting, candidate) for candidate in setting.candidates]
        yield _option(setting, dotted(setting.path), given)
        return
    names: dict[str, list[Given]] = {}
    for candidate in setting.candidates:
        for name, value in candidate.value.items():
            shown = masked({name: value}, secret=setting.leaf.record.secret)[name]
            names.setdefault(name, []).append(Given(shown, candidate.source))
    for name, given in sorted(names.items()):
        yield _option(setting, f"{dotted(setting.path)}.{name}", given)


def _option(setting: Setting, path: str, given: list[Given]) -> ExplainedOption:
    first, *others = given
    rest = tuple(other for other in others if other.source != Origin.DEFAULT.value)
    unit = "s" if setting.leaf.kind is DURATION else setting.leaf.record.unit
    return ExplainedOption(
        path,
        first.value,
        first.source,
        rest,
        unit or "",
        first.read_as,
        setting.leaf.record.deprecated,
    )


def _given(setting: Setting, candidate: Candidate) -> Given:
    shown = masked(candidate.value, secret=setting.leaf.record.secret)
    read_as = _read_as(candidate.text, candidate.value) if setting.leaf.kind is DURATION else ""
    return Given(shown, candidate.source, read_as)


def _read_as(text: str, seconds: float) -> str:
    """Return a duration without a unit with the one that was assumed."""
    try:
        number = float(text)
    except ValueError:
        return ""
    return f"{text} s" if number == seconds else f"{text} ms"
