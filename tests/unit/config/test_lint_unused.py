from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bentotrace.config.load import load_config

from ...golden import Golden

Load = Callable[..., Any]


def notes(exporter: str, environ: dict[str, str], **options: Any) -> list[str]:
    config = load_config({"exporter_type": exporter, **options}, environ=environ)
    return [f"{'warning' if note.warning else 'note'}: {note}" for note in config.notes]


def test_a_filled_section_of_another_exporter_is_noted_with_its_place(load: Load) -> None:
    config = load("tracing:\n  exporter_type: console\n  otlp: {protocol: http}\n  zipkin:\n")

    assert [(str(note), note.warning) for note in config.notes] == [
        (
            "f.yaml:3:3: tracing.otlp is not used; exporter_type is console",
            False,
        )
    ]


def test_a_variable_of_another_exporter_is_noted(golden: Golden) -> None:
    environ = {
        "OTEL_EXPORTER_JAEGER_AGENT_HOST": "jaeger",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://otlp:4318",
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT": " ",
    }

    golden(notes("console", environ))


def test_a_mistyped_variable_of_the_exporter_is_a_warning(golden: Golden) -> None:
    golden(notes("zipkin", {"OTEL_EXPORTER_ZIPKIN_ENDPIONT": "http://zipkin:9411"}))


def test_a_rate_that_the_sampler_does_not_use_is_a_warning(golden: Golden) -> None:
    environ = {"OTEL_TRACES_SAMPLER": "always_on", "OTEL_TRACES_SAMPLER_ARG": "0.1"}

    golden(notes("console", environ))


@pytest.mark.parametrize(
    "name",
    [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
        "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
        "OTEL_EXPORTER_PROMETHEUS_PORT",
    ],
)
def test_what_other_signals_use_is_left_alone(name: str) -> None:
    assert notes("console", {name: "http://else:1"}) == []


@pytest.mark.parametrize("options", [{"exporter_type": "none"}, {"disabled": True}])
def test_nothing_is_noted_when_nothing_is_exported(options: dict[str, Any]) -> None:
    environ = {"OTEL_EXPORTER_JAEGER_AGENT_HOST": "jaeger"}
    source = {"exporter_type": "otlp", "zipkin": {"local_node_port": 1}, **options}

    assert load_config(source, environ=environ).notes == ()
