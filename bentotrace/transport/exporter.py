"""The exporter of an encoder and a transport, and functions that build it from options."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from bentotrace.encoding import Repairs, group_by_resource
from bentotrace.redaction import Redaction
from bentotrace.transport.endpoint import ResolvedEndpoint
from bentotrace.transport.options import GRPCClientOptions, HTTPClientOptions
from bentotrace.transport.outcome import Outcome
from bentotrace.transport.splitting import explain_size, send_in_parts

__all__ = ["Encode", "OutcomeExporter", "RequestExporter", "grpc_exporter", "http_exporter"]

_T = TypeVar("_T")

Encode = Callable[[Sequence[ReadableSpan]], bytes]
"""Encodes spans as a message."""


class _Transport(Protocol):
    def send(self, body: bytes, *, timeout: float | None = None) -> Outcome: ...

    def close(self) -> None: ...


class _Context(Protocol):
    """The part of ``BuildContext`` that is used here; its module imports this package."""

    @property
    def timeout(self) -> float: ...

    @property
    def user_agent(self) -> str: ...

    @property
    def redaction(self) -> Redaction: ...

    @property
    def report(self) -> Callable[[Outcome, int], None]: ...

    @property
    def drop(self) -> Callable[[int, str], None]: ...

    @property
    def logger(self) -> logging.Logger: ...

    def report_retry(self, outcome: Outcome) -> None: ...


class OutcomeExporter(SpanExporter, ABC):
    """An exporter that reports the outcome of every request; a subclass yields them."""

    def __init__(self, context: _Context, close: Callable[[], None]) -> None:
        self._context = context
        self._close = close
        self._repairs = Repairs(context.logger)

    @abstractmethod
    def export_outcomes(self, spans: Sequence[ReadableSpan]) -> Iterator[tuple[Outcome, int]]:
        """Send a batch; yield the outcome of each request as it ends, and its number of spans.

        Failed attempts that are retried go to ``context.report_retry``.
        """

    def encode_groups(
        self,
        spans: Sequence[ReadableSpan],
        encode: Callable[[Sequence[ReadableSpan]], _T],
        *,
        by_resource: bool,
    ) -> list[tuple[Sequence[ReadableSpan], _T]]:
        """Encode a batch, as one group or one per resource.

        If a span cannot be encoded, all are repaired; one that cannot be repaired is dropped.
        """
        group_spans = group_by_resource if by_resource else (lambda spans: [spans])
        try:
            return [(group, encode(group)) for group in group_spans(spans)]
        except Exception:
            # Caused by a span; a second exception is the encoder's fault.
            repaired = self._repairs.repair(spans)
            if repaired.lost:
                self._context.drop(repaired.lost, "invalid span")
            good = repaired.spans
            return [(group, encode(group)) for group in group_spans(good)] if good else []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch; report the outcome of each request to the context."""
        sent = True
        for outcome, number in self.export_outcomes(spans):
            self._context.report(outcome, number)
            sent &= outcome.ok
        return SpanExportResult.SUCCESS if sent else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Close the transport; a running request fails."""
        self._close()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Return True, since an exporter keeps no spans."""
        return True


class RequestExporter(OutcomeExporter):
    """Sends each batch in one request, or in several if that is too large.

    Args:
        encode: encodes spans as a message.
        transport: sends a message.
        context: the context of the plugin's ``create``.
        by_resource: whether spans of different resources need separate requests.
        judge: corrects an outcome by the receiver's response.
    """

    def __init__(
        self,
        encode: Encode,
        transport: _Transport,
        context: _Context,
        *,
        by_resource: bool = False,
        judge: Callable[[Outcome], Outcome] | None = None,
    ) -> None:
        super().__init__(context, transport.close)
        self._encode = encode
        self._transport = transport
        self._by_resource = by_resource
        self._judge = judge

    def export_outcomes(self, spans: Sequence[ReadableSpan]) -> Iterator[tuple[Outcome, int]]:
        """Send a batch; yield the outcome of each request as it ends, and its number of spans."""
        for group, body in self.encode_groups(spans, self._encode, by_resource=self._by_resource):
            yield from self._send(group, body)

    def _send(self, group: Sequence[ReadableSpan], whole: bytes) -> Iterator[tuple[Outcome, int]]:
        def send(part: Sequence[ReadableSpan], timeout: float) -> Outcome:
            body = whole if part is group else self._encode(part)
            outcome = self._transport.send(body, timeout=timeout)
            if self._judge is not None:
                outcome = self._judge(outcome)
            return explain_size(outcome, part, len(body))

        for outcome, part in send_in_parts(group, send, timeout=self._context.timeout):
            yield outcome, len(part)


def http_exporter(
    encode: Encode,
    url: str,
    options: HTTPClientOptions,
    context: _Context,
    *,
    content_type: str,
    compression: Literal["gzip", "none"] = "none",
    headers: Mapping[str, str] | None = None,
    retried_statuses: Collection[int] | None = None,
    **settings: Any,
) -> RequestExporter:
    """Build an exporter that posts to one URL; open nothing.

    The headers of the options override ``headers``; ``retried_statuses`` are the transport's,
    ``settings`` those of :class:`RequestExporter`.
    """
    from bentotrace.transport.http import HTTPTransport

    transport = HTTPTransport(
        url,
        headers={**(headers or {}), **options.headers},
        timeout=context.timeout,
        compression=compression,
        tls=options.tls(),
        user_agent=context.user_agent,
        on_retry=context.report_retry,
        redaction=context.redaction,
        content_type=content_type,
        retried_statuses=retried_statuses,
    )
    return RequestExporter(encode, transport, context, **settings)


def grpc_exporter(
    encode: Encode,
    endpoint: ResolvedEndpoint,
    method: str,
    options: GRPCClientOptions,
    context: _Context,
    *,
    compression: Literal["gzip", "none"] = "none",
    headers: Mapping[str, str] | None = None,
    retried_statuses: Collection[str] | None = None,
    **settings: Any,
) -> RequestExporter:
    """Build an exporter that calls ``/package.Service/Method``; open nothing.

    The headers of the options override ``headers``; ``retried_statuses`` are the transport's,
    ``settings`` those of :class:`RequestExporter`.
    """
    from bentotrace.transport.grpc import GRPCTransport

    transport = GRPCTransport(
        endpoint.address,
        method,
        headers={**(headers or {}), **options.headers},
        timeout=context.timeout,
        compression=compression,
        tls=options.tls() if endpoint.tls else None,
        load_balancing=options.load_balancing,
        user_agent=context.user_agent,
        on_retry=context.report_retry,
        redaction=context.redaction,
        retried_statuses=retried_statuses,
    )
    return RequestExporter(encode, transport, context, **settings)
