"""The tracing blocks that BentoML must not see, since it refuses what it does not know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

__all__ = ["set_aside", "without_tracing"]


def without_tracing(document: Any) -> Any:
    """Give a BentoML file's content without its tracing blocks, wherever they stand."""
    if not isinstance(document, dict):
        return document
    kept = _without_block(document)
    for key in ("api_server", "services"):
        section = _without_block(kept.get(key))
        if isinstance(section, dict):
            kept[key] = {name: _without_block(value) for name, value in section.items()}
    return kept


@contextmanager
def set_aside(configs: Iterable[MutableMapping[str, Any]]) -> Iterator[None]:
    """Take the tracing block out of services' configurations for the duration of a ``with``."""
    held = [(config, config.pop("tracing")) for config in configs if "tracing" in config]
    try:
        yield
    finally:
        for config, block in held:
            config["tracing"] = block


def _without_block(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: item for key, item in value.items() if key != "tracing"}
