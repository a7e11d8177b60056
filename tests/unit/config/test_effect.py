from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bentotrace.config.effect import advise_sampling, summarize
from bentotrace.config.load import Config, load_config

Load = Callable[..., Config]

OTLP = "tracing:\n  exporter_type: otlp\n"


@pytest.mark.parametrize(
    ("text", "environ", "effect"),
    [
        (OTLP, {}, "nothing is sent, unless a caller samples: sample_rate is 0 by default"),
        (
            f"{OTLP}  sample_rate: 0\n",
            {},
            "nothing is sent, unless a caller samples: sample_rate is 0, f.yaml:3:16",
        ),
        (
            f"{OTLP}  sample_rate: 1\n",
            {"OTEL_TRACES_SAMPLER_ARG": "0.0"},
            "nothing is sent, unless a caller samples: OTEL_TRACES_SAMPLER_ARG=0.0",
        ),
        (
            f"{OTLP}  sample_rate: 1\n",
            {"OTEL_TRACES_SAMPLER": "always_off"},
            "nothing is sent: OTEL_TRACES_SAMPLER=always_off",
        ),
        (
            f"{OTLP}  sampler: traceidratio\n",
            {},
            "nothing is sent: sample_rate is 0 by default",
        ),
        (
            f"{OTLP}  sample_rate: 1\n",
            {"OTEL_SDK_DISABLED": "true"},
            "nothing is sent: OTEL_SDK_DISABLED=true",
        ),
        (
            f"{OTLP}  disabled: true\n",
            {},
            "nothing is sent: disabled is true, f.yaml:3:13",
        ),
        (
            "tracing: {exporter_type: none}\n",
            {},
            "nothing is sent: exporter_type is none, f.yaml:1:26",
        ),
        (OTLP, {"OTEL_TRACES_EXPORTER": "none"}, "nothing is sent: OTEL_TRACES_EXPORTER=none"),
        (
            "tracing: {exporter_type: ~}\n",
            {},
            "nothing is sent: exporter_type is null, f.yaml:1:26",
        ),
        ("tracing: {sample_rate: 1}\n", {}, "nothing is sent: no exporter is selected"),
        (
            f"{OTLP}  sample_rate: 0.5\n",
            {},
            "sends to otlp (grpc) at localhost:4317; sample_rate 0.5, f.yaml:3:16",
        ),
        (
            "tracing: {exporter_type: [console, zipkin], sampler: always_on}\n",
            {},
            "sends to console at stdout and zipkin at http://localhost:9411/api/v2/spans; "
            "sampler always_on, f.yaml:1:54",
        ),
        (
            f"{OTLP}  sample_rates: [{{match: /a, rate: 1}}]\n",
            {},
            "sends to otlp (grpc) at localhost:4317; sample_rate 0, default, and 1 in sample_rates",
        ),
    ],
)
def test_the_effect_names_what_decides(
    text: str, environ: Mapping[str, str], effect: str, load: Load
) -> None:
    assert summarize(load(text, environ), environ) == effect


def test_the_credentials_of_an_endpoint_are_not_shown(load: Load) -> None:
    section = "  sample_rate: 1\n  otlp: {protocol: http, endpoint: 'http://u:hunter2@h:1'}\n"

    assert "hunter2" not in summarize(load(OTLP + section), {})


def test_the_advice_turns_sampling_on(load: Load) -> None:
    for text in (OTLP, f"{OTLP}  sampler: always_off\n"):
        advice = advise_sampling(load(text))
        name, value = advice.rpartition(", or ")[2].split("=")
        config: Any = load_config("f.yaml", environ={name: value})
        assert not config.options.records_nothing


@pytest.mark.parametrize(
    ("environ", "advice"),
    [
        (
            {"OTEL_TRACES_SAMPLER_ARG": "0"},
            "set OTEL_TRACES_SAMPLER_ARG=1.0; it overrides {file}",
        ),
        (
            {"OTEL_TRACES_SAMPLER": "always_off"},
            "set OTEL_TRACES_SAMPLER=parentbased_always_on; it overrides {file}",
        ),
    ],
)
def test_the_advice_does_not_name_an_option_that_a_variable_overrides(
    environ: Mapping[str, str], advice: str, load: Load
) -> None:
    config = load(f"{OTLP}  sample_rate: 1\n", environ)

    assert advise_sampling(config) == f"to trace everything, {advice.format(file=config.source)}"


@pytest.mark.parametrize(
    ("overrides", "argument"),
    [
        ({"sample_rate": 0}, "sample_rate=1.0"),
        ({"sampler": "always_off"}, 'sampler="parentbased_always_on"'),
    ],
)
def test_the_advice_for_an_argument_in_code_is_an_argument(
    overrides: Mapping[str, Any], argument: str
) -> None:
    config = load_config(
        {"exporter_type": "console", "sample_rate": 1}, overrides=overrides, environ={}
    )

    assert advise_sampling(config) == f"to trace everything, pass {argument}"


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        ({}, "OTEL_TRACES_SAMPLER_ARG=1.0"),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, "OTEL_TRACES_SAMPLER=parentbased_always_on"),
    ],
)
def test_the_advice_without_a_file_is_the_variable(
    environ: Mapping[str, str], variable: str
) -> None:
    config = load_config(environ={"OTEL_TRACES_EXPORTER": "otlp", **environ})

    assert advise_sampling(config) == f"to trace everything, set {variable}"
