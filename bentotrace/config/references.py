"""Replace references to variables and files in parsed values, so that none changes the structure.

The forms in text are those of OpenTelemetry's declarative configuration: ``${VAR}``,
``${env:VAR}``, ``${VAR:-default}``, and ``$$`` for a dollar sign; not in keys, and not recursively.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from bentotrace._files import open_regular
from bentotrace._secret_forms import has_scheme
from bentotrace.config.diagnostics import Report
from bentotrace.config.document import Block, Document
from bentotrace.config.yaml import resolve_scalar
from bentotrace.problems import Path
from bentotrace.schema.kinds import Supplied

__all__ = ["resolve_references", "substitute"]

_MAX_BYTES = 64 * 1024
# Not compiled until a file needs it.
_REFERENCE = (
    r"\$\$"
    r"|\$\{(?:env:)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}\n]*))?\}"
    r"|(?P<bad>\$\{[^}]*\}?)"
)


def substitute(block: Block, environ: Mapping[str, str], report: Report) -> Block:
    """Replace every ``${VAR}`` in a block; an unquoted scalar gets its type afterwards."""
    if not block.document.text:
        return block
    worker = _References(block.document, environ, report)
    value = worker.substitute(block.value, block.path)
    attributes = value.get("resource", {})
    if isinstance(attributes, Mapping) and isinstance(attributes.get("attributes"), Mapping):
        path = (*block.path, "resource", "attributes")
        texts = {
            name: worker.attribute(name, item, (*path, name))
            for name, item in attributes["attributes"].items()
        }
        value = {**value, "resource": {**attributes, "attributes": texts}}
    return block._replace(value=value)


def resolve_references(
    value: Any,
    path: Path,
    document: Document,
    environ: Mapping[str, str],
    report: Report,
    *,
    takes_mapping: bool = False,
) -> Any:
    """Replace every ``{env: NAME}`` and ``{file: path}`` in an option's value.

    A value that is a broken reference becomes None. With ``takes_mapping``, a mapping is never a
    reference itself, since ``env`` may be the name of a header or an attribute.
    """
    worker = _References(document, environ, report)
    if isinstance(value, Mapping) and not takes_mapping and _is_reference(value):
        text = worker.text(value, path)
        return None if text is None else Supplied(text)
    return _with_parts(value, path, worker.replace)


def _is_reference(value: Mapping[Any, Any]) -> bool:
    return len(value) == 1 and next(iter(value)) in {"env", "file"}


def _with_parts(value: Any, path: Path, replace: Callable[[Any, Path], Any]) -> Any:
    """Apply a function to each item of a mapping or a list; return other values as they are."""
    if isinstance(value, Mapping):
        return {key: replace(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [replace(item, (*path, index)) for index, item in enumerate(value)]
    return value


class _References(NamedTuple):
    document: Document
    environ: Mapping[str, str]
    report: Report

    def substitute(self, value: Any, path: Path) -> Any:
        """Replace each ``${VAR}`` in a value."""
        if not isinstance(value, str) or "$" not in value:
            return _with_parts(value, path, self.substitute)
        text = re.sub(_REFERENCE, lambda match: self._lookup(match, path), value)
        if text != value and path in self.document.plain:
            return resolve_scalar(text.strip())
        return text

    def attribute(self, name: str, value: Any, path: Path) -> Any:
        """Return a resource attribute; a number that is a name or a version stays text."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return value
        text = re.sub(
            _REFERENCE, lambda match: self._lookup(match, path), self.document.plain[path]
        )
        text = text.strip()
        # The attributes of a service are text, by the semantic conventions; 1.10 is not 1.1.
        lost = re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) is not None and str(value) != text
        return text if lost or name.startswith("service.") else value

    def _lookup(self, match: re.Match[str], path: Path) -> str:
        if match[0] == "$$":
            return "$"
        name = match["name"]
        if name is None:
            closed = match["bad"].endswith("}")
            wrong = "a ${…} without the name of a variable" if closed else "a ${ without its }"
            message = f"has {wrong}; write ${{NAME}}, or $$ for a dollar sign"
        else:
            # A variable that a file was read into ends with the line break of the file.
            text = self.environ.get(name, "").rstrip("\r\n") or match["default"]
            if text is not None:
                return text
            message = f"variable {name} is not set; set it, or write ${{{name}:-a default}}"
        self.report.problem(self.document.position(path), path, message)
        return ""

    def replace(self, value: Any, path: Path) -> Any:
        """Replace each ``{env: NAME}`` and ``{file: path}`` in a part of a value."""
        if isinstance(value, Mapping) and _is_reference(value):
            return Supplied(self.text(value, path) or "")
        return _with_parts(value, path, self.replace)

    def text(self, reference: Mapping[str, Any], path: Path) -> str | None:
        """Return the text of a reference; None for a broken one, which is reported."""
        ((kind, name),) = reference.items()
        try:
            if not isinstance(name, str) or not name.strip():
                example = "{env: NAME}" if kind == "env" else "{file: /path/of/the/file}"
                raise ValueError(f"expected text; write {example}")
            if kind == "file":
                return _content(name)
            text = self.environ.get(name, "").strip()
            if not text and not re.fullmatch(r"\w+", name):
                # It may be the secret itself.
                raise ValueError("is not the name of a variable; write {env: NAME}")
            if not text:
                raise ValueError(f"variable {name} is not set; set it, or remove the option")
            return text
        except ValueError as error:
            place = (*path, kind)
            self.report.problem(self.document.position(place), place, str(error))
            return None


def _content(name: str) -> str:
    try:
        with open_regular(name) as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        if has_scheme(name.strip()):
            raise ValueError(
                "is a credential, not a path; write it into a file, and the path of the file here"
            ) from None
        raise ValueError(f"no such file: {name}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not a path"
        raise ValueError(f"{name} cannot be read: {reason}") from None
    if len(data) > _MAX_BYTES:
        raise ValueError(f"{name} is larger than 64 KiB; it must hold a single value")
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not text in UTF-8") from None
    if not text:
        raise ValueError(f"{name} is empty; it must hold a single value")
    return text
