"""One destination, with all that was seen of it."""

from __future__ import annotations

from attrs import frozen

from bentotrace.config.load import ExporterConfig
from bentotrace.doctor.certificate import Certificate
from bentotrace.doctor.options import Options
from bentotrace.doctor.place import Place
from bentotrace.doctor.probe import Probes
from bentotrace.doctor.receivers import KnownReceiver, known_receiver
from bentotrace.doctor.trial import Trial
from bentotrace.redaction import without_credentials

__all__ = ["Case"]


@frozen
class Case:
    """What steps and fixes are told from."""

    exporter: ExporterConfig
    service: str
    options: Options
    place: Place | None
    probes: Probes
    trial: Trial

    @property
    def host(self) -> str:
        """The host, as far as it is known."""
        return self.place.host if self.place is not None else self._told

    @property
    def peer(self) -> str:
        """``host:port`` that a connection is made to, as far as it is known."""
        return self.place.peer if self.place is not None else self._told

    @property
    def _told(self) -> str:
        target = self.exporter.target
        return without_credentials(target.endpoint) if target is not None else "its endpoint"

    @property
    def grpc(self) -> bool:
        """Whether gRPC is spoken."""
        return self.place is not None and self.place.transport == "grpc"

    @property
    def known(self) -> KnownReceiver | None:
        """What is known of receivers for this exporter."""
        return known_receiver(self.exporter.plugin.name)

    @property
    def certificate(self) -> Certificate | None:
        """The server's certificate, where it was seen."""
        handshake = self.probes.handshake
        return handshake.certificate if handshake is not None else None

    @property
    def headers_sent(self) -> str:
        """The names of the headers that go along, in words; "" when there are none."""
        target = self.exporter.target
        names = dict.fromkeys(target.headers) if target is not None else {}
        return f"the header{'s' if len(names) > 1 else ''} {' and '.join(names)}" if names else ""
