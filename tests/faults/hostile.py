"""The faults of the matrix, and what is to be said of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from attrs import frozen

from ..servers import hang
from . import stages
from .stages import Scene, Site
from .transports import Family, Transport

__all__ = ["FAULTS", "Fault"]


@frozen
class Expected:
    """What a status says of a fault: one of these kinds, with this in its reason."""

    kinds: frozenset[str]
    reason: str


@frozen(eq=False)
class Fault:
    """One thing that can be wrong.

    Attributes:
        name: what the page calls it.
        what: what happens, for the page.
        stage: makes it happen for as long as the context lasts.
        expected: what is to be said, by family; a family that is left out has no such fault.
        timeout: seconds of the exporter's, which a fault that is answered at once never needs.
        silent: the families which cannot tell.
        recovers: whether the receiver comes back in the end.
    """

    name: str
    what: str
    stage: Callable[[Scene], AbstractContextManager[Site]]
    expected: Mapping[Family, Expected]
    timeout: float = 10.0
    silent: frozenset[Family] = frozenset()
    recovers: bool = False

    def applies_to(self, transport: Transport) -> bool:
        """Return whether that transport can meet it."""
        return transport.family in self.expected or transport.family in self.silent


def _says(*kinds: str, reason: str = "") -> Expected:
    return Expected(frozenset(kinds), reason)


_DEADLINE = "within the 1 s timeout"
FAULTS = (
    Fault(
        "refused",
        "nothing listens on the port",
        stages.refused,
        {
            "http": _says("refused", reason="connection refused: nothing listens on"),
            "grpc": _says("refused", reason="connection refused: nothing listens on"),
            "udp": _says("refused", reason="nothing listens on"),
        },
        timeout=1.0,
    ),
    Fault(
        "no such name",
        "the host name has no address",
        stages.no_such_name,
        {
            "http": _says("name_resolution", reason="cannot resolve the host name nowhere.invalid"),
            "grpc": _says("name_resolution", reason="cannot resolve the host name nowhere.invalid"),
            "udp": _says("name_resolution", reason="has no address"),
        },
        # A busy machine may take longer than a second to find that there is none.
        timeout=3.0,
    ),
    Fault(
        "black hole",
        "packets to the port vanish, as in a firewall",
        stages.black_hole,
        {
            "http": _says("timeout", reason=f"the connection was not accepted {_DEADLINE}"),
            "grpc": _says("timeout", reason=f"{_DEADLINE}|in time"),
        },
        timeout=1.0,
    ),
    Fault(
        "accepts and hangs",
        "accepts the connection, reads, and never responds",
        stages.raw(lambda family: hang),
        {
            "http": _says("timeout", reason=f"the server did not respond {_DEADLINE}"),
            "grpc": _says("timeout", reason=f"{_DEADLINE}|in time"),
        },
        timeout=1.0,
        silent=frozenset(["udp"]),
    ),
    Fault(
        "slow drip",
        "responds with one byte every 50 ms, endlessly",
        stages.raw(lambda family: stages.after_request(family, stages.drip)),
        {
            "http": _says("timeout", reason=_DEADLINE),
            "grpc": _says("timeout", reason=_DEADLINE),
        },
        timeout=1.0,
    ),
    Fault(
        "400",
        "responds with 400; over gRPC INVALID_ARGUMENT",
        stages.answers(400, "INVALID_ARGUMENT", "cannot read that"),
        {
            "http": _says("status", reason="400 Bad Request: cannot read that"),
            "grpc": _says("status", reason="INVALID_ARGUMENT: cannot read that"),
        },
    ),
    Fault(
        "401",
        "responds with 401; over gRPC UNAUTHENTICATED",
        stages.answers(401, "UNAUTHENTICATED", "no token"),
        {
            "http": _says("unauthorized", reason="401 Unauthorized: no token"),
            "grpc": _says("unauthorized", reason="UNAUTHENTICATED: no token"),
        },
    ),
    Fault(
        "404",
        "responds with 404; over gRPC UNIMPLEMENTED",
        stages.answers(404, "UNIMPLEMENTED", "nothing here"),
        {
            "http": _says("not_served", reason="404 Not Found: nothing here"),
            "grpc": _says("not_served", reason="UNIMPLEMENTED: nothing here"),
        },
    ),
    Fault(
        "413",
        "responds with 413 to more than 64 bytes; over gRPC RESOURCE_EXHAUSTED",
        stages.too_large,
        {
            "http": _says("too_large", reason="are|is too large"),
            "grpc": _says("too_large", reason="are|is too large"),
        },
    ),
    Fault(
        "429",
        "responds with 429 with Retry-After: 30; over gRPC RESOURCE_EXHAUSTED with a RetryInfo",
        stages.answers(429, "RESOURCE_EXHAUSTED", "slow down", retry_after=30),
        {
            "http": _says("status", reason="slow down; the requested wait of 30 s"),
            "grpc": _says("status", reason="slow down; the requested wait of 30 s"),
        },
    ),
    Fault(
        "500",
        "responds with 500; over gRPC INTERNAL",
        stages.answers(500, "INTERNAL", "disk full"),
        {
            "http": _says("status", reason="500 Internal Server Error: disk full"),
            "grpc": _says("status", reason="INTERNAL: disk full"),
        },
    ),
    Fault(
        "503",
        "responds with 503; over gRPC UNAVAILABLE",
        stages.answers(503, "UNAVAILABLE", "starting"),
        {
            # The last of its attempts may have no time for an answer.
            "http": _says("status", "timeout", reason="503 Service Unavailable: starting"),
            "grpc": _says("status", "timeout", reason="UNAVAILABLE: starting"),
        },
        timeout=2.0,
    ),
    Fault(
        "reset mid-response",
        "begins to respond and resets the connection",
        stages.raw(lambda family: stages.after_request(family, stages.reset)),
        {
            # The last of its attempts may have no time for an answer.
            "http": _says("disconnected", "timeout", reason="connection ended|closed"),
            "grpc": _says("disconnected", "timeout", reason="was lost|closed"),
        },
        timeout=2.0,
    ),
    Fault(
        "garbage response",
        "responds with bytes of no protocol",
        stages.raw(stages.garbage),
        {
            "http": _says("protocol", reason="the response is not HTTP"),
            "grpc": _says("protocol", reason="does not speak gRPC"),
        },
    ),
    Fault(
        "TLS wrong CA",
        "has a certificate of another authority than the configured one",
        lambda scene: stages.tls(scene, scene.other_certificates.ca_file),
        {
            "http": _says("tls", reason="certificate is not trusted"),
            "grpc": _says("tls", reason="certificate is not trusted"),
        },
    ),
    Fault(
        "plaintext to TLS",
        "expects TLS where plaintext is configured",
        lambda scene: stages.tls(scene, None),
        {
            # The last of its attempts may have no time for an answer.
            "http": _says("protocol", "disconnected", "timeout", reason="TLS|closed the conn"),
            "grpc": _says("disconnected", "timeout", reason="it may expect TLS"),
        },
        timeout=2.0,
    ),
    Fault(
        "dies and comes back",
        "is healthy, down, and healthy again",
        stages.dies_and_comes_back,
        {
            "http": _says("refused", reason="nothing listens on"),
            "grpc": _says("refused", "disconnected", reason="nothing listens on|was lost"),
            "udp": _says("refused", reason="nothing listens on"),
        },
        timeout=2.0,
        recovers=True,
    ),
)
"""All of them, in the order of the page."""
