"""Trace the services of BentoML 1.4 with bentotrace.

::

    import bentotrace.integrations.bentoml as tracing

    tracing.install()  # at the top of service.py

Without a change of code: ``bentotrace run -- bentoml serve``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bentotrace.config.load import Source

__all__ = ["install"]


def install(source: Source = None, **overrides: Any) -> None:
    """Trace the services of this process and of its workers, in place of BentoML's own tracing.

    A service's configuration comes from ``source``, completed with
    ``@bentoml.service(tracing={...})``, and is checked before workers start. A later call with
    arguments replaces them.

    Args:
        source: as for :func:`bentotrace.configure`.
        overrides: as for :func:`bentotrace.configure`.

    Raises:
        ImportError: BentoML is not installed, or has another layout than version 1.4.
    """
    # Importing BentoML takes seconds.
    from bentotrace.integrations.bentoml.hooks import hook

    hook(source, overrides)
