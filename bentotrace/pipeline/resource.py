"""The resource of a configuration: what describes the service."""

from __future__ import annotations

import os

from opentelemetry.sdk.resources import SERVICE_NAME, Resource

from bentotrace.config.options import TracingOptions
from bentotrace.pipeline.provider import own_instance

__all__ = ["make_resource"]


def make_resource(options: TracingOptions) -> Resource:
    """Put what is configured above what the SDK's resource detectors find."""
    attributes = dict(options.resource.attributes)
    if not os.environ.get("OTEL_SERVICE_NAME", "x").strip():
        # The SDK takes blanks for a name.
        attributes.setdefault(SERVICE_NAME, "")
    # The SDK gives an instance itself from 1.43 on.
    return own_instance().merge(Resource.create(attributes))
