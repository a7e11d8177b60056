"""Substitute: ``${VAR}`` in parsed scalars, so that no value can change the structure.

The forms are those of OpenTelemetry's declarative configuration: ``${VAR}``, ``${env:VAR}``,
``${VAR:-default}``, and ``$$`` for a dollar sign. Keys are left alone, what a variable holds is
not substituted again, and a variable that is not set and has no default is a problem.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from bentotrace.config.document import Block, Document
from bentotrace.config.report import Path, Report
from bentotrace.config.yaml import resolve_scalar

__all__ = ["substitute"]

# A string, which is compiled when a file needs it.
_REFERENCE = (
    r"\$\$"
    r"|\$\{(?:env:)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}\n]*))?\}"
    r"|(?P<bad>\$\{[^}]*\}?)"
)


def substitute(block: Block, environ: Mapping[str, str], report: Report) -> Block:
    """Replace every reference in the block; a scalar without quotes gets its type afterwards."""
    if not block.document.text:
        return block
    worker = _Substitution(block.document, environ, report)
    return block._replace(value=worker.replace(block.value, block.path))


class _Substitution(NamedTuple):
    document: Document
    environ: Mapping[str, str]
    report: Report

    def replace(self, value: Any, path: Path) -> Any:
        if isinstance(value, Mapping):
            return {key: self.replace(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.replace(item, (*path, index)) for index, item in enumerate(value)]
        if not isinstance(value, str) or "$" not in value:
            return value
        text = re.sub(_REFERENCE, lambda match: self._lookup(match, path), value)
        if text != value and path in self.document.plain:
            return resolve_scalar(text)
        return text

    def _lookup(self, match: re.Match[str], path: Path) -> str:
        if match[0] == "$$":
            return "$"
        position = self.document.position(path)
        if match["bad"] is not None:
            closed = match["bad"].endswith("}")
            wrong = "a ${…} that names no variable" if closed else "a ${ without its }"
            message = f"holds {wrong}; write ${{NAME}}, or $$ for a dollar sign"
            self.report.problem(position, path, message)
            return ""
        text = self.environ.get(match["name"], "")
        if text:
            return text
        if match["default"] is None:
            name = match["name"]
            message = f"variable {name} is not set; set it, or write ${{{name}:-a default}}"
            self.report.problem(position, path, message)
            return ""
        return match["default"]
