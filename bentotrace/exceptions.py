"""The exceptions of bentotrace.

::

    BentotraceError
    ├── ConfigError                   the configuration has problems
    ├── OptionError                   an option's value is wrong (raised by an exporter's schema)
    ├── ProviderExistsError           the process already has a global tracer provider
    ├── SampleRateError               the sample rate of a running pipeline cannot be changed
    ├── SpoolError                    the directory of the spool cannot be used
    └── PluginError                   an exporter plugin cannot be used
        ├── BlockedPluginError        the configuration does not let it be used
        ├── UnknownExporterError      no distribution registers the name
        ├── DuplicateExporterError    more than one distribution registers the name
        └── BrokenPluginError         the plugin's module or hook raised
            └── InvalidPluginError    the plugin does not keep the contract
"""

from __future__ import annotations

from collections.abc import Sequence

from bentotrace.problems import Problem

__all__ = [
    "BentotraceError",
    "BlockedPluginError",
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
    """The base class of all exceptions of bentotrace."""


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
    """An option's value conflicts with other options.

    Raise it in ``__attrs_post_init__`` of an exporter's options class; it is reported with the
    option's position.

    Attributes:
        option: dotted name of the option in the exporter's section, such as ``http.headers``.
        reason: what is wrong and how to fix it.
    """

    def __init__(self, option: str, reason: str) -> None:
        super().__init__(option, reason)
        self.option, self.reason = option, reason

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
        if kind.__module__.startswith("bentotrace."):
            return (
                "bentotrace is already configured in this process, by an earlier configure() or by "
                "bentotrace run;\n"
                'remove this call, or pass if_exists="keep" to leave that pipeline as it is, or '
                'if_exists="replace"'
            )
        return (
            f"this process already has a global tracer provider "
            f"({kind.__module__}.{kind.__qualname__}), and OpenTelemetry allows only one;\n"
            f'pass if_exists="attach" to add the exporters to it, if_exists="keep" to leave it '
            f"alone, or use bentotrace.build()"
        )


class SampleRateError(BentotraceError):
    """The sample rate of a running pipeline cannot be changed.

    Attributes:
        reason: the reason and how to fix it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the sample rate cannot be changed: {self.reason}"


class SpoolError(BentotraceError):
    """The directory of the spool cannot be used.

    Attributes:
        path: the file that cannot be written.
        reason: what is wrong.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return (
            f"the spool {self.path} cannot be used: {self.reason};\n"
            f"set spool.path to a directory that this process may write to, or remove it"
        )


class PluginError(BentotraceError):
    """An exporter plugin cannot be used."""


class BlockedPluginError(PluginError):
    """The configuration does not let the plugin be used."""


class UnknownExporterError(PluginError):
    """No distribution registers an exporter with the name.

    Attributes:
        name: the unknown name.
        valid: the installed names.
        closest: the most similar of the installed names, if any.
        install: the requirement that installs a well-known name.
        obstacles: reasons why plugins may be missing, one sentence each.
        foreign: the installed names of exporters published for OpenTelemetry itself.
    """

    def __init__(
        self,
        name: str,
        valid: Sequence[str],
        closest: str | None = None,
        install: str | None = None,
        obstacles: Sequence[str] = (),
        foreign: Sequence[str] = (),
    ) -> None:
        super().__init__(name, valid, closest, install, obstacles, foreign)
        self.name, self.valid, self.closest = name, tuple(valid), closest
        self.install, self.obstacles, self.foreign = install, tuple(obstacles), tuple(foreign)

    @property
    def hint(self) -> str:
        """How to fix it."""
        if self.install is not None:
            install = f"pip install '{self.install}'"
            return install if self.closest is None else f"write {self.closest}, or {install}"
        # "none" is valid, but not an exporter.
        installed = [name for name in self.valid if name != "none"]
        valid = f"installed are {', '.join(installed)}"
        if self.foreign:
            valid += f"; of OpenTelemetry's own: {', '.join(self.foreign)}"
        return valid if self.closest is None else f"did you mean {self.closest}? {valid}"

    def __str__(self) -> str:
        return "; ".join((f"no exporter named {self.name!r}", self.hint, *self.obstacles))


class DuplicateExporterError(PluginError):
    """More than one distribution registers the same name.

    Attributes:
        name: the name.
        claims: the entry points, each as ``name = module (distribution version)``.
        what: "exporter" or "extension".
    """

    def __init__(self, name: str, claims: Sequence[str], what: str = "exporter") -> None:
        super().__init__(name, claims, what)
        self.name, self.claims, self.what = name, tuple(claims), what

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
        what: "exporter plugin" or "extension".
    """

    def __init__(self, claim: str, reason: str, what: str = "exporter plugin") -> None:
        super().__init__(claim, reason, what)
        self.claim, self.reason, self.what = claim, reason, what

    def __str__(self) -> str:
        return f"{self.what} {self.claim} is broken: {self.reason}"


class InvalidPluginError(BrokenPluginError):
    """A plugin was loaded, but does not keep the contract of :mod:`bentotrace.hookspecs`."""
