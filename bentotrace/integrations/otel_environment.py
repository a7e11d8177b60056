"""Select bentotrace as the distribution of ``opentelemetry-instrument`` when it is imported.

The command imports every module of its entry-point group, calls nothing of it, and then loads
whichever distribution it finds first.
"""

from __future__ import annotations

import os
import sys

from bentotrace.exceptions import BentotraceError
from bentotrace.integrations.otel_choice import CANNOT_START, DISTRO, NAME, check, is_chosen

__all__: list[str] = []

if is_chosen():
    os.environ.setdefault(DISTRO, NAME)
    try:
        check(sys.argv[1:])
    except BentotraceError as error:
        sys.exit(f"{CANNOT_START}\n{error}")
