from __future__ import annotations

import pytest

from bentotrace.transport._rpc_status import RPCStatus, read_rpc_status

from ...messages import length_delimited, varint

error_details = pytest.importorskip(
    "google.rpc.error_details_pb2", reason="googleapis-common-protos writes what we read"
)
status_pb2 = pytest.importorskip(
    "google.rpc.status_pb2", reason="googleapis-common-protos writes what we read"
)


def status(message: str = "", *details: object) -> bytes:
    written = status_pb2.Status(code=8, message=message)
    for detail in details:
        written.details.add().Pack(detail)
    return bytes(written.SerializeToString())


def retry_info(seconds: int, nanos: int = 0) -> object:
    info = error_details.RetryInfo()
    info.retry_delay.seconds = seconds
    info.retry_delay.nanos = nanos
    return info


def test_the_message_is_read() -> None:
    assert read_rpc_status(status("too much")) == RPCStatus("too much", None)


def test_the_delay_of_a_retry_info_is_read() -> None:
    assert read_rpc_status(status("", retry_info(2, 500_000_000))).retry_delay == 2.5


def test_a_retry_info_is_found_among_other_details() -> None:
    other = error_details.DebugInfo(detail="stack")
    assert read_rpc_status(status("", other, retry_info(1))).retry_delay == 1
    assert read_rpc_status(status("", retry_info(1), other)).retry_delay == 1


def test_a_retry_info_without_a_delay_invites_at_once() -> None:
    assert read_rpc_status(status("", error_details.RetryInfo())).retry_delay == 0


def test_a_negative_delay_is_none_at_all() -> None:
    assert read_rpc_status(status("", retry_info(-5))).retry_delay == 0


def test_an_empty_status_says_nothing() -> None:
    assert read_rpc_status(b"") == RPCStatus("", None)


def test_another_detail_of_the_same_shape_is_no_retry_info() -> None:
    detail = length_delimited(1, b"type.googleapis.com/other.Info") + length_delimited(
        2, length_delimited(1, b"\x08" + varint(9))
    )
    assert read_rpc_status(length_delimited(3, detail)).retry_delay is None


def test_garbage_is_refused() -> None:
    with pytest.raises(ValueError, match="message ends"):
        read_rpc_status(b"\x12\xff")
