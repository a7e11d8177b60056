"""Makes bentotrace the distribution of ``opentelemetry-instrument`` where it is configured.

That command imports this module, as it does every one in the entry-point group
``opentelemetry_environment_variables``, before it starts the program. Importing it has an effect
because nothing of it is called: which distribution the program's process finds first is chance.
"""

from __future__ import annotations

import os

from bentotrace.config.load import names_configuration

__all__: list[str] = []

if names_configuration() and "OTEL_PYTHON_CONFIGURATOR" not in os.environ:
    os.environ.setdefault("OTEL_PYTHON_DISTRO", "bentotrace")
