"""The base class of all receivers, what they keep, and what their decoders share."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeVar

from attrs import field, frozen

__all__ = [
    "Family",
    "ReceivedEvent",
    "ReceivedLink",
    "ReceivedSpan",
    "Receiver",
    "Rejected",
    "Request",
    "SpanKind",
    "SpanStatus",
    "identifier",
    "join_headers",
    "parse_protobuf",
    "take_fields",
]

_Self = TypeVar("_Self", bound="Receiver")
Family = Literal["http", "grpc", "udp", "tcp"]
"""What carries the spans."""

SpanKind = Literal["internal", "server", "client", "producer", "consumer"]
"""The kinds of spans, as OpenTelemetry's names in lower case."""

SpanStatus = Literal["unset", "ok", "error"]
"""The status codes of spans, as OpenTelemetry's names in lower case."""

_STATUSES: Mapping[Any, SpanStatus] = {"OK": "ok", "ERROR": "error"}


@frozen
class ReceivedEvent:
    """An event of a span.

    Attributes:
        name: empty where the wire has none.
        time_ns: nanoseconds since the epoch, to the precision of the wire.
        attributes: typed values, as the wire carries them.
        dropped_attributes: the number that the sender reports as dropped; only in OTLP.
    """

    name: str
    time_ns: int
    attributes: dict[str, Any] = field(factory=dict)
    dropped_attributes: int = 0


@frozen
class ReceivedLink:
    """A link of a span; only OTLP carries more than the two ids.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        attributes: typed values.
        trace_state: the W3C header's text.
        dropped_attributes: number that the sender reports as dropped.
    """

    trace_id: str
    span_id: str
    attributes: dict[str, Any] = field(factory=dict)
    trace_state: str = ""
    dropped_attributes: int = 0


@frozen(kw_only=True)
class ReceivedSpan:
    """A span as it arrived, in one shape for every wire format.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        parent_id: 16 hexadecimal digits; None for a root.
        name: the span's name.
        kind: "internal" where the wire has none.
        start_ns: nanoseconds since the epoch, to the precision of the wire (Thrift and Zipkin
            carry microseconds).
        end_ns: the same; start and duration added where the wire carries those.
        attributes: typed values, as the wire carries them: OTLP's arrays are tuples and its
            key-value lists dicts, Jaeger's sequences are JSON text, all of Zipkin's are text.
            Tags that are fields here are not among them.
        events: in the order of the wire.
        links: in the order of the wire.
        status: "unset" where the wire has none.
        status_description: empty where there is none.
        service_name: empty where the wire has none.
        resource: the resource's attributes, ``service.name`` included. Zipkin mixes all others
            with the span's attributes, and there they stay.
        scope_name: the name of the instrumentation scope.
        scope_version: its version; both are empty where the wire has none.
        trace_state: the W3C header's text.
        dropped_attributes: the number that the sender reports as dropped.
        dropped_events: the same, of events.
        dropped_links: the same, of links.
        raw: the decoded span itself: a protobuf message, or a dict for Thrift and JSON.
    """

    trace_id: str
    span_id: str
    parent_id: str | None = None
    name: str
    kind: SpanKind = "internal"
    start_ns: int
    end_ns: int
    attributes: dict[str, Any] = field(factory=dict)
    events: tuple[ReceivedEvent, ...] = ()
    links: tuple[ReceivedLink, ...] = ()
    status: SpanStatus = "unset"
    status_description: str = ""
    service_name: str = ""
    resource: dict[str, Any] = field(factory=dict)
    scope_name: str = ""
    scope_version: str = ""
    trace_state: str = ""
    dropped_attributes: int = 0
    dropped_events: int = 0
    dropped_links: int = 0
    raw: Any = field(default=None, repr=False, eq=False)


@frozen(kw_only=True)
class Request:
    """A request, or a datagram, as it arrived.

    Attributes:
        path: the HTTP path with its query, the gRPC method, or the Thrift message's name.
        headers: HTTP headers or gRPC metadata, names in lower case, binary values in base64;
            empty for UDP.
        body_size: bytes of the body on the wire; for gRPC those of the message, decompressed.
        encoding: the content encoding, as "gzip"; empty for none, and for gRPC, which hides it.
        span_count: the number of spans, rejected ones included; 0 when it could not be decoded.
        status: of the response: the HTTP status or the number of the gRPC code; 0 for UDP.
        body: the body as it was on the wire, for gRPC decompressed; empty when it was too large.
    """

    path: str
    headers: dict[str, str] = field(factory=dict)
    body_size: int
    encoding: str = ""
    span_count: int
    status: int
    body: bytes = field(default=b"", repr=False)


@frozen
class Rejected:
    """A request that could not be decoded.

    Attributes:
        path: as in :class:`Request`; empty when the connection failed before the request.
        reason: why not.
        body: as it was on the wire.
    """

    path: str
    reason: str
    body: bytes = field(default=b"", repr=False)


class Receiver(ABC):
    """A server that listens until :meth:`close`; a context manager; thread-safe.

    Attributes:
        host: the address it listens on.
        port: the port it listens on.
        family: what carries the spans; "tcp" is a protocol of its own over TCP.
        beginning: the beginning of a response in that protocol, for faults of "tcp".
    """

    family: ClassVar[Family]
    beginning: ClassVar[bytes] = b""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._arrived = threading.Condition()
        self._spans: list[ReceivedSpan] = []
        self._requests: list[Request] = []
        self._errors: list[Rejected] = []
        self._closing = threading.Event()
        self._scripted: deque[Any] = deque()

    @property
    def address(self) -> str:
        """``host:port``, an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    @abstractmethod
    def endpoint(self) -> str:
        """The endpoint to configure in an exporter."""

    @property
    def spans(self) -> list[ReceivedSpan]:
        """The spans so far, in the order of arrival."""
        with self._arrived:
            return list(self._spans)

    @property
    def requests(self) -> list[Request]:
        """The requests so far, rejected ones included."""
        with self._arrived:
            return list(self._requests)

    @property
    def errors(self) -> list[Rejected]:
        """The requests that could not be decoded so far."""
        with self._arrived:
            return list(self._errors)

    def wait(self, count: int, timeout: float = 5.0) -> list[ReceivedSpan]:
        """Wait until at least ``count`` spans have arrived, and return all of them.

        Args:
            count: the number of spans.
            timeout: seconds to wait.

        Raises:
            TimeoutError: fewer arrived; it names their number and the last error.
        """
        end = time.monotonic() + timeout
        with self._arrived:
            while len(self._spans) < count:
                left = end - time.monotonic()
                if left <= 0:
                    text = (
                        f"{len(self._spans)} of {count} spans arrived at {self.endpoint} within "
                        f"{timeout:g} s, in {len(self._requests)} requests"
                    )
                    if self._errors:
                        text += (
                            f"; {len(self._errors)} could not be decoded; the last: "
                            f"{self._errors[-1].reason}"
                        )
                    raise TimeoutError(text)
                self._arrived.wait(left)
            return list(self._spans)

    def clear(self) -> None:
        """Delete all spans, requests and errors."""
        with self._arrived:
            self._spans.clear()
            self._requests.clear()
            self._errors.clear()

    def close(self) -> None:
        """Stop listening and end the threads; idempotent. Spans and requests stay readable."""
        with self._arrived:
            if self._closing.is_set():
                return
            self._closing.set()
        self.stop()

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self.endpoint}, {len(self._spans)} spans>"

    @abstractmethod
    def stop(self) -> None:
        """Close the sockets and join the threads; :meth:`close` calls it once."""

    def _next_scripted(self) -> Any:
        """Return the scripted response to the next request; None when there is none."""
        try:
            return self._scripted.popleft()
        except IndexError:
            return None

    def store(self, request: Request, spans: Sequence[ReceivedSpan]) -> None:
        """Keep a request and its spans; for receivers of a protocol of their own."""
        with self._arrived:
            self._requests.append(request)
            self._spans.extend(spans)
            self._arrived.notify_all()

    def reject(self, path: str, reason: str, body: bytes = b"") -> None:
        """Keep a request that could not be decoded, with the reason."""
        with self._arrived:
            self._errors.append(Rejected(path, reason, body))


def join_headers(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers as a mapping; the values of one name are joined by commas."""
    headers: dict[str, str] = {}
    for name, value in pairs:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def take_fields(tags: dict[str, Any]) -> dict[str, Any]:
    """Remove the tags that are fields of :class:`ReceivedSpan` from ``tags``, and return these.

    The tags' names are those of OpenTelemetry's transformation rules to non-OTLP formats.

    Raises:
        ValueError: a tag that is a field has an invalid value.
    """
    status: SpanStatus = "unset"
    if "otel.status_code" in tags:
        code = tags.pop("otel.status_code")
        if code not in _STATUSES:
            raise ValueError(f"the tag otel.status_code is {code!r}, expected 'OK' or 'ERROR'")
        status = _STATUSES[code]
    return {
        "status": status,
        "scope_name": _take_twins(tags, "name"),
        "scope_version": _take_twins(tags, "version"),
        "dropped_attributes": _take_count(tags, "otel.dropped_attributes_count"),
        "dropped_events": _take_count(tags, "otel.dropped_events_count"),
        "dropped_links": _take_count(tags, "otel.dropped_links_count"),
    }


def _take_twins(tags: dict[str, Any], part: str) -> str:
    """Remove a scope's tag and its deprecated twin, which must be equal."""
    deprecated = tags.pop(f"otel.library.{part}", None)
    value = tags.pop(f"otel.scope.{part}", deprecated)
    if deprecated is not None and deprecated != value:
        raise ValueError(f"otel.scope.{part} is {value!r}, but otel.library.{part} {deprecated!r}")
    if value is not None and not isinstance(value, str):
        raise ValueError(f"the tag otel.scope.{part} is {value!r}, expected a string")
    return value or ""


def _take_count(tags: dict[str, Any], key: str) -> int:
    """Remove a count: an integer, or its digits where all tags are strings."""
    value = tags.pop(key, 0)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"the tag {key} is {value!r}, expected a count")
    return value


def identifier(value: bytes, size: int, name: str) -> str:
    """Return an id of ``size`` bytes as hexadecimal digits.

    Raises:
        ValueError: it has another size, or is zero.
    """
    if len(value) != size or not any(value):
        raise ValueError(f"{name} is {value.hex()!r}, expected {size} bytes that are not all zero")
    return value.hex()


def parse_protobuf(message: Any, body: bytes) -> None:
    """Parse ``body`` into an empty message of the protobuf library, whatever its version.

    Raises:
        ValueError: it is malformed.
    """
    from google.protobuf.message import (
        DecodeError,
    )

    name = message.DESCRIPTOR.name
    try:
        # For some malformed messages protobuf 3.20 only warns, and stops before their end; where
        # warnings are errors that is a SystemError.
        size = message.MergeFromString(body)
    except (DecodeError, SystemError) as error:
        raise ValueError(f"not a {name}: {error}") from error
    if size != len(body):
        raise ValueError(f"not a {name}: malformed after {size} of {len(body)} bytes")
