"""gevent and eventlet, and what spans are sent to from processes that they patch."""

from __future__ import annotations

import pytest

from ..hostile import FAULTS
from ..transports import TRANSPORTS

__all__ = ["ANSWERING", "HANGS", "LIBRARIES", "OTLP_GRPC", "OTLP_HTTP", "UDP", "require"]

LIBRARIES = ("gevent", "eventlet")
OTLP_HTTP, OTLP_GRPC = TRANSPORTS[:2]
UDP = TRANSPORTS[-1]

# Not over UDP, of which a receiver may miss some.
ANSWERING = [transport for transport in TRANSPORTS if transport is not UDP]
(HANGS,) = [fault for fault in FAULTS if fault.name == "accepts and hangs"]


def require(library: str) -> str:
    """Skip the test where a library is not installed."""
    pytest.importorskip(library, reason=f"{library} is not installed")
    return library
