"""Where a real server of the end-to-end tests listens, and how to ask it for traces."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import urllib3
from attrs import field, frozen

_POLL_INTERVAL = 0.05
_REQUEST_TIMEOUT = 5.0

T = TypeVar("T")


def parse_location(text: str, ports: Iterable[str]) -> tuple[str, dict[str, int]]:
    """Read where a running server is: ``HOST [NAME=PORT ...]``, separated by spaces or commas.

    Args:
        text: For example ``127.0.0.1`` or ``jaeger.test otlp_http=14318 query=26686``.
        ports: The names that may be given a port.

    Raises:
        ValueError: No host, a name that is not in ``ports``, or a port that is not a port.
    """
    words = text.replace(",", " ").split()
    if not words or "=" in words[0]:
        raise ValueError(f"{text!r}: expected HOST [NAME=PORT ...]")
    known = sorted(ports)
    given: dict[str, int] = {}
    for word in words[1:]:
        name, _, port = word.partition("=")
        if name not in known:
            raise ValueError(f"{text!r}: {name!r} is not one of {', '.join(known)}")
        if not (port.isdecimal() and 0 < int(port) < 65536):
            raise ValueError(f"{text!r}: {word!r} names no port from 1 to 65535")
        given[name] = int(port)
    return words[0], given


def get(url: str, **fields: str) -> tuple[int, bytes]:
    """GET a URL on a connection of its own; return the status and the body."""
    with urllib3.PoolManager(retries=False, timeout=_REQUEST_TIMEOUT) as http:
        response = http.request("GET", url, fields=fields or None)
        return response.status, response.data


def poll(fetch: Callable[[], T], ready: Callable[[T], bool], *, within: float) -> T:
    """Fetch until the answer is ready or the seconds are over; return the last answer either way."""
    deadline = time.monotonic() + within
    while True:
        answer = fetch()
        if ready(answer) or time.monotonic() >= deadline:
            return answer
        time.sleep(_POLL_INTERVAL)


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _document(url: str, status: int, body: bytes) -> Any:
    if status != 200:
        raise AssertionError(f"{url} answered {status}: {body.decode('utf-8', 'replace')}")
    return json.loads(body)


def _check_count(trace_id: str, names: list[str], spans: int | None, within: float) -> None:
    if not names if spans is None else len(names) != spans:
        wanted = "any span" if spans is None else f"{spans} spans"
        raise AssertionError(
            f"trace {trace_id}: waited {within:g} s for {wanted}, the server has {len(names)}: "
            f"{', '.join(sorted(names))}"
        )


@frozen(order=True)
class Tag:
    """A key and a value with the type Jaeger gives it.

    ``type`` is ``string``, ``bool``, ``int64``, ``float64`` or ``binary``. An ``int64`` beyond
    2**53 is a decimal string in Jaeger's JSON: it is an int here.
    """

    key: str
    type: str
    value: Any = field(order=repr)

    @classmethod
    def from_json(cls, tag: Mapping[str, Any]) -> Tag:
        """Read one element of ``tags`` or ``fields``."""
        value = tag["value"]
        if tag["type"] in ("int64", "float64"):
            value = int(value) if tag["type"] == "int64" else float(value)
        return cls(tag["key"], tag["type"], value)


@frozen
class Reference:
    """A span's reference to another: ``CHILD_OF`` or ``FOLLOWS_FROM``, and full ids in hex."""

    type: str
    trace_id: str
    span_id: str


@frozen
class Log:
    """What Jaeger makes of an event; ``timestamp`` in microseconds, ``fields`` sorted by key."""

    timestamp: int
    fields: tuple[Tag, ...]


@frozen
class JaegerSpan:
    """A span as Jaeger's query API gives it; times in microseconds, tags sorted by key.

    Jaeger shortens a trace id whose high half is zero to 16 digits: it has 32 here.
    """

    trace_id: str
    span_id: str
    name: str
    references: tuple[Reference, ...]
    start: int
    duration: int
    tags: tuple[Tag, ...]
    logs: tuple[Log, ...]
    service: str
    process_tags: tuple[Tag, ...]
    warnings: tuple[str, ...]

    @classmethod
    def from_json(
        cls, span: Mapping[str, Any], processes: Mapping[str, Mapping[str, Any]]
    ) -> JaegerSpan:
        """Read one element of ``spans``, with the ``processes`` of its trace."""
        process = processes[span["processID"]]
        return cls(
            trace_id=span["traceID"].zfill(32),
            span_id=span["spanID"],
            name=span["operationName"],
            references=tuple(
                Reference(reference["refType"], reference["traceID"].zfill(32), reference["spanID"])
                for reference in span["references"]
            ),
            start=span["startTime"],
            duration=span["duration"],
            tags=_tags(span["tags"]),
            logs=tuple(Log(log["timestamp"], _tags(log["fields"])) for log in span["logs"]),
            service=process["serviceName"],
            process_tags=_tags(process.get("tags") or []),
            warnings=tuple(span["warnings"] or ()),
        )

    @property
    def parent_id(self) -> str | None:
        """The id of the parent within the trace; None for a root."""
        for reference in self.references:
            if reference.type == "CHILD_OF" and reference.trace_id == self.trace_id:
                return reference.span_id
        return None

    def tag(self, key: str) -> Tag:
        """Return the one tag of that key; an AssertionError where there is none or more."""
        found = [tag for tag in self.tags if tag.key == key]
        if len(found) != 1:
            raise AssertionError(f"span {self.name!r} has {len(found)} tags {key!r}: {self.tags}")
        return found[0]


def _tags(tags: Iterable[Mapping[str, Any]]) -> tuple[Tag, ...]:
    return tuple(sorted(Tag.from_json(tag) for tag in tags))


@frozen
class JaegerTrace:
    """The spans of one trace, by start time."""

    trace_id: str
    spans: tuple[JaegerSpan, ...]

    @classmethod
    def from_json(cls, trace: Mapping[str, Any]) -> JaegerTrace:
        """Read one element of the query API's ``data``."""
        spans = [JaegerSpan.from_json(span, trace["processes"]) for span in trace["spans"]]
        spans.sort(key=lambda span: (span.start, span.span_id))
        return cls(trace["traceID"].zfill(32), tuple(spans))

    def span(self, name: str) -> JaegerSpan:
        """Return the one span of that name; an AssertionError where there is none or more."""
        found = [span for span in self.spans if span.name == name]
        if len(found) != 1:
            names = ", ".join(sorted(span.name for span in self.spans))
            raise AssertionError(f"{len(found)} spans {name!r} among: {names}")
        return found[0]


@frozen
class Jaeger:
    """A running Jaeger v2; the ports' names are the ones ``BENTOTRACE_TEST_JAEGER`` takes."""

    host: str
    otlp_grpc: int = 4317
    otlp_http: int = 4318
    grpc: int = 14250
    thrift_http: int = 14268
    thrift_compact: int = 6831
    thrift_binary: int = 6832
    zipkin: int = 9411
    query: int = 16686

    def url(self, port: int) -> str:
        """Return the HTTP base URL of one of the ports, without a slash at the end."""
        return _url(self.host, port)

    def services(self) -> frozenset[str]:
        """Return the names of all services that the server has spans of."""
        return frozenset(self._get("/api/services") or ())

    def find(self, trace_id: str) -> JaegerTrace | None:
        """Return the trace as far as it has arrived; None where no span of it has."""
        url = f"{self.url(self.query)}/api/traces/{trace_id}"
        status, body = get(url)
        if status == 404:
            return None
        return JaegerTrace.from_json(_document(url, status, body)["data"][0])

    def trace(
        self, trace_id: str, *, spans: int | None = None, within: float = 10.0
    ) -> JaegerTrace:
        """Wait until the trace has so many spans (any, without ``spans``), and give it.

        Raises:
            AssertionError: Fewer after ``within`` seconds, or more.
        """
        trace = poll(
            lambda: self.find(trace_id),
            lambda trace: trace is not None and len(trace.spans) >= (spans or 1),
            within=within,
        )
        _check_count(trace_id, [span.name for span in trace.spans] if trace else [], spans, within)
        assert trace is not None
        return trace

    def traces(self, service: str) -> tuple[JaegerTrace, ...]:
        """Return every trace, up to 1500, in which the service has a span, now."""
        found = self._get("/api/traces", service=service, limit="1500")
        return tuple(JaegerTrace.from_json(trace) for trace in found or ())

    def _get(self, path: str, **fields: str) -> Any:
        url = self.url(self.query) + path
        return _document(url, *get(url, **fields))["data"]


@frozen
class Zipkin:
    """A running Zipkin; ``BENTOTRACE_TEST_ZIPKIN`` takes the name ``port``."""

    host: str
    port: int = 9411

    @property
    def url(self) -> str:
        """The HTTP base URL, without a slash at the end."""
        return _url(self.host, self.port)

    def services(self) -> frozenset[str]:
        """Return the names, in lower case, of all services that the server has spans of."""
        return frozenset(self._get("/api/v2/services"))

    def find(self, trace_id: str) -> tuple[dict[str, Any], ...]:
        """Return the trace's spans as far as they have arrived, as Zipkin v2 JSON objects."""
        url = f"{self.url}/api/v2/trace/{trace_id}"
        status, body = get(url)
        return () if status == 404 else tuple(_document(url, status, body))

    def trace(
        self, trace_id: str, *, spans: int | None = None, within: float = 10.0
    ) -> tuple[dict[str, Any], ...]:
        """Wait until the trace has so many spans (any, without ``spans``), and give them.

        Raises:
            AssertionError: Fewer after ``within`` seconds, or more.
        """
        found = poll(
            lambda: self.find(trace_id), lambda found: len(found) >= (spans or 1), within=within
        )
        _check_count(trace_id, [span.get("name", "") for span in found], spans, within)
        return found

    def traces(self, service: str) -> tuple[tuple[dict[str, Any], ...], ...]:
        """Return every trace of the last day, up to 1500, in which the service has a span, now."""
        found = self._get("/api/v2/traces", serviceName=service, limit="1500")
        return tuple(tuple(trace) for trace in found)

    def _get(self, path: str, **fields: str) -> Any:
        return _document(self.url + path, *get(self.url + path, **fields))
