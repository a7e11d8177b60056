"""Whether ``opentelemetry-instrument`` starts bentotrace, and the check of its configuration.

Apart from :mod:`.otel`, which needs all of OpenTelemetry's instrumentation package.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from bentotrace._opentelemetry import PROPAGATORS, find_propagators_error
from bentotrace.config.load import (
    Config,
    find_on_error,
    load_config,
    names_configuration,
    whole_paths,
)
from bentotrace.exceptions import BentotraceError

__all__ = ["CANNOT_START", "CONFIGURATOR", "DISTRO", "NAME", "check", "is_chosen"]

NAME = "bentotrace"
"""The name of every entry point."""

DISTRO = "OTEL_PYTHON_DISTRO"
CONFIGURATOR = "OTEL_PYTHON_CONFIGURATOR"
CANNOT_START = "bentotrace: the process exits, because tracing cannot start"


def is_chosen() -> bool:
    """Return whether the variables name bentotrace, or name none and tracing is configured."""
    named = {os.environ.get(variable, "").strip() for variable in (DISTRO, CONFIGURATOR)} - {""}
    return NAME in named if named else names_configuration()


def check(
    command: Sequence[str], file: str | None = None, service: str | None = None
) -> Config | None:
    """Return the configuration; raise its problems unless ``on_error`` lets the program run.

    ``bentoml`` checks the configuration of each of its services itself.

    It is None for ``bentoml``, and if it has problems. Propagators for which OpenTelemetry raises
    before it starts bentotrace are removed from the environment. A relative path of the file in it
    becomes absolute, because the program's children may start in another directory.

    Args:
        command: the command to run.
        file: the configuration file; None for the one that the variables name.
        service: the service of a BentoML file whose block is checked.

    Raises:
        ConfigError: the configuration has problems.
    """
    error = find_propagators_error()
    if error is not None:
        del os.environ[PROPAGATORS]
        logging.getLogger("bentotrace").warning(
            "%s is ignored, OpenTelemetry does not accept it: %s", PROPAGATORS, error
        )
    try:
        return _check(command, file, service)
    finally:
        os.environ.update(whole_paths(os.environ))


def _check(command: Sequence[str], file: str | None, service: str | None) -> Config | None:
    if any(Path(argument).name == "bentoml" for argument in command):
        return None
    from bentotrace.pipeline.build import check_exporters
    from bentotrace.pipeline.environment import OPTIONS

    # The program reports these.
    reported = {name: os.environ[name] for name in OPTIONS if name in os.environ}
    try:
        config = load_config(file, service=service)
        check_exporters(config)
        return config
    except BentotraceError:
        if find_on_error(file, service=service) == "raise":
            raise
        return None
    finally:
        os.environ.update(reported)
