"""Find and list installed plugins by their metadata, without importing them."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from email.message import Message
from functools import cache
from importlib.metadata import Distribution, EntryPoint, PathDistribution, distributions
from pathlib import Path
from typing import Any, NamedTuple

from bentotrace import hookspecs
from bentotrace._version import __version__

__all__ = [
    "BUILT_IN",
    "OTEL_GROUP",
    "RESERVED",
    "Claim",
    "Listing",
    "Search",
    "find",
    "list_plugins",
    "obstacles",
    "reason_against",
]

OTEL_GROUP = "opentelemetry_traces_exporter"
"""The entry-point group of exporters published for OpenTelemetry itself."""

BUILT_IN = ("console", "jaeger", "otlp", "zipkin")
"""The exporters of bentotrace, whose modules are ``bentotrace_<name>``."""

RESERVED = frozenset(
    {
        *(
            "asgi_message_spans",
            "bentoml_spans",
            "disabled",
            "exporter_type",
            "excluded_urls",
            "extensions",
            "flush_on_signals",
            "id_generator",
        ),
        *(
            "limits",
            "max_tag_value_length",
            "on_error",
            "plugins",
            "processor",
            "propagators",
            "resource",
        ),
        *(
            "sample_rate",
            "sample_rates",
            "sampler",
            "sdk_metrics",
            "spans",
            "spool",
            "timeout",
            "type",
        ),
    }
)
"""The options of the tracing block, and the old name of one: no exporter may have such a name."""

_COMPONENTS = (
    *("id_generator", "propagator", "resource_detector", "traces_sampler"),
    *("tracer_provider", "meter_provider", "logger_provider", "event_logger_provider"),
)
_GROUPS = (
    hookspecs.EXPORTERS_GROUP,
    hookspecs.EXTENSIONS_GROUP,
    OTEL_GROUP,
    *(f"opentelemetry_{component}" for component in _COMPONENTS),
)
_UNKNOWN = "unknown"
_FIELD = re.compile(r"^(Name|Version):[ \t]*(\S+)", re.MULTILINE)


class Claim(NamedTuple):
    """An entry point of an installed distribution.

    Attributes:
        name: its name, such as the exporter type.
        value: ``module`` or ``module:attribute``.
        group: the entry-point group.
        distribution: the distribution's name; "unknown" if its metadata cannot be read.
        version: the distribution's version, or "unknown".
        origin: the distribution.
    """

    name: str
    value: str
    group: str
    distribution: str
    version: str
    origin: Distribution

    @property
    def what(self) -> str:
        """The kind of plugin in messages."""
        extends = self.group == hookspecs.EXTENSIONS_GROUP
        return "extension" if extends else "exporter plugin"

    def load(self) -> Any:
        """Import the module or attribute that it refers to."""
        try:
            point = EntryPoint(self.name, self.value, self.group)
            _ = point.module
        # Python 3.14 asserts that the reference is valid.
        except (AssertionError, AttributeError, ValueError):
            reason = f"{self.value!r} is not a module or module:attribute"
            raise ValueError(reason) from None
        return point.load()

    def __str__(self) -> str:
        source = f"{self.distribution} {self.version}"
        if self.distribution == _UNKNOWN:
            source = f"no readable metadata, in {_directory(self.origin)}"
        return f"{self.name} = {self.value} ({source})"


@cache
def find(group: str = hookspecs.EXPORTERS_GROUP) -> tuple[Claim, ...]:
    """List the entry points of a group, sorted by name; metadata is read once per process."""
    claims = [c for c in _search().claims if c.group == group and _refusal(c) is None]
    exporters = group == hookspecs.EXPORTERS_GROUP
    if exporters and all(claim.distribution != "bentotrace" for claim in claims):
        claims.extend(_built_in())
    return tuple(sorted(claims, key=lambda claim: claim[:5]))


def obstacles() -> tuple[str, ...]:
    """List the reasons why plugins may be missing, one sentence each."""
    refused = filter(None, map(_refusal, _search().claims))
    found = [*_search().obstacles, *refused]
    passed = "if it is passed as bentotrace.configure(plugins=[module])"
    for place in _search().path:
        if Path(place).is_file() and not any(distributions(path=[place])):
            found.append(f"{place} has no metadata, so a plugin in it is found only {passed}")
    if getattr(sys, "frozen", False):
        frozen = "a frozen application finds a plugin only with its metadata"
        found.insert(0, f"{frozen} (PyInstaller: --copy-metadata), or {passed}")
    return tuple(found)


def _refusal(claim: Claim) -> str | None:
    """Return why an exporter cannot be used because of its name; None if it can."""
    if claim.group not in {hookspecs.EXPORTERS_GROUP, OTEL_GROUP}:
        return None
    reason = reason_against(claim.name)
    return None if reason is None else f"exporter plugin {claim} cannot be used: {reason}"


def reason_against(name: str) -> str | None:
    """Return why no exporter may have a name; None if one may."""
    if name == "none":
        return "its name is 'none', which means no exporter; its author must rename it"
    if name in RESERVED:
        return f"its name {name!r} is an option of the tracing block; its author must rename it"
    if not name.strip() or name != name.strip() or "," in name or not name.isprintable():
        return f"its name {name!r} cannot be written in exporter_type; its author must rename it"
    return None


@cache
def _search() -> Search:
    return Search()


class Search:
    """Read the entry points of every distribution; a broken one does not hide others.

    Of distributions with the same name, the first on ``sys.path`` has precedence, as in an import.

    Attributes:
        claims: the entry points of the groups, sorted.
        obstacles: the reasons why others may be missing, one sentence each.
        path: the places that were searched.
    """

    def __init__(self) -> None:
        self.obstacles: list[str] = []
        self._seen: set[tuple[str, str]] = set()
        # importlib.metadata raises for invalid paths, which the import system ignores.
        self.path = [place for place in sys.path if isinstance(place, str) and "\0" not in place]
        # A look-up of one name takes as long in each place without any distribution.
        self._places = [place for place in self.path if any(distributions(path=[place]))]
        found = [claim for origin in distributions(path=self.path) for claim in self._read(origin)]
        # A leftover directory without METADATA does not make a plugin ambiguous.
        known = {claim[:3] for claim in found if claim.distribution != _UNKNOWN}
        usable = (c for c in found if c.distribution != _UNKNOWN or c[:3] not in known)
        self.claims = sorted(usable, key=lambda claim: claim[:5])

    def _read(self, origin: Distribution) -> Iterable[Claim]:
        try:
            points = [point for point in _entry_points(origin) if point[2] in _GROUPS]
        except Exception as error:
            what = " ".join(dict.fromkeys(_identity(origin)))
            self.obstacles.append(
                f"the entry points of {what} in {_directory(origin)} cannot be read: {error}"
            )
            return ()
        name, version = _identity(origin) if points else (_UNKNOWN, _UNKNOWN)
        if name != _UNKNOWN and not self._takes_precedence(origin, name, version):
            return ()
        return [Claim(*point, name, version, origin) for point in points]

    def _takes_precedence(self, origin: Distribution, name: str, version: str) -> bool:
        key = (re.sub(r"[-_.]+", "-", name).lower(), version)
        if key in self._seen:
            return False
        versions = [_identity(other)[1] for other in distributions(name=name, path=self._places)]
        # importlib.metadata looks it up by its directory, which pip renames during an uninstall.
        if not versions and any(Path(_directory(origin)).glob(f"~*-{version}.dist-info")):
            self.obstacles.append(
                f"pip left {name} {version} behind in {_directory(origin)}; "
                f"reinstall it, or delete the directories there whose names begin with ~"
            )
            return False
        self._seen.add(key)
        return version == next((found for found in versions if found != _UNKNOWN), version)


def _built_in() -> Iterator[Claim]:
    """Yield the exporters of bentotrace where it has no metadata: in a zip file, or frozen."""
    origin = PathDistribution(Path(__file__).parents[2])
    for name in BUILT_IN:
        module = f"bentotrace_{name}"
        if importlib.util.find_spec(module) is not None:
            yield Claim(name, module, hookspecs.EXPORTERS_GROUP, "bentotrace", __version__, origin)


def _entry_points(origin: Distribution) -> Iterable[tuple[str, str, str]]:
    text = origin.read_text("entry_points.txt")
    if text is None:
        return [(point.name, point.value, point.group) for point in origin.entry_points]
    # Distribution.entry_points parses every group, and raises if any entry point is invalid.
    return _parse(text) if any(group in text for group in _GROUPS) else ()


def _parse(text: str) -> Iterator[tuple[str, str, str]]:
    group = ""
    for line in map(str.strip, text.splitlines()):
        name, equals, value = map(str.strip, line.partition("="))
        if line.startswith("[") and line.endswith("]"):
            group = line.strip("[]")
        elif equals and not line.startswith("#"):
            yield name, value, group


def _read_metadata(origin: Distribution) -> Any:
    """Return a distribution's metadata, or an empty message if it is missing or damaged."""
    try:
        return origin.metadata or Message()
    except Exception:
        return Message()


def _identity(origin: Distribution) -> tuple[str, str]:
    """Return name and version, "unknown" if they cannot be read."""
    try:
        text = origin.read_text("METADATA") or origin.read_text("PKG-INFO") or ""
    except ValueError:
        return _UNKNOWN, _UNKNOWN
    # Four times as fast as parsing a message.
    fields: Any = dict(_FIELD.findall(text.partition("\n\n")[0])) or _read_metadata(origin)
    return str(fields.get("Name", _UNKNOWN)), str(fields.get("Version", _UNKNOWN))


def _directory(origin: Distribution) -> str:
    return str(origin.locate_file(""))


_DEVELOPMENT_STATUS = re.compile(r"Development Status ::\s*(.?)")
_STABILITY = {"1": "experimental", "2": "experimental", "3": "experimental", "4": "beta"}


class Listing(NamedTuple):
    """One line of ``bentotrace plugins``.

    Attributes:
        name: the exporter type.
        distribution: the distribution's name.
        version: the distribution's version.
        stability: "stable", "beta", "experimental", "deprecated", or "" if unknown.
        summary: one line.
        duplicate: whether another distribution has the same name, so that neither can be used.
        kind: "exporter" or "extension".
    """

    name: str
    distribution: str
    version: str
    stability: str
    summary: str
    duplicate: bool
    kind: str = "exporter"


def list_plugins() -> tuple[Listing, ...]:
    """List every installed exporter and extension without importing it.

    Stability and summary are read from the source, else from the distribution's metadata.
    """
    own = find()
    known = {claim.name for claim in own}
    found: list[Listing] = []
    foreign = [claim for claim in find(OTEL_GROUP) if claim.name not in known]
    for claims in (own, foreign, find(hookspecs.EXTENSIONS_GROUP)):
        names = Counter(claim.name for claim in claims)
        found.extend(_listing(claim, names[claim.name] > 1) for claim in claims)
    return tuple(found)


def _listing(claim: Claim, duplicate: bool) -> Listing:
    metadata = _read_metadata(claim.origin)
    literals = {} if claim.group == OTEL_GROUP else _literals(claim)
    stability = literals.get("stability") or _stability(metadata.get_all("Classifier", ()))
    summary = literals.get("summary") or metadata.get("Summary", "")
    if claim.group == OTEL_GROUP:
        summary = f"For OpenTelemetry: {summary}" if summary else "For OpenTelemetry"
    kind = "extension" if claim.group == hookspecs.EXTENSIONS_GROUP else "exporter"
    found = (claim.name, claim.distribution, claim.version, stability, summary, duplicate)
    return Listing(*found, kind)


def _stability(classifiers: Iterable[str]) -> str:
    statuses = filter(None, map(_DEVELOPMENT_STATUS.match, classifiers))
    return next((_STABILITY.get(status[1], "stable") for status in statuses), "")


_DESCRIPTORS = ("ExporterPlugin", "ExtensionPlugin")


def _literals(claim: Claim) -> dict[str, str]:
    """Return the literal arguments of the descriptor in a plugin's source."""
    for path in _sources(claim):
        try:
            if not path.is_file():
                continue
            tree = ast.parse(path.read_bytes())
        # The parser raises RecursionError and MemoryError for deep nesting.
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _last_name(node.func) in _DESCRIPTORS:
                return dict(_keywords(node))
    return {}


def _sources(claim: Claim) -> Iterator[Path]:
    """Yield the paths where the source of an entry point's module may be."""
    name = claim.value.partition(":")[0].partition("[")[0].strip()
    top, *below = name.split(".")
    # The name may be anything, and looking up a submodule would import its package.
    try:
        spec = importlib.util.find_spec(top)
    # A finder of another package may raise any exception.
    except Exception:
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
