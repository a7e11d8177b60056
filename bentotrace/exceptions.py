"""Everything bentotrace raises on purpose.

::

    BentotraceError
    ├── ConfigError               the configuration has problems; all of them are in it
    ├── OptionError               one option's value is wrong (raised by an exporter's schema)
    ├── ProviderExistsError       the process already has a global tracer provider
    ├── SampleRateError           the sample rate of a running pipeline cannot be changed
    ├── SpoolError                the directory of the spool cannot be used
    └── PluginError               an exporter plugin cannot be used
        ├── UnknownExporterError      nobody registered that name
        ├── DuplicateExporterError    two distributions registered that name
        ├── BrokenPluginError         its module or its hook raised
        └── InvalidPluginError        its hook returned something else than it must
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bentotrace.config.report import Problem

__all__ = [
    "BentotraceError",
    "BrokenPluginError",
    "ConfigError",
    "DuplicateExporterError",
    "InvalidPluginError",
    "OptionError",
    "PluginError",
    "ProviderExistsError",
    "SampleRateError",
    "SpoolError",
    "UnknownExporterError",
]


class BentotraceError(Exception):
    """The root of the tree."""


class ConfigError(BentotraceError):
    """The configuration has problems.

    Attributes:
        problems: every problem that was found, in file order.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class OptionError(BentotraceError, ValueError):
    """An option's value is wrong in a way that only several options together show.

    An exporter's options class raises it from ``__attrs_post_init__``; the message then reaches
    the user with the position of that option.

    Attributes:
        option: dotted name of the option within the exporter's section, as ``http.headers``.
        reason: what is wrong, and what to write instead.
    """

    def __init__(self, option: str, reason: str) -> None:
        super().__init__(option, reason)
        self.option = option
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.option}: {self.reason}"


class ProviderExistsError(BentotraceError):
    """The process already has a global tracer provider, and OpenTelemetry allows only one.

    Attributes:
        provider: the provider that is installed.
    """

    def __init__(self, provider: object) -> None:
        super().__init__(provider)
        self.provider = provider

    def __str__(self) -> str:
        kind = type(self.provider)
        return (
            f"this process already has a global tracer provider "
            f"({kind.__module__}.{kind.__qualname__}), and OpenTelemetry allows only one;\n"
            f'pass if_exists="attach" to add the exporters to it, if_exists="keep" to leave it '
            f"alone, or use bentotrace.build()"
        )


class SampleRateError(BentotraceError):
    """The sample rate of a running pipeline cannot be changed.

    Attributes:
        reason: why, and what to do.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the sample rate cannot be changed: {self.reason}"


class SpoolError(BentotraceError):
    """The directory of the spool cannot be used.

    Attributes:
        path: the file that was to be written there.
        reason: what is wrong.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"the spool {self.path} cannot be used: {self.reason};\n"
            f"name a directory in spool.path that this process may write to, or leave it out"
        )


class PluginError(BentotraceError):
    """An exporter plugin cannot be used."""


class UnknownExporterError(PluginError):
    """Nobody registered an exporter of that name.

    Attributes:
        name: the name that was asked for.
        valid: the names that are installed.
        closest: the installed name most like it, if one is.
        install: the requirement that brings the name, if it is a known one.
    """

    def __init__(
        self,
        name: str,
        valid: Sequence[str],
        closest: str | None = None,
        install: str | None = None,
    ) -> None:
        super().__init__(name, valid, closest, install)
        self.name = name
        self.valid = tuple(valid)
        self.closest = closest
        self.install = install

    @property
    def hint(self) -> str:
        """What to do about it."""
        if self.install is not None:
            install = f"pip install '{self.install}'"
            return install if self.closest is None else f"write {self.closest}, or {install}"
        valid = f"installed are {', '.join(self.valid)}"
        return valid if self.closest is None else f"did you mean {self.closest}? {valid}"

    def __str__(self) -> str:
        return f"no exporter named {self.name!r}; {self.hint}"


class DuplicateExporterError(PluginError):
    """Two or more distributions registered the same name.

    Attributes:
        name: the name.
        claims: one description per claim, as ``module (distribution version)``.
        what: what it is the name of, "exporter" or "extension".
    """

    def __init__(self, name: str, claims: Sequence[str], what: str = "exporter") -> None:
        super().__init__(name, claims, what)
        self.name = name
        self.claims = tuple(claims)
        self.what = what

    def __str__(self) -> str:
        return (
            f"{self.what} {self.name!r} is registered by more than one distribution: "
            f"{'; '.join(self.claims)};\nuninstall all but one of them"
        )


class BrokenPluginError(PluginError):
    """A plugin's module or hook raised; the cause is chained.

    Attributes:
        claim: entry point, distribution and version.
        reason: what happened.
        what: what it is, "exporter plugin" or "extension".
    """

    def __init__(self, claim: str, reason: str, what: str = "exporter plugin") -> None:
        super().__init__(claim, reason, what)
        self.claim = claim
        self.reason = reason
        self.what = what

    def __str__(self) -> str:
        return f"{self.what} {self.claim} is broken: {self.reason}"


class InvalidPluginError(BrokenPluginError):
    """A plugin loaded, but does not keep the contract of :mod:`bentotrace.hookspecs`."""
