"""Read the options of a plugin, whose code may raise any exception."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import StackSummary, extract_tb

from bentotrace.discovery.calls import pass_interrupt, running
from bentotrace.exceptions import BentotraceError, PluginError
from bentotrace.schema.tree import holds_secrets, section_of

__all__ = ["reading_options"]

_HERE = os.path.dirname(__file__) + os.sep


@contextmanager
def reading_options(what: str, config: type) -> Iterator[None]:
    """Report an exception of the plugin's code in the block, which reads its options.

    Raises:
        PluginError: with the plugin's line.
    """
    try:
        with running(f"reading the options of {what}"):
            yield
    except BaseException as error:
        pass_interrupt(error)
        frames = extract_tb(error.__traceback__)
        if isinstance(error, BentotraceError) and frames[-1].filename.startswith(_HERE):
            raise
        # Defaults, validators and targets are the plugin's code. The cause may quote a
        # secret, and an uncaught error is printed with its cause.
        raise PluginError(
            f"{what} cannot read its options: {type(error).__name__} in {_place(frames, config)}"
        ) from (None if holds_secrets(section_of(config)) else error)


def _place(frames: StackSummary, config: type) -> str:
    """Return the plugin's line that raised, or its class if Python itself raised."""
    own = os.path.dirname(os.path.dirname(__file__)) + os.sep
    # Where exit() is; frozen modules and generated code have no file.
    builtins = os.path.join(os.path.dirname(os.__file__), "_sitebuiltins.py")
    foreign = [frame for frame in frames if not frame.filename.startswith((own, builtins, "<"))]
    if not foreign:
        return f"the class {config.__qualname__} of {config.__module__}"
    return f"{foreign[-1].name}(), {foreign[-1].filename}:{foreign[-1].lineno}"
