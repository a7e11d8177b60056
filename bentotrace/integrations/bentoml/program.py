"""Whether this process is one of BentoML's."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["is_program"]

_WITHIN = "BENTOTRACE_WITHIN_BENTOML"


def is_program() -> bool:
    """Return whether this process, or one that it descends from, is BentoML's command or worker.

    Such a process builds a pipeline only for a service that it serves.
    """
    if _WITHIN not in os.environ and _runs_bentoml(sys.orig_argv[1:]):
        # For its other child processes, such as the one that watches the files of a service.
        os.environ[_WITHIN] = "true"
    return _WITHIN in os.environ


def _runs_bentoml(arguments: Sequence[str]) -> bool:
    """Return whether an interpreter with these arguments runs BentoML."""
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "-m":
            return next(remaining, "").partition(".")[0] in ("bentoml", "_bentoml_impl")
        if argument in ("-W", "-X"):
            next(remaining, None)
        elif argument == "-c" or not argument.startswith("-"):
            return Path(argument).stem == "bentoml"
    return False
