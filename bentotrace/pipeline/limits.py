"""The limits of a span: how long its values may be, and how many it may have."""

from __future__ import annotations

import logging
from collections.abc import Callable

from opentelemetry.sdk.trace import SpanLimits

from bentotrace.config.options import TracingOptions

__all__ = ["make_limits", "quiet_cuts"]


def make_limits(options: TracingOptions) -> SpanLimits:
    """Make the limits of a configuration.

    Each is given, since the SDK reads the variables of those that are not: it raises for a
    malformed one, and takes a blank one for "no limit".
    """
    length = options.max_tag_value_length
    if length is None:
        length = SpanLimits.UNSET
    counts = options.limits
    return SpanLimits(
        max_attributes=counts.attribute_count,
        max_span_attributes=counts.attribute_count,
        max_event_attributes=counts.event_attribute_count,
        max_link_attributes=counts.link_attribute_count,
        max_events=counts.event_count,
        max_links=counts.link_count,
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
