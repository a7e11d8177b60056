"""Asks a real server and the viewer the same, and compares the answers."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterable
from typing import Any


def post(url: str, document: object) -> None:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(document).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status in (200, 202)


def fetch(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, None


def compare(real: str, ours: str, queries: Iterable[str]) -> None:
    """Ask both for each; a message of an error is each one's own."""
    different = []
    for query in queries:
        expected, found = fetch(real + query), fetch(ours + query)
        if found[0] != expected[0] or in_order(found[1]) != in_order(expected[1]):
            different.append((query, expected, found))
    assert different == []


def in_order(value: Any) -> Any:
    """Sort what has no order: tags, references, spans, names of processes, data."""
    if isinstance(value, dict):
        value = {key: in_order(item) for key, item in value.items()}
        if "processes" in value:
            names = value.pop("processes")
            for span in value["spans"]:
                span["processID"] = names[span["processID"]]
            value["spans"] = in_order(value["spans"])
        # Jaeger's server writes neither in every release.
        return {key: item for key, item in value.items() if key not in ("flags", "warnings")}
    if isinstance(value, list):
        return sorted(map(in_order, value), key=lambda item: json.dumps(item, sort_keys=True))
    return value
