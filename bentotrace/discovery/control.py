"""Which installed plugins may be used: the section ``plugins``, and ``BENTOTRACE_PLUGINS``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from bentotrace.discovery.finder import Claim

__all__ = ["VARIABLE", "Control", "current_control", "using_control"]

VARIABLE = "BENTOTRACE_PLUGINS"


class Control(NamedTuple):
    """The plugins that may be used, by the name of the plugin or of its distribution.

    Attributes:
        allow: if there are any, no others may be used.
        block: those that may not be used.
    """

    allow: tuple[str, ...] = ()
    block: tuple[str, ...] = ()

    def refusal(self, claim: Claim) -> str | None:
        """Return why a plugin may not be used; None if it may."""
        names = {claim.name, _normal(claim.distribution)}
        if names & {*self.block, *map(_normal, self.block)}:
            return "plugins.block has it"
        if self.allow and not names & {*self.allow, *map(_normal, self.allow)}:
            return f"plugins.allow ({VARIABLE}) does not have it"
        return None


_control: ContextVar[Control | None] = ContextVar("_control", default=None)


def current_control() -> Control:
    """Return the control of the configuration that is read, else that of the environment."""
    found = _control.get()
    if found is not None:
        return found
    names = os.environ.get(VARIABLE, "").split(",")
    return Control(tuple(filter(None, map(str.strip, names))))


@contextmanager
def using_control(control: Control) -> Iterator[None]:
    """Use a control within the block."""
    token = _control.set(control)
    try:
        yield
    finally:
        _control.reset(token)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
