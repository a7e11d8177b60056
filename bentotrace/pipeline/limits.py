"""The limits of a span: how long its values may be, and how many it may have."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from opentelemetry.sdk.trace import SpanLimits

from bentotrace.config.options import TracingOptions

__all__ = ["make_limits", "quiet_cuts"]

_logger = logging.getLogger("bentotrace")

_DEFAULT_COUNT = 128


def make_limits(options: TracingOptions) -> SpanLimits:
    """Make the limits of a configuration.

    Left to itself the SDK raises for a malformed variable, and takes a blank one for "no limit".
    """
    length = options.max_tag_value_length
    if length is None:
        # Its variables have been read; without this the SDK reads them again.
        length = SpanLimits.UNSET
    attributes = _count("OTEL_ATTRIBUTE_COUNT_LIMIT", _DEFAULT_COUNT)
    return SpanLimits(
        max_attributes=attributes,
        max_span_attributes=_count("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", attributes),
        max_event_attributes=_count("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", attributes),
        max_link_attributes=_count("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", attributes),
        max_events=_count("OTEL_SPAN_EVENT_COUNT_LIMIT", _DEFAULT_COUNT),
        max_links=_count("OTEL_SPAN_LINK_COUNT_LIMIT", _DEFAULT_COUNT),
        max_attribute_length=length,
        max_span_attribute_length=length,
    )


def quiet_cuts(limits: SpanLimits) -> Callable[[], None] | None:
    """Keep the SDK from logging a WARNING for every value that the configured limit cuts.

    Returns:
        What takes that back; None when there is nothing to keep quiet.
    """
    length = limits.max_attribute_length
    if length is None:
        return None
    sdk = logging.getLogger("opentelemetry.attributes")
    known = _CutsOfLength(length)
    sdk.addFilter(known)
    return lambda: sdk.removeFilter(known)


class _CutsOfLength(logging.Filter):
    """Drops the SDK's word of a value cut to one length, and lets everything else through."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self._length = length

    def filter(self, record: logging.LogRecord) -> bool:
        cut = record.args == (self._length,) and "exceeds max length" in str(record.msg)
        return not cut


def _count(variable: str, default: int) -> int:
    text = os.environ.get(variable, "").strip()
    if text.isdecimal():
        return int(text)
    if text:
        _logger.warning("%s is malformed and ignored: expected a whole number, 0 or more", variable)
    return default
