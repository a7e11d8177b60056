"""A plugin of somebody else, and its backend: a database with an HTTP interface."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from typing import Any

from attrs import frozen
from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace.hookspecs import hookimpl
from bentotrace.plugin import URL, Address, BuildContext, Check, ExporterPlugin, Target, option
from bentotrace.testing import HTTPReceiver, ReceivedSpan
from bentotrace.transport import Outcome
from bentotrace.transport.endpoint import resolve_url
from bentotrace.transport.exporter import http_exporter
from bentotrace.transport.options import HTTPClientOptions


class AcmeReceiver(HTTPReceiver):
    path = "/spans"
    content_types = frozenset({"text/plain"})

    def decode(self, body: bytes) -> list[ReceivedSpan]:
        return []

    @property
    def paths(self) -> list[str]:
        """The paths of all requests, of any method."""
        return [request.path for request in self.requests]


@frozen
class AcmeOptions(HTTPClientOptions):
    endpoint: Address = option(default=Address("http://localhost:8123"), kind=URL, help="Where.")
    token: str | None = option(default=None, secret=True, help="The token.")

    @property
    def url(self) -> str:
        return resolve_url(self.endpoint, example="http://localhost:8123", path="/spans").address


def create(options: AcmeOptions, context: BuildContext) -> SpanExporter:
    return http_exporter(
        lambda spans: b"%d" % len(spans),
        options.url,
        options,
        context,
        content_type="text/plain",
        headers={} if options.token is None else {"Authorization": f"Bearer {options.token}"},
    )


def acme(
    name: str = "acme",
    advise: Callable[[Any, Outcome], str | None] | None = None,
    checks: Callable[[Any, BuildContext], Iterable[Check]] | None = None,
    credentials: tuple[str, ...] = ("token",),
) -> types.ModuleType:
    """Return the plugin's module."""

    @hookimpl
    def bentotrace_exporter() -> ExporterPlugin:
        return ExporterPlugin(
            name=name,
            config=AcmeOptions,
            create=create,
            summary="Acme",
            target=lambda options: Target("http", options.url),
            credentials=credentials,
            advise=advise,
            checks=checks,
        )

    module = types.ModuleType("acme")
    module.bentotrace_exporter = bentotrace_exporter  # type: ignore[attr-defined]
    return module
