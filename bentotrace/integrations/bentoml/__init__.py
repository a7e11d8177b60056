"""BentoML 1.4: its services are traced by bentotrace.

::

    import bentotrace.integrations.bentoml as tracing

    tracing.install()  # at the top of service.py

Without a line of code: ``BENTOTRACE_BENTOML=true bentoml serve``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bentotrace.config.load import Source

__all__ = ["install"]


def install(source: Source = None, **overrides: Any) -> None:
    """Let bentotrace trace the services of this process, and of the workers that serve them.

    BentoML's own tracing is not used any more: a service's tracer provider is bentotrace's, and its
    configuration comes from ``source``, completed with ``@bentoml.service(tracing={...})``. The
    configuration of every service is checked before workers are started. Calling it again replaces
    the arguments, if there are any.

    Args:
        source: as for :func:`bentotrace.configure`.
        overrides: as for :func:`bentotrace.configure`.

    Raises:
        ImportError: BentoML is not installed, or is not laid out as version 1.4 is.
    """
    # BentoML takes seconds to import.
    from bentotrace.integrations.bentoml.hooks import hook

    hook(source, overrides)
