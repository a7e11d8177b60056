"""Distributions that the tests register by hand, and what the finder finds of them."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

from bentotrace import hookspecs
from bentotrace.discovery.finder import OTEL_GROUP, Search

GROUPS = (
    hookspecs.EXPORTERS_GROUP,
    hookspecs.EXTENSIONS_GROUP,
    OTEL_GROUP,
    *(
        f"opentelemetry_{component}"
        for component in (
            *("propagator", "traces_sampler", "id_generator", "resource_detector"),
            *("tracer_provider", "meter_provider", "logger_provider", "event_logger_provider"),
        )
    ),
)
INK = "[bentotrace.exporters]\nink = acme_ink:plugin\n"
LOAD = """
    import sys
    from bentotrace.discovery.registry import load
    from bentotrace.exceptions import PluginError
    try:
        print(load(sys.argv[1]).name)
    except PluginError as error:
        print(f"{type(error).__name__}: {error}")
"""

Triple = tuple[str, str, str]


def found() -> list[Triple]:
    return [(claim.name, claim.value, claim.group) for claim in Search().claims]


def found_by_the_standard_library() -> list[Triple]:
    points = importlib.metadata.entry_points()
    return sorted(
        (point.name, point.value, point.group)
        for group in GROUPS
        for point in points.select(group=group)
    )


def register(
    directory: Path,
    text: str | bytes | None = INK,
    folder: str = "acme_ink-1.0.dist-info",
    *,
    name: str | None = None,
    version: str = "1.0",
) -> Path:
    info = directory / folder
    info.mkdir()
    name = name or Path(folder).stem.partition("-")[0]
    file = "METADATA" if folder.endswith(".dist-info") else "PKG-INFO"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (info / file).write_text(metadata, encoding="utf-8")
    if text is not None:
        (info / "entry_points.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    return info
