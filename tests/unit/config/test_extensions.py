"""Options of an extension for single destinations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from ruamel.yaml import YAML

import bentotrace
from bentotrace.config.diagnostics import Report
from bentotrace.config.explain import explain
from bentotrace.config.json_schema import json_schema
from bentotrace.config.load import Config, load_config
from bentotrace.discovery import registry
from bentotrace.exceptions import ConfigError, InvalidPluginError
from bentotrace.hookspecs import hookimpl
from bentotrace.plugin import NAMES, BuildContext, ExtensionPlugin, option
from bentotrace.testing import ZipkinReceiver

SECRET = "s3cr3t-marker"


@frozen
class Inner:
    size: int = option(default=1, help="Size.")
    color: str = option(default="red", help="Color.")


@frozen
class Options:
    names: tuple[str, ...] = option(default=(), kind=NAMES, help="Spans.", env="ACME_NAMES")
    token: str | None = option(default=None, secret=True, help="A token.")
    host: str | None = option(default=None, help="Host.", deprecated="leave it out")
    inner: Inner = option(factory=Inner, help="Inner.")


@frozen
class Required:
    name: str = option(help="A span.")


class Filter(SpanExporter):
    def __init__(self, options: Options, exporter: SpanExporter, context: BuildContext) -> None:
        self._options, self._exporter, self._context = options, exporter, context

    def export(self, spans: Any) -> SpanExportResult:
        kept = [span for span in spans if span.name not in self._options.names]
        endpoint = self._context.endpoint.rpartition("/")[2]
        self._context.drop(len(spans) - len(kept), f"{self._context.exporter} {endpoint}")
        return self._exporter.export(kept) if kept else SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def plugin(config: type = Options) -> Any:
    class Plugin:
        @staticmethod
        @hookimpl
        def bentotrace_extension() -> ExtensionPlugin:
            return ExtensionPlugin(name="filter", wrap=Filter, config=config, summary="Filters")

    return Plugin


HEAD = """\
tracing:
  exporter_type: [otlp, zipkin]
  sample_rate: 1
  extensions: [filter]
"""
Load = Callable[..., Config]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(
        text: str,
        environ: dict[str, str] | None = None,
        config: type = Options,
        **overrides: Any,
    ) -> Config:
        file = tmp_path / "f.yaml"
        file.write_text(HEAD + text)
        return load_config(
            file, environ=environ or {}, overrides=overrides, plugins=[plugin(config)]
        )

    return load


def options(config: Config) -> list[Any]:
    return [exporter.extensions[0].options for exporter in config.exporters]


def explained(config: Config) -> Iterator[tuple[str, Any, str]]:
    for destination in explain(config).destinations:
        for each in destination.options:
            if each.path.startswith("filter") and each.source != "default":
                yield each.path, each.value, each.source.rpartition("/")[2]


def test_the_options_of_a_destination_override_those_of_all(load: Load) -> None:
    config = load(
        "  filter:\n    names: [a]\n    token: all\n    inner: {size: 2, color: blue}\n"
        "    destinations:\n      zipkin:\n        names: [b]\n        inner: {size: 3}\n"
    )
    common, own = options(config)
    assert (common.names, common.inner) == (("a",), Inner(size=2, color="blue"))
    assert (own.names, own.token, own.inner) == (("b",), "all", Inner(size=3, color="blue"))
    own_path = "filter.destinations.zipkin"
    assert list(explained(config)) == [
        ("filter.names", ["a"], "f.yaml:6:12"),
        ("filter.token", "***", "f.yaml:7:12"),
        ("filter.inner.size", 2, "f.yaml:8:19"),
        ("filter.inner.color", "blue", "f.yaml:8:29"),
        (f"{own_path}.names", ["b"], "f.yaml:11:16"),
        (f"{own_path}.token", "***", "f.yaml:7:12"),
        (f"{own_path}.inner.size", 3, "f.yaml:12:23"),
        (f"{own_path}.inner.color", "blue", "f.yaml:8:29"),
    ]


def test_variables_and_code_override_the_file_also_for_a_destination(load: Load) -> None:
    text = "  filter: {names: [a], destinations: {zipkin: {names: [b]}}}\n"
    assert [each.names for each in options(load(text, {"ACME_NAMES": "c"}))] == [("c",), ("c",)]
    code = {"names": ["d"], "destinations": {"otlp": {"names": ["e"]}}}
    assert [each.names for each in options(load(text, filter=code))] == [("e",), ("d",)]


def values(config: Config) -> list[list[tuple[str, ...]]]:
    return [
        [extension.options.names for extension in exporter.extensions]
        for exporter in config.exporters
    ]


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        ("{zipkin: false}", {}, [[("a",)], []]),
        ("{zipkin: 'no'}", {}, None),
        ("\n      zipkin: ${ACME_ON:-false}", {}, [[("a",)], []]),
        ("\n      zipkin: ${ACME_ON:-}", {}, [[("a",)], [("a",)]]),
        ("{zipkin: true, otlp: null}", {}, [[("a",)], [("a",)]]),
        ("{zipkin: false, otlp: {names: [b]}}", {}, [[("b",)], []]),
        ("{zipkin: false}", {"zipkin": True}, [[("a",)], [("a",)]]),
        ("{zipkin: false}", {"zipkin": {"names": ["c"]}}, [[("a",)], [("c",)]]),
        ("{zipkin: {names: [b]}}", {"zipkin": False}, [[("a",)], []]),
        ("{zipkin: false, otlp: false}", {}, [[], []]),
    ],
)
def test_false_switches_an_extension_off_for_a_destination(
    load: Load, text: str, code: dict[str, Any], expected: Any
) -> None:
    text = f"  filter:\n    names: [a]\n    destinations: {text}\n"
    if expected is None:
        with pytest.raises(ConfigError, match=r"destinations\.zipkin: expected a mapping of opt"):
            load(text)
        return
    assert values(load(text, filter={"destinations": code})) == expected


def test_a_required_option_is_needed_only_where_an_extension_is_on(load: Load) -> None:
    text = "  filter: {destinations: {otlp: {name: a}, zipkin: false}}\n"
    assert [len(each.extensions) for each in load(text, config=Required).exporters] == [1, 0]


def test_explain_shows_where_an_extension_is_switched_off(load: Load) -> None:
    config = load("  filter:\n    names: [a]\n    destinations:\n      zipkin: false\n")
    assert list(explained(config)) == [
        ("filter.names", ["a"], "f.yaml:6:12"),
        ("filter.destinations.zipkin", False, "f.yaml:8:15"),
    ]


def test_a_required_option_may_be_set_for_each_destination(load: Load) -> None:
    text = "  filter:\n    destinations: {otlp: {name: a}, zipkin: {name: b}}\n"
    assert [each.name for each in options(load(text, config=Required))] == ["a", "b"]
    with pytest.raises(ConfigError, match=r"tracing\.filter\.name: is required but missing"):
        load("  filter:\n    destinations: {otlp: {name: a}}\n", config=Required)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "{destinations: {zipkni: {}}}",
            ":5:27: tracing.filter.destinations.zipkni: is not an exporter type; did you mean "
            "zipkin?",
        ),
        (
            "{destinations: {zipkin: {name: [a]}}}",
            ":5:36: tracing.filter.destinations.zipkin.name: unknown option; did you mean names?",
        ),
        (
            "{destinations: [zipkin]}",
            ":5:26: tracing.filter.destinations: expected a mapping of exporter types",
        ),
        (
            "{destinations: {zipkin: 5}}",
            ":5:35: tracing.filter.destinations.zipkin: expected a mapping of options, or false to "
            "switch the extension off",
        ),
        (
            "{destinations: {zipkin: {destinations: {}}}}",
            ":5:36: tracing.filter.destinations.zipkin.destinations: unknown option",
        ),
    ],
)
def test_a_mistake_is_an_error_at_its_place(load: Load, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(f"  filter: {text}\n")
    assert problem in str(caught.value)
    assert len(caught.value.problems) == 1


def test_what_a_destination_inherits_is_reported_once(load: Load) -> None:
    text = "{names: 5, destinations: {zipkin: {inner: {size: x}}}}"
    with pytest.raises(ConfigError) as caught:
        load(f"  filter: {text}\n")
    assert [problem.path for problem in caught.value.problems] == [
        "tracing.filter.names",
        "tracing.filter.destinations.zipkin.inner.size",
    ]
    config = load("  filter: {host: a, destinations: {zipkin: {names: [b]}}}\n")
    notes = [note.message for note in config.notes if "deprecated" in note.message]
    assert [note.rpartition("/")[2] for note in notes] == [
        "f.yaml:5:18: tracing.filter.host is deprecated; leave it out"
    ]


def test_the_options_of_a_destination_that_is_not_selected_are_a_note(load: Load) -> None:
    config = load("  filter: {destinations: {jaeger: {names: [a]}}}\n")
    (note,) = [note.message for note in config.notes if "not used" in note.message]
    assert note.endswith(
        "f.yaml:5:27: tracing.filter.destinations.jaeger is not used; exporter_type is otlp, zipkin"
    )


def test_a_secret_of_a_destination_is_masked(load: Load) -> None:
    config = load(f"  filter: {{destinations: {{zipkin: {{token: {SECRET}}}}}}}\n")
    assert options(config)[1].token == SECRET
    assert SECRET not in f"{config} {explain(config)}"
    assert config.redaction.redact(SECRET) == "***"


@pytest.mark.few_pythons
def test_the_schema_has_the_options_of_destinations() -> None:
    validators = pytest.importorskip("jsonschema", reason="the schema is tried with jsonschema")
    with registry.using([plugin()]):
        schema = json_schema(Report())

    def check(text: str) -> None:
        validators.validate(YAML(typ="safe").load(HEAD + text), schema)

    check("  filter: {names: [a], destinations: {zipkin: {names: [b]}, otlp: null}}\n")
    check("  filter: {destinations: {zipkin: false}}\n")
    for wrong in (
        "{zipkin: 5}",
        "{zipkin: {nmaes: [a]}}",
        "[zipkin]",
        "{zipkin: {destinations: {}}}",
    ):
        with pytest.raises(validators.ValidationError):
            check(f"  filter: {{destinations: {wrong}}}\n")


def test_an_extension_may_not_have_an_option_of_that_name() -> None:
    @frozen
    class Wrong:
        destinations: int = option(default=1, help="Some.")

    with pytest.raises(InvalidPluginError, match="option destinations has a reserved name"):
        load_config({"exporter_type": "none"}, environ={}, plugins=[plugin(Wrong)])


def test_each_receiver_gets_the_spans_that_its_options_pass(load: Load, tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.proto", reason="the extra testing reads what arrives")
    from bentotrace.testing import OTLPHTTPReceiver

    with OTLPHTTPReceiver() as otlp, ZipkinReceiver() as zipkin:
        load(
            f"  otlp: {{protocol: http, endpoint: '{otlp.endpoint}'}}\n"
            f"  zipkin: {{endpoint: '{zipkin.endpoint}'}}\n"
            "  filter: {names: [a], destinations: {zipkin: {names: [b, c]}}}\n"
        )
        with bentotrace.build(tmp_path / "f.yaml", plugins=[plugin()]) as tracing:
            for name in "abc":
                tracing.provider.get_tracer("test").start_span(name).end()
        assert [span.name for span in otlp.wait(2)] == ["b", "c"]
        assert [span.name for span in zipkin.wait(1)] == ["a"]
    dropped = [dict(each.dropped_by_reason) for each in tracing.status().destinations]
    assert dropped == [{"otlp traces": 1}, {"zipkin spans": 2}]


def test_a_receiver_gets_every_span_where_the_extension_is_switched_off(
    load: Load, tmp_path: Path
) -> None:
    pytest.importorskip("opentelemetry.proto", reason="the extra testing reads what arrives")
    from bentotrace.testing import OTLPHTTPReceiver

    with OTLPHTTPReceiver() as otlp, ZipkinReceiver() as zipkin:
        load(
            f"  otlp: {{protocol: http, endpoint: '{otlp.endpoint}'}}\n"
            f"  zipkin: {{endpoint: '{zipkin.endpoint}'}}\n"
            "  filter: {names: [a], destinations: {zipkin: false}}\n"
        )
        with bentotrace.build(tmp_path / "f.yaml", plugins=[plugin()]) as tracing:
            for name in "abc":
                tracing.provider.get_tracer("test").start_span(name).end()
        assert [span.name for span in otlp.wait(2)] == ["b", "c"]
        assert [span.name for span in zipkin.wait(3)] == ["a", "b", "c"]
    dropped = [dict(each.dropped_by_reason) for each in tracing.status().destinations]
    assert dropped == [{"otlp traces": 1}, {}]
