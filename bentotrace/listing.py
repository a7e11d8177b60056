"""What a plugin says of itself, read from its source without running any of it.

``bentotrace plugins`` shows plugins that are broken, slow to import, or not to be trusted, so it
takes summary and stability from the literals of the descriptor, and from the distribution's
metadata where the source has none.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from importlib.metadata import Distribution
from pathlib import Path

from attrs import frozen

from bentotrace.registry import Claim, find

__all__ = ["Listing", "list_plugins"]

_DEVELOPMENT_STATUS = "Development Status ::"
_STABILITY = {"1": "experimental", "2": "experimental", "3": "experimental", "4": "beta"}


@frozen
class Listing:
    """One line of the list.

    Attributes:
        name: the exporter type.
        distribution: what to install or remove.
        version: the distribution's version.
        stability: "stable", "beta", "experimental", "deprecated", or "" when nobody says.
        summary: one line.
        duplicate: whether another distribution claims the name too, so that neither can be used.
    """

    name: str
    distribution: str
    version: str
    stability: str
    summary: str
    duplicate: bool


def list_plugins() -> tuple[Listing, ...]:
    """List every installed exporter plugin; imports none."""
    claims = find()
    names = [claim.name for claim in claims]
    return tuple(_listing(claim, names.count(claim.name) > 1) for claim in claims)


def _listing(claim: Claim, duplicate: bool) -> Listing:
    distribution = claim.entry_point.dist
    said = _literals(claim)
    stability, summary = said.get("stability", ""), said.get("summary", "")
    stability = stability or _classified(distribution)
    summary = summary or (distribution.metadata.get_all("Summary") or [""])[0]
    return Listing(claim.name, claim.distribution, claim.version, stability, summary, duplicate)


def _classified(distribution: Distribution) -> str:
    for classifier in distribution.metadata.get_all("Classifier") or ():
        if classifier.startswith(_DEVELOPMENT_STATUS):
            number = classifier.removeprefix(_DEVELOPMENT_STATUS).strip()[:1]
            return _STABILITY.get(number, "stable")
    return ""


def _literals(claim: Claim) -> dict[str, str]:
    for path in _sources(claim):
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _last_name(node.func) == "ExporterPlugin":
                return dict(_keywords(node))
    return {}


def _sources(claim: Claim) -> Iterator[Path]:
    """Find the file of the entry point's module; only the top-level name is looked up.

    Looking up a submodule would import its package.
    """
    # Not all that a distribution may write is a module's name.
    name = claim.entry_point.value.partition(":")[0].partition("[")[0].strip()
    top, *below = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return
    if spec is None:
        return
    if not below and spec.origin is not None:
        yield Path(spec.origin)
    for location in spec.submodule_search_locations or ():
        module = Path(location, *below)
        yield from (module.with_suffix(".py"), module / "__init__.py")


def _keywords(call: ast.Call) -> Iterator[tuple[str, str]]:
    for keyword in call.keywords:
        value = keyword.value
        if keyword.arg == "summary" and isinstance(value, ast.Constant):
            yield "summary", str(value.value)
        elif keyword.arg == "stability":
            yield "stability", _last_name(value).lower()


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
