"""The options of a section, each with its values from all sources."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bentotrace.config.candidates import Candidate, Origin, read_variables
from bentotrace.config.diagnostics import Report
from bentotrace.schema.option import Variable
from bentotrace.schema.tree import Leaf

__all__ = ["Resolved", "Setting", "with_variables"]


class Setting(NamedTuple):
    """One option with the values from all sources.

    Attributes:
        path: its path in the tracing block.
        leaf: its schema.
        candidates: its values, the highest first, the default last; empty for a required option
            that is missing.
    """

    path: tuple[str, ...]
    leaf: Leaf
    candidates: tuple[Candidate, ...]

    @property
    def effective(self) -> Candidate | None:
        """The value that has precedence."""
        return self.candidates[0] if self.candidates else None

    @property
    def explicit(self) -> Candidate | None:
        """The value that has precedence, unless it is the default."""
        found = self.effective
        return None if found is None or found.origin is Origin.DEFAULT else found

    @property
    def value(self) -> Any:
        """The typed value; None if it is wrong or missing."""
        return self.candidates[0].value if self.candidates else None

    @property
    def merged(self) -> Any:
        """The typed value, of all sources if the option merges them."""
        if self.leaf.kind.merges:
            return dict(ChainMap(*(candidate.value for candidate in self.candidates)))
        return self.value

    @property
    def is_computed(self) -> bool:
        """Whether the class of the options computes the value, since no source has one."""
        return self.explicit is None and self.leaf.computed


class Resolved(NamedTuple):
    """The instance of a section, None if there is a problem, and its settings by relative path."""

    options: Any
    settings: Mapping[tuple[str, ...], Setting]

    def value(self, *option: str) -> Any:
        """Return an option's typed value; None if it is wrong."""
        return self.settings[option].value


def with_variables(
    setting: Setting, variables: Sequence[Variable], environ: Mapping[str, str], report: Report
) -> Setting:
    """Add variables, which override the file, to a resolved setting."""
    found = tuple(read_variables(variables, setting.leaf, environ, setting.path, report))
    above = sum(candidate.origin is Origin.OVERRIDE for candidate in setting.candidates)
    rest = setting.candidates
    return setting._replace(candidates=(*rest[:above], *found, *rest[above:]))
