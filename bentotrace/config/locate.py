"""Locate: find the tracing block of a document, wherever BentoML puts it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from bentotrace.config.document import Block, Document
from bentotrace.config.report import Path, Report, closest, dotted, squeeze

__all__ = ["PLACES", "Wanted", "locate"]

PLACES: tuple[Path, ...] = (("tracing",), ("api_server", "tracing"), ("services", "tracing"))
"""Where a document may hold its tracing block; a service's own is at ``services.<name>``."""

_ABSENT = object()


class Wanted(NamedTuple):
    """What is looked for.

    Attributes:
        required: whether a file without a block is a problem. A BentoML file need not have one.
        service: the service whose block is wanted, as the caller says.
        service_required: whether a file without that service is a problem.
        service_name: the same, as ``OTEL_SERVICE_NAME`` says; it may be no service of the file.
        options: names that only a tracing block has, by which a misplaced one is known.
    """

    required: bool
    service: str | None = None
    service_required: bool = True
    service_name: str | None = None
    options: Collection[str] = ("exporter_type",)


def locate(document: Document, report: Report, wanted: Wanted) -> Block:
    """Find the tracing block.

    A mapping from code that has no ``tracing`` in it is the block itself.

    Args:
        document: what was read.
        report: takes what is wrong.
        wanted: what is looked for.
    """
    path = _service(document, report, wanted) or _common(document, report)
    if path is None:
        if not document.text:
            return Block(document, (), document.root)
        # A service that is not there is told already.
        if not (
            report.problems
            or _report_only_others(document, report, wanted)
            or _report_misplaced(document, report, wanted)
        ):
            _report_missing(document, report, wanted)
        return Block(document, ("tracing",), {})
    for fault in document.faults:
        if _concerns(fault.path, path):
            report.problems.append(fault.problem)
    _report_beside(document, path, report, wanted)
    value = _get(document.root, path)
    if isinstance(value, Mapping) and isinstance(value.get("tracing"), Mapping):
        path = (*path, "tracing")
        message = "is one level too deep; take this tracing: out, and indent what is below it less"
        report.problem(document.key_position(path), path, message)
        value = value["tracing"]
    if value is None:
        value = {}
    if not isinstance(value, Mapping):
        report.problem(document.position(path), path, _no_mapping(value))
        value = {}
    return Block(document, path, value)


def _no_mapping(value: object) -> str:
    message = "must be a mapping of options, such as exporter_type: otlp"
    if isinstance(value, list):
        return f"{message}; leave out the dashes"
    if isinstance(value, str) and ":" in value:
        return f"{message}; put a space after each colon"
    return message


def _common(document: Document, report: Report) -> Path | None:
    """Find the block that is no service's own."""
    found = [path for path in PLACES if _get(document.root, path) is not _ABSENT]
    if len(found) > 1:
        where = " and ".join(dotted(path) for path in found)
        position = document.key_position(found[1])
        report.problem(position, found[1], f"there are two tracing blocks, {where}; keep one")
    return found[0] if found else None


def _service(document: Document, report: Report, wanted: Wanted) -> Path | None:
    """Find the block of the one service that is meant."""
    services = _get(document.root, ("services",))
    if not isinstance(services, Mapping):
        services = {}
    if wanted.service is not None and wanted.service not in services:
        if not wanted.service_required:
            return None
        near = closest(wanted.service, services)
        hint = f"did you mean {near}?" if near else "it has " + (", ".join(services) or "none")
        message = f"there is no service {wanted.service!r} in this file; {hint}"
        report.problem(document.key_position(("services",)), ("services",), message)
        return None
    own = _own_blocks(document)
    name = wanted.service or (wanted.service_name if wanted.service_name in services else None)
    if name is None and len(own) == 1:
        (name,) = own
    if name is None and own:
        message = (
            f"several services have a tracing block of their own ({', '.join(own)}); name the one "
            "that is meant in OTEL_SERVICE_NAME, or as service= in code"
        )
        report.problem(document.key_position(("services",)), ("services",), message)
        return ("services", own[0], "tracing")
    if name is None or name not in own:
        return None
    path = ("services", name, "tracing")
    if _get(document.root, ("services", "tracing")) is not _ABSENT:
        report.inform(f"services.tracing is not used: {dotted(path)} takes its place")
    return path


def _own_blocks(document: Document) -> list[str]:
    """List the services that have a block of their own."""
    services = _get(document.root, ("services",))
    items = services.items() if isinstance(services, Mapping) else ()
    own = [name for name, service in items if _get(service, ("tracing",)) is not _ABSENT]
    # services.tracing is the block of all services, not one that is called tracing.
    return [name for name in own if name != "tracing"]


def _report_only_others(document: Document, report: Report, wanted: Wanted) -> bool:
    """Report that only other services have a block; the one meant may be configured elsewhere."""
    others = _own_blocks(document)
    if others and wanted.required and wanted.service_required:
        path = ("services", wanted.service or wanted.service_name or "")
        there = " and ".join(dotted(("services", name, "tracing")) for name in others)
        message = (
            f"has no tracing block of its own, and there is none for all services, only {there}; "
            f"write one at {dotted((*path, 'tracing'))} or services.tracing"
        )
        report.problem(document.key_position(path), path, message)
    return bool(others)


def _report_missing(document: Document, report: Report, wanted: Wanted) -> None:
    for key in document.root:
        # A file that need not have a block may have a training: section, say.
        like = wanted.required and closest(key, ["tracing"]) is not None
        if like or squeeze(key) == "tracing":
            message = "nothing reads this; did you mean tracing?"
            report.problem(document.key_position((key,)), (key,), message)
            return
    if wanted.required:
        places = ", ".join(dotted(path) for path in PLACES)
        message = f"has no tracing block; write one at {places}"
        report.problem(document.position(()), (), message)


def _report_beside(document: Document, path: Path, report: Report, wanted: Wanted) -> None:
    """Report what stands beside the block, where nobody indented it."""
    value, around = _get(document.root, path), _get(document.root, path[:-1])
    given = value if isinstance(value, Mapping) else {}
    lost = (
        {*wanted.options}
        if given
        else {*wanted.options, "sample_rate", "sample_rates", "excluded_urls"}
    )
    chosen = given.get("exporter_type")
    names = chosen if isinstance(chosen, list) else [chosen]
    lost.update(name for name in names if isinstance(name, str) and name not in given)
    for key in around if isinstance(around, Mapping) else ():
        if key in lost:
            here = (*path[:-1], key)
            message = f"stands beside {dotted(path)}, where nothing reads it; indent it"
            report.problem(document.key_position(here), here, message)


def _report_misplaced(document: Document, report: Report, wanted: Wanted) -> bool:
    """Report a block that stands where nothing reads it; only when there is no other."""
    found = False
    for path in _misplaced(document.root, (), wanted.options):
        if not path:
            remedy = "put tracing: above them, and indent them"
        elif len(path) == 1 and closest(str(path[0]), ["tracing"]) is not None:
            remedy = "did you mean tracing?"
        else:
            remedy = "move them to tracing, at the root of the file"
        message = f"these are options of tracing, but nothing reads them here; {remedy}"
        report.problem(document.key_position(path), path, message)
        found = True
    return found


def _misplaced(root: object, path: Path, options: Collection[str]) -> Iterator[Path]:
    if not isinstance(root, Mapping) or len(path) > 4:
        return
    if any(key in root for key in options):
        yield path
        return
    for key, value in root.items():
        yield from _misplaced(value, (*path, key), options)


def _get(root: object, path: Path) -> object:
    for step in path:
        if not isinstance(root, Mapping) or step not in root:
            return _ABSENT
        root = root[step]
    return root


def _concerns(place: Path, block: Path) -> bool:
    shorter = min(len(place), len(block))
    return place[:shorter] == block[:shorter]
