from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from bentotrace.config.explain import ExplainedOption, Explanation, Given, explain
from bentotrace.config.load import load_config
from bentotrace.config.options import TracingOptions
from bentotrace.discovery import registry
from bentotrace.schema.tree import section_of

Load = Callable[..., Any]

MARKER = "s3cr3t-marker"


def option(explanation: Explanation, path: str) -> ExplainedOption:
    everywhere = [
        *explanation.options,
        *(found for destination in explanation.destinations for found in destination.options),
    ]
    (found,) = [item for item in everywhere if item.path == path]
    return found


def test_a_value_tells_its_source_and_what_it_won_over(load: Load) -> None:
    environ = {"OTEL_TRACES_SAMPLER_ARG": "0.5"}

    explanation = explain(load("tracing: {sample_rate: 0.1}", environ, sample_rate=0.9))

    assert option(explanation, "sample_rate") == ExplainedOption(
        "sample_rate",
        0.9,
        "configure()",
        (Given(0.5, "OTEL_TRACES_SAMPLER_ARG"), Given(0.1, "f.yaml:1:24")),
    )
    assert option(explanation, "disabled") == ExplainedOption("disabled", False, "default")


def test_an_option_that_is_merged_is_explained_name_by_name(load: Load) -> None:
    text = "tracing: {resource: {attributes: {service.name: iris, team: a}}}"

    explanation = explain(load(text, {"OTEL_SERVICE_NAME": "web"}))

    name = option(explanation, "resource.attributes.service.name")
    assert (name.value, name.source) == ("web", "OTEL_SERVICE_NAME")
    assert [given.value for given in name.overrode] == ["iris"]
    assert option(explanation, "resource.attributes.team").value == "a"


def test_an_endpoint_is_shown_as_it_was_given(load: Load) -> None:
    text = "tracing: {exporter_type: otlp, otlp: {endpoint: 'http://user:pass@host:4317'}}"

    assert option(explain(load(text)), "otlp.endpoint").value == "http://host:4317"


def test_the_rates_of_requests_are_shown_as_a_file_has_them(load: Load) -> None:
    text = "tracing: {sample_rates: [{match: /a, rate: 1}]}"

    shown = option(explain(load(text)), "sample_rates")

    assert (shown.value, shown.source) == ([{"match": "/a", "rate": 1.0}], "f.yaml:1:25")


def test_a_timeout_is_shown_in_seconds_for_the_exporter_that_has_it(load: Load) -> None:
    text = "tracing: {exporter_type: [otlp, zipkin], timeout: 5}"

    explanation = explain(load(text, {"OTEL_EXPORTER_OTLP_TIMEOUT": "500"}))

    shown = [
        (destination.exporter, *attrs.astuple(item)[1:3], item.unit)
        for destination in explanation.destinations
        for item in destination.options
        if item.path == "timeout"
    ]
    assert shown == [
        ("otlp", 0.5, "OTEL_EXPORTER_OTLP_TIMEOUT", "s"),
        ("zipkin", 5.0, "f.yaml:1:51", "s"),
    ]
    assert "timeout" not in [item.path for item in explanation.options]


@pytest.mark.parametrize(
    ("text", "seconds", "read_as"),
    [("10", 10.0, "10 s"), ("1.5", 1.5, "1.5 s"), ("10000", 10.0, "10000 ms"), ("500ms", 0.5, "")],
)
def test_it_is_told_how_the_timeout_in_a_variable_was_read(
    text: str, seconds: float, read_as: str
) -> None:
    environ = {"OTEL_EXPORTER_OTLP_TIMEOUT": text, "OTEL_BSP_SCHEDULE_DELAY": "1500"}

    explanation = explain(load_config({"exporter_type": "otlp", "timeout": 5}, environ=environ))

    timeout = option(explanation, "timeout")
    assert (timeout.value, timeout.read_as) == (seconds, read_as)
    assert [given.read_as for given in timeout.overrode] == [""]
    assert option(explanation, "processor.schedule_delay").read_as == "1500 ms"
    assert option(explanation, "processor.shutdown_timeout").read_as == ""


def test_the_final_endpoint_is_told() -> None:
    source = {"exporter_type": "otlp", "otlp": {"protocol": "http", "endpoint": "http://host:4318"}}

    (destination,) = explain(load_config(source, environ={})).destinations

    assert (destination.protocol, destination.endpoint) == ("http", "http://host:4318/v1/traces")


@pytest.mark.parametrize("name", [*registry.names()[:-1]])
def test_every_option_of_every_exporter_is_explained(name: str) -> None:
    explanation = explain(load_config({"exporter_type": name}, environ={}))

    (destination,) = explanation.destinations
    expected = {
        ".".join((name, *path)) for path, _ in section_of(registry.load(name).config).leaves()
    }
    assert {item.path for item in destination.options} == expected | {"timeout"}


def test_every_common_option_is_explained() -> None:
    explanation = explain(load_config({"resource": {"attributes": {"a": 1}}}, environ={}))

    shown = {item.path.replace("attributes.a", "attributes") for item in explanation.options}
    assert shown == {".".join(path) for path, _ in section_of(TracingOptions).leaves()}


def test_no_secret_is_shown() -> None:
    source = {
        "exporter_type": ["jaeger", "otlp", "zipkin"],
        "jaeger": {
            "collector_endpoint": f"http://user:{MARKER}@host:14268",
            "username": "user",
            "password": MARKER,
            "thrift": {"headers": {"a": MARKER}},
        },
        "otlp": {
            "endpoint": f"http://user:{MARKER}@host:4317",
            "grpc": {"headers": [["a", MARKER]]},
            "http": {"headers": {"a": MARKER}},
        },
        "zipkin": {"endpoint": f"http://user:{MARKER}@host:9411", "headers": {"a": MARKER}},
    }
    environ = {
        "OTEL_EXPORTER_OTLP_HEADERS": f"b={MARKER}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://user:{MARKER}@env:4317",
        "OTEL_EXPORTER_JAEGER_PASSWORD": MARKER,
    }

    explanation = explain(load_config(source, environ=environ))

    assert option(explanation, "otlp.grpc.headers").value == {"b": "***"}
    assert option(explanation, "jaeger.password").value == "***"
    assert option(explanation, "zipkin.endpoint").value == "http://host:9411"
    assert MARKER not in repr(explanation)
    assert MARKER not in json.dumps(attrs.asdict(explanation))
