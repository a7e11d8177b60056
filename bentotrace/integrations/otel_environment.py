"""Makes bentotrace the distribution of ``opentelemetry-instrument`` where it is chosen.

That command imports this module, as it does every one in the entry-point group
``opentelemetry_environment_variables``, before it starts the program. Importing it has an effect
because nothing of it is called: which distribution the program's process finds first is chance.
"""

from __future__ import annotations

import os

from bentotrace.integrations.otel_choice import DISTRO, NAME, is_chosen

__all__: list[str] = []

if is_chosen():
    os.environ.setdefault(DISTRO, NAME)
