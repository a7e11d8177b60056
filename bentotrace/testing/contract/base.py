"""What the duties share: the exporter that is built for a receiver, and what it reported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest
from attrs import define, field
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from bentotrace.config.load import ExporterConfig, load_config
from bentotrace.discovery import registry
from bentotrace.discovery.calls import HangError, call_bounded
from bentotrace.exceptions import BentotraceError, PluginError
from bentotrace.plugin import BuildContext, ExporterPlugin
from bentotrace.testing.certificates import Certificates, make_certificates
from bentotrace.testing.receiver import Family, ReceivedSpan
from bentotrace.transport.outcome import Outcome

__all__ = ["SECRET", "Bench", "Built", "Duties"]

SECRET = "s3cr3t-marker-7391"
"""The value of every secret in the test that no secret is shown."""

PATIENCE = 3.0
"""Seconds that a call may take beyond its timeout, on a machine that is busy."""

LONG_TIMEOUT = 10.0
"""Seconds for exports that succeed."""


@define(eq=False)
class Built:
    """An exporter, and what it reports to its context.

    Attributes:
        config: its checked configuration.
        timeout: seconds that an export may take.
        exporter: the exporter.
        reports: the outcomes of the last export that are of spans, with their numbers.
        drops: the numbers and reasons of dropped spans of the last export.
        all_reports: every outcome so far, also those of attempts that were retried.
    """

    config: ExporterConfig
    timeout: float
    exporter: Any = None
    reports: list[tuple[Outcome, int]] = field(factory=list)
    drops: list[tuple[int, str]] = field(factory=list)
    all_reports: list[Outcome] = field(factory=list)

    def report(self, outcome: Outcome, number: int) -> None:
        """Keep an outcome."""
        self.all_reports.append(outcome)
        if number:
            self.reports.append((outcome, number))

    def drop(self, number: int, reason: str) -> None:
        """Keep a drop."""
        self.drops.append((number, reason))

    @property
    def context(self) -> BuildContext:
        """The context for ``create``."""
        return BuildContext(
            timeout=self.timeout,
            resource=Resource({"service.name": "shop"}),
            service_name="shop",
            report=self.report,
            drop=self.drop,
            redaction=self.config.redaction,
        )

    def create(self) -> Built:
        """Create the exporter."""
        self.exporter = self.config.plugin.create(self.config.options, self.context)
        return self

    def export(self, spans: Sequence[ReadableSpan]) -> Any:
        """Export, and fail the test if that raises or takes much longer than the timeout."""
        self.reports.clear()
        self.drops.clear()
        return self.call("export", spans, within=self.timeout)

    def call(self, method: str, *arguments: Any, within: float) -> Any:
        """Call a method of the exporter, and fail the test if it raises or hangs."""
        __tracebackhide__ = True
        return call(lambda: getattr(self.exporter, method)(*arguments), f"{method}()", within)

    @property
    def accepted(self) -> int:
        """The number of spans that were reported as accepted."""
        return sum(number - outcome.rejected for outcome, number in self.reports if outcome.ok)

    @property
    def counted(self) -> int:
        """The number of spans that were reported or dropped."""
        reported = sum(number for _, number in self.reports)
        return reported + sum(number for number, _ in self.drops)


def call(function: Callable[[], Any], what: str, within: float) -> Any:
    """Call the plugin's code, and fail the test if it raises or hangs."""
    __tracebackhide__ = True
    try:
        return _call(function, what, within)
    except Exception as error:
        pytest.fail(f"{what} raised {type(error).__name__}: {error}; {_ADVICE[what].if_it_raises}")


def _call(function: Callable[[], Any], what: str, within: float) -> Any:
    __tracebackhide__ = True
    try:
        return call_bounded(function, within + PATIENCE, what)
    except HangError as error:
        pytest.fail(f"{error}, for a timeout of {within:g} s; {_ADVICE[what].if_it_hangs}")


def try_export(built: Built, spans: Sequence[ReadableSpan]) -> Any:
    """Export, and return the exception if that raises, for which another test fails."""
    __tracebackhide__ = True
    try:
        return _call(lambda: built.exporter.export(spans), "export()", built.timeout)
    except Exception as error:
        return error


class _Advice(NamedTuple):
    if_it_raises: str
    if_it_hangs: str


_ADVICE = {
    "create()": _Advice(
        "make an option without a usable default required, and check values in the options class",
        "connect in export()",
    ),
    "export()": _Advice(
        "catch it, and return a SpanExportResult",
        "connecting, sending, reading and retries together may take context.timeout",
    ),
    "force_flush()": _Advice(
        "return False if something was not sent", "its argument is in milliseconds"
    ),
    "shutdown()": _Advice(
        "it is also called before the first export, and twice", "abandon what is not sent"
    ),
    "advise()": _Advice("return None for what it does not know", "it may not wait"),
    "checks()": _Advice("yield a Check with ok=False", "it may take context.timeout"),
}


_PROCESS_SECONDS = 60
_LOAD = """
import importlib, json, sys
settings = json.loads(sys.argv[1])
sys.path[:] = settings["path"]
from bentotrace.config.load import load_config
from bentotrace.testing.contract.base import Built
name, plugin = settings["exporter_type"], settings["plugin"]
plugins = [importlib.import_module(plugin)] if plugin else []
source = {"exporter_type": name, name: settings["section"]}
(config,) = load_config(source, environ={}, plugins=plugins).exporters
"""


class Bench:
    """Starts receivers, builds exporters, and closes them after the test."""

    def __init__(self, duties: Duties, folder: Path) -> None:
        self._duties = duties
        self._folder = folder
        self._opened = ExitStack()

    def receiver(self, **options: Any) -> Any:
        """Start a receiver; None for an exporter without one."""
        if self._duties.receiver is None:
            return None
        return self._opened.enter_context(self._duties.receiver(**options))

    def configure(self, receiver: Any, more: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """Return the exporter's section for a receiver, with more options by dotted name."""
        options: Any = self._duties.options
        found = options(receiver) if callable(options) else options
        section = {
            name: value(receiver) if callable(value) else value for name, value in found.items()
        }
        for path, value in (more or {}).items():
            *above, name = path.split(".")
            inner = section
            for each in above:
                inner[each] = dict(inner.get(each, {}))
                inner = inner[each]
            inner[name] = value
        return section

    def load(self, section: Mapping[str, Any]) -> ExporterConfig:
        """Check a section; skip the test if the plugin cannot be loaded."""
        duties = self._duties
        source = {"exporter_type": duties.exporter_type, duties.exporter_type: section}
        plugins = () if duties.plugin is None else (duties.plugin,)
        try:
            with registry.using(plugins):
                registry.load(duties.exporter_type)
            (config,) = load_config(source, environ={}, plugins=plugins).exporters
        except PluginError as error:
            pytest.skip(f"the plugin cannot be loaded: {error}")
        return config

    def build(
        self,
        receiver: Any = None,
        options: Mapping[str, Any] | None = None,
        *,
        timeout: float = LONG_TIMEOUT,
    ) -> Built:
        """Build an exporter for a receiver, with more options by dotted name."""
        built = Built(self.load(self.configure(receiver, options)), timeout).create()
        self._opened.callback(_shut_down, built.exporter)
        return built

    def run(self, program: str, receiver: Any) -> subprocess.CompletedProcess[str]:
        """Run a program that has ``Built``, and ``config`` for a receiver, in a new process."""
        __tracebackhide__ = True
        section = self.configure(receiver)
        self.load(section)
        plugin = self._duties.plugin
        settings = {
            "path": sys.path,
            "exporter_type": self._duties.exporter_type,
            "section": section,
            "plugin": None if plugin is None else getattr(plugin, "__name__", None),
        }
        command = [sys.executable, "-W", "ignore", "-c", _LOAD + program, json.dumps(settings)]
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=_PROCESS_SECONDS)
        except subprocess.TimeoutExpired:
            pytest.fail(f"a new process with the exporter did not end within {_PROCESS_SECONDS} s")

    @property
    def plugin(self) -> ExporterPlugin:
        """The descriptor."""
        return self.load(self.configure(self.receiver())).plugin

    def certificates(self, name: str) -> Certificates:
        """Create an authority for loopback."""
        folder = self._folder / name
        folder.mkdir()
        return make_certificates(folder)

    def close(self) -> None:
        """Close everything."""
        self._opened.close()


def _shut_down(exporter: Any) -> None:
    try:
        exporter.shutdown()
    except Exception:
        return  # a duty of its own looks at it


# requests prefers them to the certificate that a test names.
_AUTHORITIES = ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE")


class Duties:
    """The attributes of :class:`bentotrace.testing.contract.ExporterContract`."""

    exporter_type: ClassVar[str]
    plugin: ClassVar[object | None] = None
    receiver: ClassVar[Callable[..., Any] | None] = None
    options: Any = {}
    supports_tls: ClassVar[bool] = False
    certificate_option: ClassVar[str] = "certificate_file"
    supports_headers: ClassVar[bool] = False
    headers_option: ClassVar[str] = "headers"
    reports_outcomes: ClassVar[bool] = True
    confirms_delivery: ClassVar[bool] = True
    secrets: ClassVar[Mapping[str, Any] | None] = None
    value_types: ClassVar[frozenset[type]] = frozenset({bool, int, float, str, list})
    lost_fields: ClassVar[frozenset[str]] = frozenset()
    timeout: ClassVar[float] = 0.3

    @pytest.fixture
    def bench(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
        """Start receivers and build exporters, without this machine's proxies and authorities."""
        for name in list(os.environ):
            if name.lower().endswith("_proxy") or name in _AUTHORITIES:
                monkeypatch.delenv(name)
        made = Bench(self, tmp_path)
        yield made
        made.close()

    @classmethod
    def family(cls) -> Family | None:
        """Return what carries the spans; None without a receiver."""
        family: Family | None = getattr(cls.receiver, "family", None)
        return family


def require(condition: object, message: str) -> None:
    """Fail the test with a message for the author."""
    __tracebackhide__ = True
    if not condition:
        pytest.fail(message)


def wait_for(receiver: Any, number: int) -> list[ReceivedSpan]:
    """Return the spans that arrived, after waiting for ``number`` of them."""
    __tracebackhide__ = True
    try:
        found: list[ReceivedSpan] = receiver.wait(number)
    except TimeoutError as error:
        pytest.fail(f"{error}; export() returns when every span of the batch is sent")
    errors = receiver.errors
    require(not errors, f"the receiver could not decode what was sent: {errors[-1:]}")
    return found


def require_success(result: object, when: str = "to a healthy receiver") -> None:
    """Fail the test unless an export to a healthy receiver succeeded."""
    __tracebackhide__ = True
    require(
        result is SpanExportResult.SUCCESS,
        f"export() {when} returned {result!r}, expected SpanExportResult.SUCCESS",
    )


def mistake_of(load: Callable[[], object]) -> BentotraceError | None:
    """Return the error of a call; None if it has none."""
    try:
        load()
    except BentotraceError as error:
        return error
    return None
