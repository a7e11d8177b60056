"""What the newest traces show about services: who calls whom, rates, errors, durations."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from bentotrace.ui.dependencies import Operation, find_calls, read_operations
from bentotrace.ui.model import ERROR, KINDS
from bentotrace.ui.store import Store

__all__ = ["read_services"]

_MAX_OPERATIONS = 1000


def read_services(store: Store) -> dict[str, Any]:
    """Return the newest traces' services, calls between them, and operations."""
    starts: list[int] = []
    spans: list[Operation] = []
    calls: dict[tuple[str, str], list[tuple[int, bool]]] = {}
    with store.read() as connection:
        for start, found in read_operations(connection):
            starts.append(start)
            spans += found
            for parent, child, failed in find_calls(found):
                names = (parent.service, child.service)
                calls.setdefault(names, []).append((child.duration, failed))
    return {
        "traces": len(starts),
        "seconds": (starts[0] - starts[-1]) / 1e9 if starts else 0.0,
        "services": _services(spans),
        "calls": [
            {"parent": parent, "child": child, **_figures(found)}
            for (parent, child), found in sorted(calls.items())
        ],
        "operations": _operations(spans),
    }


def _services(spans: Sequence[Operation]) -> list[dict[str, Any]]:
    counted: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    for span in spans:
        counted[span.service] += 1
        errors[span.service] += span.status == ERROR
    return [
        {"name": service, "calls": calls, "errors": errors[service]}
        for service, calls in counted.most_common()
    ]


def _operations(spans: Sequence[Operation]) -> list[dict[str, Any]]:
    grouped: dict[tuple[str, str, int], list[tuple[int, bool]]] = {}
    for span in spans:
        key = (span.service, span.name, span.kind)
        grouped.setdefault(key, []).append((span.duration, span.status == ERROR))
    operations = []
    for (service, name, kind), found in grouped.items():
        buckets = Counter(_bucket(duration) for duration, _ in found)
        figures = _figures(found)
        figures["longest"] = max(duration for duration, _ in found)
        figures["histogram"] = sorted(buckets.items())
        operations.append({"service": service, "name": name, "kind": KINDS[kind], **figures})
    operations.sort(key=lambda operation: -operation["calls"])
    return operations[:_MAX_OPERATIONS]


def _figures(found: Sequence[tuple[int, bool]]) -> dict[str, Any]:
    durations = sorted(duration for duration, _ in found)
    return {
        "calls": len(found),
        "errors": sum(failed for _, failed in found),
        "p50": _quantile(durations, 0.5),
        "p95": _quantile(durations, 0.95),
    }


def _quantile(ordered: Sequence[int], part: float) -> int:
    return ordered[max(math.ceil(part * len(ordered)) - 1, 0)]


def _bucket(duration: int) -> int:
    return math.floor(4 * math.log10(max(duration, 1)))
