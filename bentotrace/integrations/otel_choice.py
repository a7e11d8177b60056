"""Whether OpenTelemetry's own start is to start bentotrace."""

from __future__ import annotations

import os

from bentotrace.config.load import names_configuration

__all__ = ["CONFIGURATOR", "DISTRO", "NAME", "is_chosen"]

NAME = "bentotrace"
"""The name of every entry point."""

DISTRO = "OTEL_PYTHON_DISTRO"
CONFIGURATOR = "OTEL_PYTHON_CONFIGURATOR"


def is_chosen() -> bool:
    """Tell whether the variables name bentotrace, or nobody while there is a configuration."""
    named = {os.environ.get(variable, "").strip() for variable in (DISTRO, CONFIGURATOR)} - {""}
    return NAME in named if named else names_configuration()
