"""Recognizing a message that a receiver rejects for its size, whatever its implementation."""

from __future__ import annotations

import re

__all__ = ["WORTH_HALVING", "blames_size"]

WORTH_HALVING = 64 * 1024
"""The limits of receivers are larger than this number of bytes, unless they are named."""

# The part of a text that is read; what a server says about a size is in its first sentence.
_LENGTH = 512
_WHAT = r"(?i)\b(?:message|request|body|payload|entity|content|batch|bytes|frame|packet|spans)\b"
_EXCESS = (
    r"(?i)\btoo (?:large|big|long|many spans)\b|\b(?:larger|bigger|greater|longer|more) than\b"
    r"|\b(?:exceed(?:s|ed|ing)?|over|above)\b.{0,40}\b(?:size|length|bytes|limit|max|settings)"
    r"|\b(?:size|length|bytes|max(?:imum)?)\b.{0,40}\bexceed(?:s|ed)?\b|\bsize limit\b"
)
# Rates, quotas and times, which a smaller message exceeds too; other parts of a request; responses.
_OTHER = (
    r"(?i)\b(?:rates?|rate.limit\w*|quotas?|per (?:sec|min|hour|day|month)\w*|monthly|daily"
    r"|throttl\w*|too many requests|concurren\w*|time|timed|timeout|deadline|headers?|cookies?"
    r"|ur[il]s?|line|response|upstream|(?:send|sent|sending|encoded) message|client(?=:))\b"
)


def blames_size(text: str) -> bool | None:
    """Return whether a message rejects the request for its size; None when it does not say why.

    Known forms: gRPC in Go, C, Java, .NET, Rust and JavaScript; the OpenTelemetry Collector,
    Kestrel, IIS, Django and Express over HTTP.
    """
    text = text[:_LENGTH]
    if re.search(_OTHER, text):
        return False
    return True if re.search(_WHAT, text) and re.search(_EXCESS, text) else None
