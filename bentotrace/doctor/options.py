"""Which option of a destination a person has to change, and where it was given."""

from __future__ import annotations

from attrs import frozen

from bentotrace.config.load import ExporterConfig
from bentotrace.config.report import dotted
from bentotrace.config.resolve import Origin, Setting
from bentotrace.doctor.place import Place

__all__ = ["Options"]

_ENDPOINTS = ("endpoint", "collector_endpoint")
_AGENTS = ("agent_host_name", "agent_port")


@frozen
class Options:
    """The options of one destination, of those sections that its protocol uses."""

    exporter: ExporterConfig
    place: Place | None

    def name(self, *names: str) -> str | None:
        """Give the dotted name of the first option called so that is given, else of the first."""
        setting = self._find(names)
        return None if setting is None else dotted(setting.path)

    def source(self, *names: str) -> str | None:
        """Tell where that option was given; None when it was not."""
        setting = self._find(names)
        return _source(setting) if setting is not None else None

    @property
    def endpoint(self) -> str:
        """The option that holds host and port, with its source."""
        names = _AGENTS if self._udp else _ENDPOINTS
        setting = self._find(names)
        if setting is None:
            return "its endpoint"
        source = _source(setting)
        return dotted(setting.path) + (f" ({source})" if source is not None else "")

    @property
    def endpoint_source(self) -> str:
        """Where host and port were given; "" when nobody tells."""
        names = _AGENTS if self._udp else _ENDPOINTS
        setting = self._find(names)
        return "" if setting is None else _source(setting) or Origin.DEFAULT.value

    @property
    def _udp(self) -> bool:
        return self.place is not None and self.place.transport == "udp"

    def _find(self, names: tuple[str, ...]) -> Setting | None:
        found = [setting for setting in self.exporter.settings if self._is_used(setting, names)]
        # An option of the protocol's own section wins over a common one.
        found.sort(key=lambda setting: (_source(setting) is None, -len(setting.path)))
        return found[0] if found else None

    def _is_used(self, setting: Setting, names: tuple[str, ...]) -> bool:
        if setting.path[-1] not in names:
            return False
        if len(setting.path) < 3 or self.place is None:
            return True
        return (setting.path[-2] == "grpc") == (self.place.transport == "grpc")


def _source(setting: Setting) -> str | None:
    given = setting.effective
    return None if given is None or given.origin is Origin.DEFAULT else given.source
