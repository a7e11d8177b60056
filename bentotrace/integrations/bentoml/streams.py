"""What the span of a request shows of a response that is sent in chunks."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncGenerator, MutableMapping
from contextlib import aclosing
from typing import Any

from opentelemetry import trace as trace_api

from bentotrace.integrations._requests import Receive, Send
from bentotrace.integrations.bentoml.spans import record_error

__all__ = ["Stream", "record_errors"]


class Stream:
    """The response to one request, measured while it is sent.

    A response whose length is known before it is sent gets no attribute.
    """

    def __init__(self, span: trace_api.Span, receive: Receive, send: Send) -> None:
        self._span = span
        self._receive = receive
        self._send = send
        self._began = time.perf_counter()
        self._has_length = False
        self._chunks = 0
        self._first = 0.0
        self._ended = False

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Send a message, and count it if it is a chunk."""
        if message["type"] == "http.response.start":
            self._has_length = any(
                name.lower() == b"content-length" for name, _ in message.get("headers", ())
            )
            if message["status"] >= 500:
                # A mounted application responds first, and raises after the span has ended.
                error = sys.exc_info()[1]
                if isinstance(error, Exception):
                    record_error(self._span, error)
        elif message["type"] == "http.response.body" and not self._ended:
            more = not self._has_length and bool(message.get("more_body"))
            if message.get("body") and (more or self._chunks):
                if not self._chunks:
                    self._first = time.perf_counter() - self._began
                self._chunks += 1
            if not more:
                # OpenTelemetry's middleware ends the span when this message is sent.
                self.end()
        await self._send(message)

    async def receive(self) -> MutableMapping[str, Any]:
        """Receive a message, and end the span if it is that the client has left."""
        message = await self._receive()
        if message["type"] == "http.disconnect" and self._chunks and not self._ended:
            # BentoML waits for the next chunk of a generator that is not asynchronous.
            self._span.set_attribute("bentoml.stream.client_left", True)
            self.end()
            self._span.end()
        return message

    def end(self) -> None:
        """Add what was measured to the span, unless that has happened."""
        if self._chunks and not self._ended:
            self._span.set_attributes(
                {
                    "bentoml.stream.chunks": self._chunks,
                    "bentoml.stream.time_to_first_chunk": self._first,
                }
            )
        self._ended = True


async def record_errors(chunks: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, None]:
    """Yield the chunks of a method, and record its exception, which BentoML only logs.

    The generator is closed with this one, so spans within it end when the client leaves.
    """
    span = trace_api.get_current_span()
    first = True
    async with aclosing(chunks):
        try:
            async for chunk in chunks:
                yield chunk
                first = False
        except Exception as error:
            if not first:
                record_error(span, error)
            raise
