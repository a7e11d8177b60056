"""Tracing without a line of code: what ``bentotrace_bentoml.pth`` runs when Python starts.

It must come before BentoML reads its configuration, in the process that starts the workers and in
each of them, so an entry point of BentoML's would be too late, and there in the former alone.
"""

from __future__ import annotations

import os
from types import ModuleType

__all__ = ["start"]

_OFF = {"", "0", "false", "no", "off"}


def start() -> None:
    """Trace the services of this process if ``BENTOTRACE_BENTOML`` says so, once BentoML comes."""
    if os.environ.get("BENTOTRACE_BENTOML", "").strip().casefold() in _OFF:
        return
    try:
        from wrapt import register_post_import_hook
    except ImportError:
        # BentoML brings it, so this Python has no BentoML.
        return
    register_post_import_hook(_read_files, "bentoml._internal.configuration.helpers")
    register_post_import_hook(_install, "_bentoml_sdk.service.factory")


def _read_files(helpers: ModuleType) -> None:
    from bentotrace.integrations.bentoml.hooks import hook_file_reader

    hook_file_reader(helpers)


def _install(_factory: ModuleType) -> None:
    from bentotrace.integrations.bentoml import install

    install()
