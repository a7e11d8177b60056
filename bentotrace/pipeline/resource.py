"""The resource of a configuration: what describes the service."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import unquote

from opentelemetry.sdk.resources import SERVICE_NAME, Resource

from bentotrace.config.load import Config
from bentotrace.config.resolve import Origin

__all__ = ["make_resource"]

_SERVICE_NAME = "OTEL_SERVICE_NAME"
_ATTRIBUTES = "OTEL_RESOURCE_ATTRIBUTES"


def make_resource(config: Config) -> Resource:
    """Merge the attributes of the file, the environment and code, attribute by attribute.

    ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` win over the file and lose against code;
    what the SDK's resource detectors find loses against all three.
    """
    attributes = _given(config, Origin.FILE)
    attributes.update(_environment())
    attributes.update(_given(config, Origin.OVERRIDE))
    if not os.environ.get(_SERVICE_NAME, "x").strip():
        # The SDK takes blanks for a name.
        attributes.setdefault(SERVICE_NAME, "")
    return Resource.create(attributes)


def _environment() -> dict[str, Any]:
    """Read the variables; a pair that is none the SDK reports, when it reads them too."""
    attributes = {}
    for pair in os.environ.get(_ATTRIBUTES, "").split(","):
        name, separator, value = pair.partition("=")
        if separator:
            attributes[name.strip()] = unquote(value.strip())
    service = os.environ.get(_SERVICE_NAME, "").strip()
    return {**attributes, SERVICE_NAME: service} if service else attributes


def _given(config: Config, origin: Origin) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for setting in config.settings:
        if setting.path == ("resource", "attributes"):
            for candidate in setting.candidates:
                if candidate.origin is origin:
                    attributes.update(setting.leaf.check(candidate.value))
    return attributes
