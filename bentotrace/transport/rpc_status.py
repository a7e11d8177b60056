"""Reading ``google.rpc.Status``: what a receiver says when it does not take a message.

gRPC carries it in the trailer ``grpc-status-details-bin``, OTLP over HTTP in the body of an error
response. Source of the numbers: google/rpc/status.proto and google/rpc/error_details.proto.
"""

from __future__ import annotations

from typing import NamedTuple

from bentotrace.transport.protobuf import LENGTH, VARINT, read_fields

__all__ = ["RPCStatus", "read_rpc_status"]

_RETRY_INFO = b"google.rpc.RetryInfo"
_INT64 = 1 << 64


class RPCStatus(NamedTuple):
    """What a ``google.rpc.Status`` says.

    Attributes:
        message: the receiver's own words.
        retry_delay: seconds to wait before the next attempt, None when it does not invite one.
    """

    message: str = ""
    retry_delay: float | None = None


def read_rpc_status(data: bytes) -> RPCStatus:
    """Return what a serialized ``google.rpc.Status`` says.

    Raises:
        ValueError: the bytes are no such message.
    """
    message = ""
    retry_delay = None
    for number, wire_type, value in read_fields(data):
        if number == 2 and wire_type == LENGTH:
            message = _bytes(value).decode("utf-8", "replace")
        elif number == 3 and wire_type == LENGTH:
            delay = _read_retry_info(_bytes(value))
            retry_delay = delay if delay is not None else retry_delay
    return RPCStatus(message, retry_delay)


def _read_retry_info(data: bytes) -> float | None:
    """Return the delay of an ``Any`` that holds a RetryInfo, None for any other."""
    type_url, content = b"", b""
    for number, wire_type, value in read_fields(data):
        if wire_type == LENGTH and number == 1:
            type_url = _bytes(value)
        elif wire_type == LENGTH and number == 2:
            content = _bytes(value)
    if type_url.rpartition(b"/")[2] != _RETRY_INFO:
        return None
    delay = 0.0
    for number, wire_type, value in read_fields(content):
        if number == 1 and wire_type == LENGTH:
            delay = _read_duration(_bytes(value))
    return delay


def _read_duration(data: bytes) -> float:
    seconds = 0.0
    for number, wire_type, value in read_fields(data):
        if wire_type == VARINT and isinstance(value, int):
            signed = value - _INT64 if value >> 63 else value
            seconds += signed if number == 1 else signed / 1e9 if number == 2 else 0
    return max(0.0, seconds)


def _bytes(value: int | bytes) -> bytes:
    return value if isinstance(value, bytes) else b""
