"""Locate: find the tracing block at any place that BentoML allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from bentotrace.config.declarative import report_foreign
from bentotrace.config.diagnostics import Report
from bentotrace.config.document import Block, Document, inherit, is_filled
from bentotrace.problems import Path, closest, dotted, normalize

__all__ = ["PLACES", "Wanted", "locate", "services_with_block"]

PLACES: tuple[Path, ...] = (("tracing",), ("api_server", "tracing"), ("services", "tracing"))
"""The places of a tracing block; a service may have its own at ``services.<name>``."""

_SHARED: Path = ("services", "tracing")
_ABSENT = object()
# Only a tracing block has this option, so it identifies a misplaced one.
_SIGN = "exporter_type"


class Wanted(NamedTuple):
    """The block to find.

    Attributes:
        required: whether a file without a block is a problem; a BentoML file may have none.
        service: the service, as named by the caller.
        service_required: whether a file without that service is a problem.
        service_name: the service, as named by ``OTEL_SERVICE_NAME``; the file may not have it.
    """

    required: bool
    service: str | None = None
    service_required: bool = True
    service_name: str | None = None


def locate(document: Document, report: Report, wanted: Wanted) -> Block:
    """Find the tracing block; a mapping from code without ``tracing`` is the block itself."""
    path = _service(document, report, wanted) or _common(document, report)
    if path is None:
        if not document.text:
            return Block(document, (), document.root)
        # A missing service is already reported.
        if not (
            report.problems
            or report_foreign(document, wanted.required, report)
            or _report_only_others(document, report, wanted)
            or _report_misplaced(document, report)
        ):
            _report_missing(document, report, wanted)
        return Block(document, ("tracing",), {})
    shared = path if len(path) < 3 else _SHARED
    for fault in document.faults:
        if _overlap(fault.path, path) or _overlap(fault.path, shared):
            report.problems.append(fault.problem)
    _report_beside(document, path, report)
    value = document.get(path)
    if shared != path and document.get(shared) is not None:
        _mapping(document.get(shared), document, shared, report)
        document, value = inherit(document, path, shared)
    if isinstance(value, Mapping) and isinstance(value.get("tracing"), Mapping):
        path = (*path, "tracing")
        message = "is one level too deep; delete this line and unindent the options below it"
        report.problem(document.key_position(path), path, message)
        value = value["tracing"]
    return Block(document, path, _mapping(value, document, path, report))


def _mapping(value: object, document: Document, path: Path, report: Report) -> Mapping[str, object]:
    """Return a block; report one that is not a mapping, and return an empty one instead."""
    if isinstance(value, Mapping):
        return value
    if value is not None:
        message = "must be a mapping of options, such as exporter_type: otlp"
        if isinstance(value, list):
            message += "; remove the dashes"
        elif isinstance(value, str) and ":" in value:
            message += "; put a space after each colon"
        elif isinstance(value, str) and "=" in value:
            message += "; write a colon and a space instead of ="
        report.problem(document.position(path), path, message)
    return {}


def _common(document: Document, report: Report) -> Path | None:
    """Find the block for all services."""
    found = [path for path in PLACES if _get(document.root, path) is not _ABSENT]
    # BentoML's template has a block of nulls.
    found = [path for path in found if is_filled(document.get(path))] or found[:1]
    if len(found) > 1:
        where = " and ".join(dotted(path) for path in found)
        position = document.key_position(found[1])
        report.problem(position, found[1], f"there are two tracing blocks, {where}; keep one")
    return found[0] if found else None


def _service(document: Document, report: Report, wanted: Wanted) -> Path | None:
    """Find the block of the wanted service; "" wants the block of all services."""
    if wanted.service == "":
        return None
    services = _get(document.root, ("services",))
    if not isinstance(services, Mapping):
        services = {}
    if wanted.service is not None and wanted.service not in services:
        if not wanted.service_required:
            return None
        names = [name for name in services if name != "tracing"]
        near = closest(wanted.service, names)
        hint = f"did you mean {near}?" if near else "it has " + (", ".join(names) or "none")
        message = f"there is no service {wanted.service!r} in this file; {hint}"
        report.problem(document.key_position(("services",)), ("services",), message)
        return None
    own = _own_blocks(document)
    name = wanted.service or (wanted.service_name if wanted.service_name in services else None)
    if name is None and len(own) == 1:
        (name,) = own
    if name is None and own:
        message = (
            f"several services have their own tracing block ({', '.join(own)}); select one with "
            "--service, service= in code, or OTEL_SERVICE_NAME"
        )
        report.problem(document.key_position(("services",)), ("services",), message)
        return ("services", own[0], "tracing")
    if name is None or name not in own:
        return None
    return ("services", name, "tracing")


def services_with_block(document: Document) -> list[str | None]:
    """List the services that have a block, and None if there is one that selects an exporter."""
    found: list[str | None] = [*_own_blocks(document)]
    common = [path for path in PLACES if is_filled(document.get((*path, _SIGN)))]
    return [None, *found] if common or not found else found


def _own_blocks(document: Document) -> list[str]:
    """List the services that have their own block."""
    services = _get(document.root, ("services",))
    items = services.items() if isinstance(services, Mapping) else ()
    own = [name for name, service in items if _get(service, ("tracing",)) not in (_ABSENT, None)]
    # services.tracing is the block of all services, not a service named tracing.
    return [name for name in own if name != "tracing"]


def _report_only_others(document: Document, report: Report, wanted: Wanted) -> bool:
    """Return whether only other services have a block, and report it if that is a problem."""
    others = _own_blocks(document)
    if others and wanted.required and wanted.service_required:
        path = ("services", wanted.service or wanted.service_name or "")
        there = " and ".join(dotted(("services", name, "tracing")) for name in others)
        message = (
            f"has no tracing block; found only {there}; "
            f"write one at {dotted((*path, 'tracing'))} or services.tracing"
        )
        report.problem(document.key_position(path), path, message)
    return bool(others)


def _report_missing(document: Document, report: Report, wanted: Wanted) -> None:
    for key in document.root:
        # In a file that may have no block, a similar key (training:) is no mistake.
        if key.startswith("tracing:"):
            message = "put a line break after tracing: and indent the options below it"
            report.problem(document.key_position((key,)), ("tracing",), message)
            return
        like = wanted.required and closest(key, ["tracing"]) is not None
        if like or normalize(key) == "tracing":
            message = "unknown key; did you mean tracing?"
            report.problem(document.key_position((key,)), (key,), message)
            return
    if wanted.required:
        *places, last = (dotted(path) for path in PLACES)
        message = f"has no tracing block; write one at {', '.join(places)} or {last}"
        report.problem(document.position(()), (), message)


def _report_beside(document: Document, path: Path, report: Report) -> None:
    """Report options next to the block that should be indented below it."""
    value, around = _get(document.root, path), _get(document.root, path[:-1])
    options = value if isinstance(value, Mapping) else {}
    lost = {_SIGN} if options else {_SIGN, "sample_rate", "sample_rates", "excluded_urls"}
    selected = options.get(_SIGN)
    names = selected if isinstance(selected, list) else [selected]
    lost.update(name for name in names if isinstance(name, str) and name not in options)
    for key in around if isinstance(around, Mapping) else ():
        if key in lost:
            here = (*path[:-1], key)
            message = f"has no effect next to {dotted(path)}; indent it"
            report.problem(document.key_position(here), here, message)


def _report_misplaced(document: Document, report: Report) -> bool:
    """Report each tracing block at a place where it has no effect; return whether one is found."""
    paths = [*_misplaced(document.root, ())]
    for path in paths:
        if not path:
            remedy = "put tracing: above them, and indent them"
        elif len(path) == 1 and closest(str(path[0]), ["tracing"]) is not None:
            remedy = "did you mean tracing?"
        else:
            remedy = "move them to tracing: at the top level of the file"
        message = f"these tracing options have no effect here; {remedy}"
        report.problem(document.key_position(path), path, message)
    return bool(paths)


def _misplaced(root: object, path: Path) -> Iterator[Path]:
    if not isinstance(root, Mapping) or len(path) > 4:
        return
    if _SIGN in root:
        yield path
        return
    for key, value in root.items():
        yield from _misplaced(value, (*path, key))


def _get(root: object, path: Path) -> object:
    for step in path:
        if not isinstance(root, Mapping) or step not in root:
            return _ABSENT
        root = root[step]
    return root


def _overlap(place: Path, block: Path) -> bool:
    shorter = min(len(place), len(block))
    return place[:shorter] == block[:shorter]
