"""Supply: ``{env: NAME}`` and ``{file: path}`` in place of a value, at any depth.

Unlike ``${VAR}`` they stand for a whole value, so what they bring is never parsed as YAML, and a
secret need not pass through the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from bentotrace.config.document import Document
from bentotrace.config.report import Path, Report

__all__ = ["Supplied", "supply"]

_MAX_BYTES = 64 * 1024


class Supplied(str):
    """Text that stands for a value, often a secret; what is no text is read as a variable's is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def supply(
    value: Any,
    path: Path,
    document: Document,
    environ: Mapping[str, str],
    report: Report,
    *,
    takes_mapping: bool = False,
) -> Any:
    """Replace every reference in an option's value.

    Args:
        value: a plain value.
        path: its path in the document.
        document: tells where it stands.
        environ: the environment.
        report: takes the references that bring nothing; their value is None.
        takes_mapping: whether a mapping is a value of the option. It is then never a reference
            itself, since ``env`` may be the name of a header or an attribute.
    """
    worker = _Supply(document, environ, report)
    if isinstance(value, Mapping) and not takes_mapping and _is_reference(value):
        text = worker.text(value, path)
        return None if text is None else Supplied(text)
    return worker.within(value, path)


def _is_reference(value: Mapping[Any, Any]) -> bool:
    return len(value) == 1 and next(iter(value)) in {"env", "file"}


class _Supply(NamedTuple):
    document: Document
    environ: Mapping[str, str]
    report: Report

    def within(self, value: Any, path: Path) -> Any:
        if isinstance(value, Mapping):
            return {key: self.replace(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.replace(item, (*path, index)) for index, item in enumerate(value)]
        return value

    def replace(self, value: Any, path: Path) -> Any:
        if isinstance(value, Mapping) and _is_reference(value):
            return Supplied(self.text(value, path) or "")
        return self.within(value, path)

    def text(self, reference: Mapping[str, Any], path: Path) -> str | None:
        """Look up one reference; None when it brings nothing, which is a problem."""
        ((kind, name),) = reference.items()
        try:
            if not isinstance(name, str) or not name.strip():
                example = "{env: NAME}" if kind == "env" else "{file: /path/of/the/file}"
                raise ValueError(f"expected text; write {example}")
            return self._variable(name) if kind == "env" else _content(name)
        except ValueError as error:
            place = (*path, kind)
            self.report.problem(self.document.position(place), place, str(error))
            return None

    def _variable(self, name: str) -> str:
        text = self.environ.get(name, "").strip()
        if not text:
            raise ValueError(f"variable {name} is not set; set it, or leave the option out")
        return text


def _content(name: str) -> str:
    try:
        with open(name, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise ValueError(f"no such file: {name}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no path"
        raise ValueError(f"{name} cannot be read: {reason}") from None
    if len(data) > _MAX_BYTES:
        raise ValueError(f"{name} is larger than 64 KiB; it should hold one value")
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not text in UTF-8") from None
    if not text:
        raise ValueError(f"{name} is empty; it should hold one value")
    return text
