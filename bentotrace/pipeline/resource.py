"""The resource of a configuration: what describes the service."""

from __future__ import annotations

from opentelemetry.sdk.resources import OTELResourceDetector, Resource

from bentotrace.config.load import Config
from bentotrace.config.resolve import Origin

__all__ = ["make_resource"]


def make_resource(config: Config) -> Resource:
    """Merge the configured attributes with the environment's.

    ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` win over the file, attribute by
    attribute, and lose against code.
    """
    attributes = dict(config.options.resource.attributes)
    if _origin(config) is not Origin.OVERRIDE:
        for name in OTELResourceDetector().detect().attributes:
            attributes.pop(name, None)
    return Resource.create(attributes)


def _origin(config: Config) -> Origin:
    for setting in config.settings:
        if setting.path == ("resource", "attributes") and setting.effective is not None:
            return setting.effective.origin
    return Origin.DEFAULT
