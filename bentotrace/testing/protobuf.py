"""Parsing with the protobuf library, the same whatever its version."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import (  # type: ignore[import-untyped, unused-ignore]
    DecodeError,
)

__all__ = ["parse"]


def parse(message: Any, body: bytes) -> None:
    """Parse ``body`` into an empty message.

    Raises:
        ValueError: it is malformed.
    """
    name = message.DESCRIPTOR.name
    try:
        # Of some malformed messages 3.20 only warns, and stops before their end; where warnings
        # are errors that is a SystemError.
        size = message.MergeFromString(body)
    except (DecodeError, SystemError) as error:
        raise ValueError(f"not a {name}: {error}") from error
    if size != len(body):
        raise ValueError(f"not a {name}: malformed after {size} of {len(body)} bytes")
