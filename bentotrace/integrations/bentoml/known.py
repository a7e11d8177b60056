"""What BentoML itself knows of the service that is served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bentotrace.config.document import Document, Service

__all__ = ["known_service"]


def known_service(name: str, block: Any = None) -> Service:
    """Return what BentoML knows of a service: the decorator's block and resource attributes.

    Raises:
        BentoMLConfigException: the decorator's ``tracing`` is not a mapping.
    """
    from bentoml import server_context
    from bentoml.exceptions import BentoMLConfigException

    place = f"@bentoml.service of {name}"
    block = block or {}
    if not isinstance(block, Mapping):
        raise BentoMLConfigException(
            f"{place}: tracing: must be a mapping of options, such as {{'exporter_type': 'otlp'}}"
        )
    attributes = {
        "service.name": name,
        "bentoml.worker.index": server_context.worker_index,
        "service.namespace": server_context.bento_name,
        "service.version": server_context.bento_version,
    }
    known = {key: value for key, value in attributes.items() if value}
    resource = Document("BentoML", {"resource": {"attributes": known}})
    return Service(name, (Document(place, block), resource))
