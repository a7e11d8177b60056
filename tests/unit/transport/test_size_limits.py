"""What receivers say of a message that is too large, and of other limits."""

from __future__ import annotations

import pytest

from bentotrace.transport._size_limits import blames_size

SIZE = """\
grpc: received message larger than max (5 vs. 4)
grpc: received message after decompression larger than max 4194304
SERVER: Received message larger than max (5 vs. 4)
gRPC message exceeds maximum size 4: 5
Decompressed gRPC message exceeds maximum size 4
Received message exceeds the maximum configured message size.
Error, decoded message length too large: found 5 bytes, the limit is: 4 bytes
Received message that decompresses to a size larger than 4
message size 10 is larger than configured max 4
http: request body too large
Request Entity Too Large
Request body exceeded settings.DATA_UPLOAD_MAX_MEMORY_SIZE.
Maximum request length exceeded.
Request body too large. The max request body size is 30000000 bytes.
failed to read body: payload exceeds the limit of 1048576 bytes
too many spans in one request
Request size limit exceeded
Your request was larger than 5242880 bytes"""
OTHER = """\
Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute'
RATE_LIMITED: ingestion rate limit (local: 15000000 bytes) exceeded while adding 10 bytes
Maximum request rate exceeded
monthly limit of 10000000 bytes exceeded
Maximum number of concurrent requests of 100 bytes exceeded
Request Header Or Cookie Too Large
Request-URI Too Long
Request Line is too large (5000 > 4094)
grpc: trying to send message larger than max (5 vs. 4)
Sending message exceeds the maximum configured message size.
Error, encoded message length too large: found 5 bytes, the limit is: 4 bytes
CLIENT: Received message larger than max (5 vs. 4)
the request exceeded the time limit"""
NOTHING = """\

slow down
data refused due to high memory usage
sending queue is full
invalid request body
memory limit exceeded"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((text, True) for text in SIZE.split("\n")),
        *((text, False) for text in OTHER.split("\n")),
        *((text, None) for text in NOTHING.split("\n")),
    ],
)
def test_a_reason_is_recognized_whatever_the_implementation(
    text: str, expected: bool | None
) -> None:
    assert blames_size(text) is expected
