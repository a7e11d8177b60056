"""Every variable of every installed option: its value, its source, and when it does not count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen

from bentotrace.config.candidates import Origin
from bentotrace.config.load import Config, load_config
from bentotrace.config.options import TracingOptions
from bentotrace.config.settings import Setting
from bentotrace.discovery import registry
from bentotrace.plugin import ExporterPlugin
from bentotrace.schema.tree import section_of

pytestmark = pytest.mark.few_pythons


@frozen
class Row:
    """What is known of a variable.

    Attributes:
        text: a good text.
        value: what it means.
        in_file: another value of the same option, as a file has it.
        malformed: a text that is ignored with a warning; None where there is none.
        refused: a text that is a problem; None where there is none.
        beside: what else must stand in the option's section.
    """

    text: str
    value: object
    in_file: object
    malformed: str | None = None
    refused: str | None = None
    beside: Mapping[str, str] = field(factory=dict)


def count(malformed: str = "1.5") -> Row:
    return Row("9", 9, 5, malformed)


COMMON = {
    "OTEL_SDK_DISABLED": Row("TRUE", True, False, "1"),
    "BENTOTRACE_PLUGINS": Row(
        "otlp,jaeger,zipkin,console",
        ("otlp", "jaeger", "zipkin", "console"),
        ["bentotrace"],
    ),
    "BENTOTRACE_ON_ERROR": Row("warn", "warn", "disable", "ignore"),
    "BENTOTRACE_ON_FULL": Row("wait", "wait", "drop", "sleep"),
    "OTEL_TRACES_EXPORTER": Row("console,otlp", ("console", "otlp"), "otlp", "a,a"),
    "OTEL_TRACES_SAMPLER_ARG": Row("0.25", 0.25, 1, "2"),
    "OTEL_TRACES_SAMPLER": Row("always_on", "always_on", "always_off", "sometimes"),
    "OTEL_PYTHON_EXCLUDED_URLS": Row("/a,b", ("/a", "b"), "c", "(["),
    "OTEL_PROPAGATORS": Row("baggage, baggage", ("baggage",), ["tracecontext", "baggage"], "b4"),
    "OTEL_PYTHON_ID_GENERATOR": Row("random", "random", "random", "dice"),
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": count("-1"),
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": count("nine"),
    "OTEL_BSP_MAX_QUEUE_SIZE": count("0"),
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": count(),
    "OTEL_BSP_SCHEDULE_DELAY": Row("1500", 1.5, "1s", "1s"),
    "OTEL_BSP_EXPORT_TIMEOUT": Row("1500", 1.5, "5s", "1s"),
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": count("-1"),
    "OTEL_ATTRIBUTE_COUNT_LIMIT": count("nine"),
    "OTEL_SPAN_EVENT_COUNT_LIMIT": Row("0", 0, 5, "1.5"),
    "OTEL_SPAN_LINK_COUNT_LIMIT": count("many"),
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": count("9 9"),
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": count("0x9"),
    # Any text is a name, and what is no pair of name and value the SDK reports.
    "OTEL_SERVICE_NAME": Row("iris", {"service.name": "iris"}, {"service.name": "file"}),
    "OTEL_RESOURCE_ATTRIBUTES": Row("a=b%20c,d=", {"a": "b c", "d": ""}, {"a": "file"}),
}
# Whether an endpoint is one depends on the protocol, so a bad one is a problem and no warning.
OTLP = {
    prefix + name: row
    for prefix in ("OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_")
    for name, row in {
        "TIMEOUT": Row("2", 2.0, 5, "soon"),
        "PROTOCOL": Row("http/protobuf", "http", "grpc", "http/json"),
        "ENDPOINT": Row("http://env:1", "http://env:1", "http://file:1", refused="ftp://env:1"),
        "COMPRESSION": Row("gzip", "gzip", "none", "lz4"),
        "INSECURE": Row("true", True, False, "yes"),
        "HEADERS": Row("a=b%20c,d=e", {"a": "b c", "d": "e"}, {"a": "file"}, "no pairs"),
        "CERTIFICATE": Row("a.pem", "a.pem", "b.pem", "c.pem"),
        "CLIENT_CERTIFICATE": Row(
            "a.pem", "a.pem", "b.pem", "c.pem", beside={"client_key_file": "key.pem"}
        ),
        "CLIENT_KEY": Row(
            "key.pem", "key.pem", "other.pem", "c.pem", beside={"client_certificate_file": "a.pem"}
        ),
    }.items()
}
JAEGER = {
    "OTEL_EXPORTER_JAEGER_" + name: row
    for name, row in {
        "TIMEOUT": Row("2000", 2.0, 5, "soon"),
        "PROTOCOL": Row("http/thrift.binary", "http/thrift.binary", "grpc", "udp/thrift.binary"),
        "ENDPOINT": Row("http://env:1", "http://env:1", "http://file:1", refused="http://"),
        "USER": Row("env", "env", "file", beside={"password": "hunter2"}),
        "PASSWORD": Row("env", "env", "file", beside={"username": "somebody"}),
        "AGENT_HOST": Row("env", "env", "file", refused="http://env"),
        "AGENT_PORT": Row("9", 9, 5, "65536"),
        "AGENT_SPLIT_OVERSIZED_BATCHES": Row("false", False, True, "no"),
        "GRPC_INSECURE": Row("true", True, False, "1"),
        "CERTIFICATE": Row("a.pem", "a.pem", "b.pem", "c.pem"),
    }.items()
}
ZIPKIN = {
    "OTEL_EXPORTER_ZIPKIN_TIMEOUT": Row("500ms", 0.5, 5, "-1"),
    "OTEL_EXPORTER_ZIPKIN_ENDPOINT": Row("http://env:1", "http://env:1", "http://file:1", "env:1"),
}
ROWS: Mapping[str, Row] = {**COMMON, **OTLP, **JAEGER, **ZIPKIN}


def plugins() -> Iterator[ExporterPlugin]:
    for claim in registry.find():
        if claim.distribution == "bentotrace":
            yield registry.load(claim.name)


def uses() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Return each variable, an exporter for which it counts, and the option that it overrides."""
    for path, leaf in section_of(TracingOptions).leaves():
        for variable in leaf.record.env:
            yield variable.name, "otlp", path
    for plugin in plugins():
        for variable in plugin.timeout_env:
            yield variable.name, plugin.name, ("timeout",)
        for path, leaf in section_of(plugin.config).leaves():
            for variable in leaf.record.env:
                yield variable.name, plugin.name, (plugin.name, *path)


USES = list(uses())
use = pytest.mark.parametrize(
    ("name", "exporter", "option"),
    USES,
    ids=[f"{name}-{exporter}-{'.'.join(option)}" for name, exporter, option in USES],
)


def test_every_variable_of_every_option_has_a_row() -> None:
    assert {name for name, _, _ in USES} == set(ROWS)


@pytest.fixture(autouse=True)
def _pem_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work beside two certificates and two keys."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        (tmp_path / f"{name}.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    for name in ("key", "other"):
        (tmp_path / f"{name}.pem").write_text("-----BEGIN PRIVATE KEY-----\n")


def load(name: str, exporter: str, option: tuple[str, ...], text: str) -> Config:
    """Load a file that has another value for the option than the variable."""
    row = ROWS[name]
    block: dict[str, Any] = {"exporter_type": exporter}
    here = block
    *above, last = option
    for step in above:
        here = here.setdefault(step, {})
    here.update({last: row.in_file, **row.beside})
    if len(option) == 3:
        # The section is that of a protocol.
        block[exporter]["protocol"] = option[1]
    return load_config({"tracing": block}, environ={name: text})


def setting_of(config: Config, exporter: str, option: tuple[str, ...]) -> Setting:
    own = option[0] in {exporter, "timeout"}
    settings = config.exporters[0].settings if own else config.settings
    (found,) = [setting for setting in settings if setting.path == option]
    return found


def plain(value: object) -> object:
    """Return an endpoint as text."""
    return str(value) if type(value).__name__ in {"Address", "Endpoint"} else value


def value_of(config: Config, exporter: str, option: tuple[str, ...]) -> object:
    if option == ("timeout",):
        return config.exporters[0].timeout
    value: Any = config.options
    if option[0] == exporter:
        value, option = config.exporters[0].options, option[1:]
    for step in option:
        value = getattr(value, step)
    return plain(value)


@use
def test_a_variable_wins_over_the_file(name: str, exporter: str, option: tuple[str, ...]) -> None:
    row = ROWS[name]
    if name == "OTEL_TRACES_EXPORTER":
        exporter = "zipkin"

    config = load(name, exporter, option, f" {row.text} ")

    setting = setting_of(config, exporter, option)
    assert setting.effective is not None
    assert plain(setting.effective.value) == row.value
    assert setting.effective.source == name
    origins = [candidate.origin for candidate in setting.candidates]
    assert origins == [Origin.VARIABLE, Origin.FILE, Origin.DEFAULT]
    assert value_of(config, exporter, option) == row.value


@use
@pytest.mark.parametrize("blank", ["", " \t "])
def test_a_blank_variable_is_unset(
    name: str, exporter: str, option: tuple[str, ...], blank: str
) -> None:
    config = load(name, exporter, option, blank)

    setting = setting_of(config, exporter, option)
    assert [candidate.origin for candidate in setting.candidates] == [Origin.FILE, Origin.DEFAULT]
    assert name not in str(config.notes)


@pytest.mark.parametrize(
    ("name", "exporter", "option"), [use for use in USES if ROWS[use[0]].malformed is not None]
)
def test_a_malformed_variable_is_a_warning_and_the_file_counts(
    name: str, exporter: str, option: tuple[str, ...]
) -> None:
    malformed = ROWS[name].malformed
    assert malformed is not None
    config = load(name, exporter, option, malformed)

    setting = setting_of(config, exporter, option)
    assert [candidate.origin for candidate in setting.candidates] == [Origin.FILE, Origin.DEFAULT]
    warnings = [str(note) for note in config.notes if note.warning]
    assert any(line.startswith(f"{name} is ignored: ") for line in warnings)
    assert value_of(config, exporter, option) == value_of(
        load(name, exporter, option, ""), exporter, option
    )


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.refused is not None])
def test_a_variable_that_does_not_fit_the_protocol_is_ignored_with_a_warning(name: str) -> None:
    refused = ROWS[name].refused
    assert refused is not None
    exporter = name.removeprefix("OTEL_EXPORTER_").partition("_")[0].lower()

    config = load_config({"exporter_type": exporter}, environ={name: refused})
    default = load_config({"exporter_type": exporter}, environ={})

    warnings = [str(note) for note in config.notes if note.warning]
    assert [line for line in warnings if line.startswith(f"{name} is ignored: ")] == warnings
    assert len(warnings) == 1
    assert config.exporters[0].options == default.exporters[0].options


@pytest.mark.parametrize(
    ("first", "second", "option"),
    [
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT", "limits.attribute_count"),
        (
            "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "max_tag_value_length",
        ),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT", "timeout"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS", "otlp.grpc.headers"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "otlp.endpoint"),
    ],
)
def test_the_more_specific_variable_wins(first: str, second: str, option: str) -> None:
    environ = {name: ROWS[name].text for name in (first, second)}

    config = load_config({"exporter_type": "otlp"}, environ=environ)

    candidates = setting_of(config, "otlp", tuple(option.split("."))).candidates
    assert [candidate.source for candidate in candidates[:2]] == [first, second]


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("OTEL_TRACES_EXPORTER", "OTLP", lambda config: config.exporters[0].plugin.name == "otlp"),
        ("OTEL_TRACES_EXPORTER", "None", lambda config: config.exporters == ()),
        ("OTEL_TRACES_SAMPLER", "ALWAYS_ON", lambda config: config.options.sampler == "always_on"),
        ("OTEL_PROPAGATORS", "TraceContext", lambda c: c.options.propagators == ("tracecontext",)),
        ("OTEL_SDK_DISABLED", "TRUE", lambda config: config.options.disabled),
        ("BENTOTRACE_ON_ERROR", "Warn", lambda config: config.options.on_error == "warn"),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "HTTP/PROTOBUF",
            lambda config: config.exporters[0].options.protocol == "http",
        ),
        (
            "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
            "GZIP",
            lambda config: config.exporters[0].options.compression == "gzip",
        ),
    ],
)
def test_an_enumeration_is_read_in_any_case(name: str, text: str, found: Any) -> None:
    config = load_config(None, environ={"OTEL_TRACES_EXPORTER": "otlp", name: text})

    assert found(config)
    assert not [str(note) for note in config.notes if note.warning]


NO_EFFECT = {
    "OTEL_TRACES_SAMPLER_ARGS": "did you mean OTEL_TRACES_SAMPLER_ARG?",
    "OTEL_TRACE_EXPORTER": "did you mean OTEL_TRACES_EXPORTER?",
    "OTEL_TRACES_SAMPLR": "did you mean OTEL_TRACES_SAMPLER?",
    "OTEL_PROPAGATOR": "did you mean OTEL_PROPAGATORS?",
    "OTEL_BSP_MAX_QUEUE": "did you mean OTEL_BSP_MAX_QUEUE_SIZE?",
    "OTEL_RESOURCE_ATTRIBUTE": "did you mean OTEL_RESOURCE_ATTRIBUTES?",
    "OTEL_EXPORTER_OLTP_ENDPOINT": "did you mean OTEL_EXPORTER_OTLP_ENDPOINT?",
    "OTEL_EXPORTER_JEAGER_AGENT_HOST": "did you mean OTEL_EXPORTER_JAEGER_AGENT_HOST?",
    "OTEL_EXPORTER_OTLP_HEADER": "did you mean OTEL_EXPORTER_OTLP_HEADERS?",
    "BENTOTRACE_CONFG": "did you mean BENTOTRACE_CONFIG?",
    "BENTOTRCE_CONFIG": "did you mean BENTOTRACE_CONFIG?",
    "BENTOML_CONFGI": "did you mean BENTOML_CONFIG?",
    "OTLE_TRACES_EXPORTER": "did you mean OTEL_TRACES_EXPORTER?",
    "BENTOTRACE_SAMPLE_RATE": "there is no such variable",
    "OTEL_TRACES_COLOUR": "there is no such variable",
    "OTEL_PYTHON_TRACER_CONFIGURATOR": "bentotrace does not read it",
}


@pytest.mark.parametrize(
    ("name", "source"),
    [
        *((name, {"exporter_type": "otlp"}) for name in NO_EFFECT),
        # Which variables of exporters have an effect depends on the exporter.
        *((name, {}) for name in NO_EFFECT if not name.startswith("OTEL_EXPORTER_")),
    ],
)
def test_a_variable_without_effect_is_reported_once(name: str, source: dict[str, str]) -> None:

    config = load_config(source, environ={name: "x"})

    found = [str(note) for note in config.notes if name in str(note)]
    assert found == [f"{name} is set and has no effect: {NO_EFFECT[name]}"]


@pytest.mark.parametrize(
    "name",
    [
        "OTEL_METRICS_EXPORTER",
        "OTEL_LOG_LEVEL",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
        "OTEL_PYTHON_LOG_CORRELATION",
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST",
        "OTEL_SEMCONV_STABILITY_OPT_IN",
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS",
        "PATH",
        "HOME",
        "BENTOML_HOME",
    ],
)
def test_a_variable_of_another_program_is_not_reported(name: str) -> None:
    assert load_config({"exporter_type": "otlp"}, environ={name: "x"}).notes == ()


def test_a_part_of_the_resource_attributes_that_is_not_a_pair_is_named() -> None:
    text = "service.version=1.10,production, =x,team=a"

    config = load_config({"exporter_type": "otlp"}, environ={"OTEL_RESOURCE_ATTRIBUTES": text})

    assert [str(note) for note in config.notes] == [
        "OTEL_RESOURCE_ATTRIBUTES: 'production' is ignored: expected name=value",
        "OTEL_RESOURCE_ATTRIBUTES: '=x' is ignored: expected name=value",
    ]
    assert config.options.resource.attributes["service.version"] == "1.10"
    assert config.options.resource.attributes["team"] == "a"
