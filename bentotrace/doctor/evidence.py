"""The evidence: one destination, and the results of its probes and of the test export."""

from __future__ import annotations

from attrs import field

from bentotrace.config.candidates import Origin
from bentotrace.config.load import ExporterConfig
from bentotrace.config.settings import Setting
from bentotrace.doctor.checks import Checks
from bentotrace.doctor.export import Export
from bentotrace.doctor.probe import Probes
from bentotrace.doctor.target import NetworkTarget
from bentotrace.problems import dotted
from bentotrace.redaction import without_credentials
from bentotrace.transport.outcome import Outcome
from bentotrace.values import frozen

__all__ = ["Evidence"]

_ENDPOINTS = ("endpoint", "collector_endpoint")
_AGENTS = ("agent_host_name", "agent_port")


@frozen
class Evidence:
    """The basis of steps and fixes.

    Attributes:
        exporter: the destination.
        target: its place on the network; None when unknown.
        service: the name of the service.
        probes: the results of the probes.
        export: the result of the test export.
        advice: what the exporter's plugin advises on its failure; "" without advice.
        checks: the results of the plugin's own steps.
    """

    exporter: ExporterConfig
    target: NetworkTarget | None
    service: str = ""
    probes: Probes = field(factory=Probes)
    export: Export = field(factory=Export)
    advice: str = ""
    checks: Checks = field(factory=Checks)

    @property
    def outcome(self) -> Outcome:
        """What the exporter reported."""
        return self.export.outcome

    @property
    def name(self) -> str:
        """The exporter type."""
        return self.exporter.plugin.name

    @property
    def transport(self) -> str:
        """The transport: "http", "grpc" or "udp"; "" when unknown."""
        return self.target.transport if self.target is not None else ""

    @property
    def proxied(self) -> bool:
        """Whether connections go through a proxy."""
        return self.target is not None and self.target.proxy is not None

    @property
    def endpoint(self) -> str:
        """The endpoint without credentials; "" when unknown."""
        target = self.exporter.target
        return without_credentials(target.endpoint) if target is not None else ""

    @property
    def host(self) -> str:
        """The host, or the endpoint when the host is unknown."""
        return self.target.host if self.target is not None else self.endpoint or "its endpoint"

    @property
    def peer(self) -> str:
        """``host:port`` of the connection, or the endpoint when that is unknown."""
        return self.target.peer if self.target is not None else self.endpoint or "its endpoint"

    @property
    def sent(self) -> str:
        """The headers or credentials that were sent, as a phrase; "" when there are none."""
        target, names = self.exporter.target, self.exporter.plugin.credentials
        headers = dict.fromkeys(target.headers) if target is not None else {}
        if headers:
            return f"the header{'s' if len(headers) > 1 else ''} {' and '.join(headers)}"
        return (self.option(*names) or "") if names and self.source(*names) is not None else ""

    def option(self, *names: str) -> str | None:
        """Return the dotted name of the first option with one of these names that is set.

        A name is that of an option in any section, or its dotted path in the exporter's.

        An option of the protocol's section has precedence over a common one. Without a value in
        any of them it is the first that the exporter has, or None.
        """
        setting = self._find(names)
        return None if setting is None else dotted(setting.path)

    def source(self, *names: str) -> str | None:
        """Return where that option was set; None when it was not."""
        setting = self._find(names)
        return None if setting is None else _source(setting)

    def option_and_source(self, *names: str, fallback: str) -> str:
        """Return the dotted name of that option with its source in parentheses."""
        option, source = self.option(*names) or fallback, self.source(*names)
        return option if source is None else f"{option} ({source})"

    @property
    def credentials(self) -> str:
        """The option that holds credentials, with its source."""
        names = self.exporter.plugin.credentials or ("headers",)
        return self.option_and_source(*names, fallback="its headers")

    @property
    def credentials_source(self) -> str | None:
        """Where that option was set; None when it was not."""
        return self.source(*(self.exporter.plugin.credentials or ("headers",)))

    @property
    def endpoint_option(self) -> str:
        """The option that holds host and port, with its source."""
        return self.option_and_source(*self._endpoint_names, fallback="its endpoint")

    @property
    def endpoint_source(self) -> str:
        """Where host and port were set; "" when no option holds them."""
        if self.option(*self._endpoint_names) is None:
            return ""
        return self.source(*self._endpoint_names) or Origin.DEFAULT.value

    @property
    def _endpoint_names(self) -> tuple[str, ...]:
        return _AGENTS if self.transport == "udp" else _ENDPOINTS

    def _find(self, names: tuple[str, ...]) -> Setting | None:
        found = [setting for setting in self.exporter.settings if self._is_used(setting, names)]
        found.sort(key=lambda setting: (_source(setting) is None, -len(setting.path)))
        return found[0] if found else None

    def _is_used(self, setting: Setting, names: tuple[str, ...]) -> bool:
        if setting.path[-1] not in names:
            return dotted(setting.path[1:]) in names
        if len(setting.path) < 3 or self.target is None:
            return True
        return (setting.path[-2] == "grpc") == (self.transport == "grpc")


def _source(setting: Setting) -> str | None:
    found = setting.effective
    return None if found is None or found.origin is Origin.DEFAULT else found.source
