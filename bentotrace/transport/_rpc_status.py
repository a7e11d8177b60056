"""Reading ``google.rpc.Status``: why a receiver refuses a message, and when to try again.

gRPC carries it in the trailer ``grpc-status-details-bin``, OTLP over HTTP in the body of an error
response. Source of the numbers: google/rpc/status.proto and google/rpc/error_details.proto.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from bentotrace.encoding import read_fields

__all__ = ["RPCStatus", "read_rpc_status"]

_VARINT, _LENGTH = 0, 2
_RETRY_INFO = b"google.rpc.RetryInfo"


class RPCStatus(NamedTuple):
    """The content of a ``google.rpc.Status``.

    Attributes:
        message: the receiver's message.
        retry_delay: seconds to wait before the next attempt; None without a RetryInfo.
    """

    message: str = ""
    retry_delay: float | None = None


def read_rpc_status(data: bytes) -> RPCStatus:
    """Parse a serialized ``google.rpc.Status``.

    Raises:
        ValueError: the bytes are not such a message.
    """
    message, retry_delay = "", None
    for number, wire_type, value in read_fields(data):
        if wire_type == _LENGTH and isinstance(value, bytes):
            if number == 2:
                message = value.decode("utf-8", "replace")
            elif number == 3:
                detail = _last_values(value)
                if detail.get((1, _LENGTH), b"").rpartition(b"/")[2] == _RETRY_INFO:
                    retry_delay = _read_retry_delay(detail.get((2, _LENGTH), b""))
    return RPCStatus(message, retry_delay)


def _read_retry_delay(data: bytes) -> float:
    """Return the seconds of a RetryInfo's Duration."""
    duration = _last_values(_last_values(data).get((1, _LENGTH), b""))
    seconds, nanoseconds = (
        number - (1 << 64) if number >> 63 else number
        for number in (duration.get((1, _VARINT), 0), duration.get((2, _VARINT), 0))
    )
    return max(0.0, float(seconds + nanoseconds / 1e9))


def _last_values(data: bytes) -> dict[tuple[int, int], Any]:
    """Return the fields of a message by number and wire type."""
    return {(number, wire_type): value for number, wire_type, value in read_fields(data)}
