"""Report environment variables that have no effect, or of which a part is malformed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from opentelemetry import environment_variables as api
from opentelemetry.sdk import environment_variables as sdk

from bentotrace.config.diagnostics import Report
from bentotrace.config.options import TracingOptions
from bentotrace.discovery import registry
from bentotrace.plugin import ExporterPlugin
from bentotrace.problems import closest
from bentotrace.schema.tree import section_of

__all__ = ["report_variables"]

_OWN = ("BENTOTRACE_CONFIG", "BENTOML_CONFIG", "BENTOTRACE_WITHIN_BENTOML")
_ATTRIBUTES = "OTEL_RESOURCE_ATTRIBUTES"
_RATE = "OTEL_TRACES_SAMPLER_ARG"
_EXPORTER = "OTEL_EXPORTER_"
_SPECIFIED = ("OTLP", "JAEGER", "ZIPKIN")
_OTHER_SIGNALS = ("METRICS", "LOGS", "PROFILES")
# Read by OpenTelemetry for its own trace pipeline, which bentotrace replaces.
_REPLACED = (
    "OTEL_PYTHON_TRACER_CONFIGURATOR",
    "OTEL_PYTHON_TRACER_PROVIDER",
)
# Read by other programs, of which no list is complete.
_OTHERS = (
    *("OTEL_BLRP_", "OTEL_LOG", "OTEL_METRIC", "OTEL_PROFILES_", "OTEL_EXPERIMENTAL_"),
    *("OTEL_PYTHON_", "OTEL_INSTRUMENTATION_", "OTEL_SEMCONV_", "OTEL_RESOURCE_PROVIDERS_"),
    *("OTEL_AUTO_", "OTEL_COLLECTOR_", "OTEL_DOTNET_", "OTEL_GO_", "OTEL_INJECTOR_"),
    *("OTEL_JAVA", "OTEL_NODE_", "OTEL_OPERATOR_", "OTEL_PHP_", "OTEL_RUBY_"),
    *("BENTOTRACE_TEST_", "BENTOTRACE_WRITE_"),
)
_CUTOFF = 0.85


def report_variables(
    environ: Mapping[str, str],
    options: TracingOptions,
    selected: Sequence[ExporterPlugin],
    report: Report,
) -> None:
    """Add a note for each variable that has no effect, and for malformed resource attributes."""
    if options.is_installed:
        # Its argument may be any text.
        ignored = f"{_RATE} is ignored"
        report.notes = [note for note in report.notes if not note.message.startswith(ignored)]
    # What is turned off may be turned on again.
    if options.disabled or (options.exporter_type and not selected):
        return
    used = _Used(selected)
    for name in sorted(environ):
        if environ[name].strip() and name not in used.known:
            used.check(name, report)
    if environ.get(_RATE, "").strip() and not (options.takes_rate or options.is_installed):
        report.warn(f"{_RATE} is set and has no effect: the sampler is {options.sampler}")
    for part in environ.get(_ATTRIBUTES, "").split(","):
        name, equals, _ = part.partition("=")
        if part.strip() and not (name.strip() and equals):
            report.warn(f"{_ATTRIBUTES}: {part.strip()!r} is ignored: expected name=value")


class _Used:
    """The variables that have an effect, and the note on any other one."""

    def __init__(self, selected: Sequence[ExporterPlugin]) -> None:
        self._selected = ", ".join(plugin.name for plugin in selected)
        # OpenTelemetry's own exporters read their variables themselves.
        self._foreign = any(plugin.name not in registry.names() for plugin in selected)
        self._of_plugins = {name for plugin in selected for name in _variables_of(plugin)}
        self._read = {
            *_OWN,
            *self._of_plugins,
            *(
                variable.name
                for _, leaf in section_of(TracingOptions).leaves()
                for variable in leaf.record.env
            ),
        }
        self._sorted = sorted(self._read)
        others = {*_names_in(api), *_names_in(sdk)}
        self.known = self._read | {
            name for name in others if not name.startswith(_EXPORTER) and name not in _REPLACED
        }

    def check(self, name: str, report: Report) -> None:
        """Report a variable that is not among the known ones, unless another program reads it."""
        if name.startswith(_EXPORTER):
            self._check_exporter(name, report)
        elif name in _REPLACED:
            report.warn(f"{name} is set and has no effect: bentotrace does not read it")
        elif name.startswith(("OTEL_", "BENTOTRACE_")) and not name.startswith(_OTHERS):
            self._warn(name, closest(name, self._read, _CUTOFF), report)
        else:
            near = _one_letter_off(name, self._sorted)
            if near is not None:
                self._warn(name, near, report)

    def _check_exporter(self, name: str, report: Report) -> None:
        if self._foreign or not self._selected:
            return
        family, _, rest = name.removeprefix(_EXPORTER).partition("_")
        owned = f"{_EXPORTER}{family}_"
        if rest.startswith(_OTHER_SIGNALS):
            return
        # A plugin owns the families of its variables.
        if any(variable.startswith(owned) for variable in self._of_plugins):
            near = closest(name, self._of_plugins)
            hint = f"did you mean {near}?" if near else "the exporter has no such option"
            report.warn(f"{name} is set and has no effect: {hint}")
        elif family not in _SPECIFIED:
            known = {*self._of_plugins, *(f"{_EXPORTER}{known}_{rest}" for known in _SPECIFIED)}
            near = closest(name, known, _CUTOFF)
            if near is not None:
                self._warn(name, near, report)
        elif family != "OTLP" or rest.startswith("TRACES"):
            # Other variables of OTLP may be for metrics and logs.
            report.inform(f"{name} is set and has no effect: exporter_type is {self._selected}")

    def _warn(self, name: str, near: str | None, report: Report) -> None:
        hint = f"did you mean {near}?" if near else "there is no such variable"
        report.warn(f"{name} is set and has no effect: {hint}")


def _variables_of(plugin: ExporterPlugin) -> Iterator[str]:
    yield from (variable.name for variable in plugin.timeout_env)
    for _, leaf in section_of(plugin.config).leaves():
        yield from (variable.name for variable in leaf.record.env)


def _names_in(module: object) -> Iterator[str]:
    return (name for name in vars(module) if name.startswith("OTEL_"))


def _one_letter_off(name: str, known: Collection[str]) -> str | None:
    """Return the known name with one letter more, less, other, or two of them exchanged."""
    for other in known:
        if abs(len(name) - len(other)) > 1:
            continue
        shorter, longer = sorted((name, other), key=len)
        start = _count_same(shorter, longer)
        end = _count_same(shorter[start:][::-1], longer[start:][::-1])
        rest, more = shorter[start : len(shorter) - end], longer[start : len(longer) - end]
        if len(more) <= 1 or (len(more) == len(rest) == 2 and rest == more[::-1]):
            return other
    return None


def _count_same(one: str, other: str) -> int:
    """Return the number of letters that two texts have in common at their start."""
    pairs = zip(one, other, strict=False)
    different = (index for index, (a, b) in enumerate(pairs) if a != b)
    return next(different, min(len(one), len(other)))
