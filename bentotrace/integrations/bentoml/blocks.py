"""The tracing blocks of BentoML's configuration, which BentoML itself must not see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

__all__ = ["without_blocks", "without_tracing"]


def without_tracing(document: Any) -> Any:
    """Return the content of a BentoML file without its tracing blocks."""

    def without_block(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: item for key, item in value.items() if key != "tracing"}

    kept = without_block(document)
    if isinstance(kept, dict):
        for key in ("api_server", "services"):
            section = without_block(kept.get(key))
            if isinstance(section, dict):
                kept[key] = {name: without_block(value) for name, value in section.items()}
    return kept


@contextmanager
def without_blocks(configs: Iterable[MutableMapping[str, Any]]) -> Iterator[None]:
    """Remove the tracing blocks of services' configurations for the duration of a ``with``."""
    held = [(config, config.pop("tracing")) for config in configs if "tracing" in config]
    try:
        yield
    finally:
        for config, block in held:
            config["tracing"] = block
