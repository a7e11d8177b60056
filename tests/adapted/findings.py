"""The published exporters, and the duties that they do not keep."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """A duty that an exporter does not keep.

    Attributes:
        duty: the name of its test, without ``test_``.
        says: a part of the kit's message, of each case.
        line: what this means to a user.
        cases: the failures or faults for which it does not keep the duty; "" for a single test.
    """

    duty: str
    says: str
    line: str
    cases: frozenset[str] = frozenset({""})


class Exporter(NamedTuple):
    """An exporter, its distribution, and the class in ``kit.py``."""

    name: str
    requirement: str
    test: str
    findings: tuple[Finding, ...]


_ODD = "odd_values_lose_no_other_span"
_TIMEOUT = "an_export_keeps_its_timeout"
_FAILURE = "a_failure_is_counted"
_HUNG = "export() did not return within"

_REDIRECT = Finding(
    _FAILURE,
    "returned <SpanExportResult.SUCCESS",
    "A redirect (status 307) is reported as a success, and the spans are lost.",
    frozenset({"redirect"}),
)
_DRIP = Finding(
    _TIMEOUT,
    _HUNG,
    "A response that arrives in small parts is waited for without limit: the timeout is that of "
    "each read.",
    frozenset({"drip"}),
)
_ZIPKIN = (
    Finding(
        _FAILURE,
        "export() raised",
        "It raises where it should return a failure: if the connection is refused or breaks, the "
        "host has no address, the response is not HTTP, or redirects do not end.",
        frozenset({"refused", "no such name", "redirect", "end_halfway", "garbage", "reset"}),
    ),
    Finding(
        _TIMEOUT,
        "export() raised ReadTimeout",
        "It raises if the receiver does not respond in time.",
        frozenset({"hang"}),
    ),
    _DRIP,
)

EXPORTERS = (
    Exporter(
        "otlp_proto_http",
        "opentelemetry-exporter-otlp-proto-http",
        "TestOTLPHTTP",
        (
            Finding(
                _ODD,
                "these odd spans: 'starts before the epoch'; ",
                "One span with a negative time loses its whole batch.",
            ),
            _REDIRECT,
            _DRIP,
        ),
    ),
    Exporter(
        "otlp_proto_grpc",
        "opentelemetry-exporter-otlp-proto-grpc",
        "TestOTLPGRPC",
        (
            Finding(
                _ODD,
                "these odd spans: 'starts before the epoch'; ",
                "One span with a negative time loses its whole batch.",
            ),
            Finding(
                "headers_are_sent",
                "with the header X-Tenant returned <SpanExportResult.FAILURE",
                "A header whose name has capitals makes every export fail; write names in lower "
                "case.",
            ),
            Finding(
                "secrets_are_shown_nowhere",
                "a secret is shown in the log: ",
                "It logs what the receiver responds, also if that repeats a header's secret.",
            ),
        ),
    ),
    Exporter(
        "otlp_json_http",
        "opentelemetry-exporter-otlp-json-http",
        "TestOTLPJSON",
        (
            Finding(
                _ODD,
                "these odd spans: '2**64', '10**400', 'a lone surrogate', 'starts before the "
                "epoch'; ",
                "One span with an integer of more than 64 bits, a surrogate in a text, or a "
                "negative time loses its whole batch.",
            ),
            _REDIRECT,
            _DRIP,
        ),
    ),
    Exporter(
        "zipkin_json",
        "opentelemetry-exporter-zipkin-json",
        "TestZipkinJSON",
        (
            Finding(
                _ODD,
                "these odd spans: 'an object whose text raises', 'ends before it starts', "
                "'never ended'; ",
                "One span without an end, with an end before its start, or with an object that has "
                "no text loses its whole batch.",
            ),
            *_ZIPKIN,
        ),
    ),
    Exporter(
        "zipkin_proto",
        "opentelemetry-exporter-zipkin-proto-http",
        "TestZipkinProtobuf",
        (
            Finding(
                _ODD,
                "these odd spans: 'a lone surrogate', 'an object whose text raises', 'ends before "
                "it starts', 'never ended'; ",
                "One span without an end, with an end before its start, with a surrogate in a "
                "text, or with an object that has no text loses its whole batch.",
            ),
            *_ZIPKIN,
        ),
    ),
    Exporter(
        "azure_monitor_opentelemetry_exporter",
        "azure-monitor-opentelemetry-exporter",
        "TestAzureMonitor",
        (
            Finding(
                "defaults_are_valid_or_the_missing_option_is_named",
                "create() raised ValueError: Instrumentation key cannot be none or empty",
                "The error without a `connection_string` does not name this option.",
            ),
            Finding(
                "an_unknown_option_is_refused",
                "the unknown option 'no_such_option' was accepted",
                "A mistyped option is accepted, since its constructor takes any name.",
            ),
            Finding(
                "create_starts_no_thread",
                "create() started a thread: OtelPeriodicExportingMetricReader",
                "It starts a thread for statistics of its own, which a forked child does not have.",
            ),
            Finding(
                "every_field_arrives",
                "'yes': 'True'",
                "Booleans and lists arrive as Python's text: `True`, `['a', 'b']`.",
            ),
            Finding(
                _ODD,
                "these odd spans: 'an object whose text raises'; ",
                "One span with an object that has no text loses its whole batch.",
            ),
            Finding(
                _FAILURE,
                _HUNG,
                "After status 500 or 503 it retries for longer than the timeout.",
                frozenset({"500", "503"}),
            ),
            Finding(
                _TIMEOUT,
                _HUNG,
                "It waits for its own timeouts, which bentotrace's `timeout` does not change.",
                frozenset({"drip", "hang"}),
            ),
            Finding(
                "force_flush_ends_within_its_timeout",
                "force_flush() returned None",
                "`force_flush()` returns None, so the caller cannot know whether spans are left.",
            ),
            Finding(
                "export_after_shutdown_fails",
                "export() after shutdown() returned <SpanExportResult.SUCCESS",
                "It sends spans after `shutdown()`.",
            ),
        ),
    ),
)
