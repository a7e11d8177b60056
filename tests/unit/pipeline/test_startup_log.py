from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from bentotrace.config.load import Config, load_config
from bentotrace.pipeline.startup_log import log_attached, log_kept, log_start

from ...golden import Golden

RESOURCE = Resource({"service.name": "iris"})


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[tuple[str, str]]]:
    caplog.set_level(logging.INFO)
    return lambda: [(record.levelname, record.getMessage()) for record in caplog.records]


def config(environ: dict[str, str] | None = None, **block: Any) -> Config:
    return load_config(block, environ=environ or {})


OTLP: dict[str, Any] = {
    "exporter_type": "otlp",
    "otlp": {"endpoint": "https://me:secret@collector.test:4317"},
}


def test_one_line_says_where_spans_go(said: Any, golden: Golden) -> None:
    log_start(config(**OTLP, sample_rate=0.25), RESOURCE)
    ((level, line),) = said()
    assert level == "INFO"
    golden(line)


def test_rates_of_requests_are_counted_and_are_traces_that_begin(said: Any) -> None:
    log_start(config(**OTLP, sample_rates=[{"match": "/predict", "rate": 0.5}]), RESOURCE)
    ((level, line),) = said()
    assert level == "INFO"
    assert (
        "sampler parentbased_traceidratio, sample_rate 0, 1 rule in sample_rates; service" in line
    )


def test_rates_of_requests_that_are_all_zero_are_a_warning(said: Any) -> None:
    log_start(config(**OTLP, sample_rates=[{"match": "/predict", "rate": 0}]), RESOURCE)
    assert [level for level, _ in said()] == ["INFO", "WARNING"]


def test_a_sampler_without_a_rate_is_shown_without_one(said: Any, golden: Golden) -> None:
    log_start(config(exporter_type="console", sampler="always_on"), RESOURCE)
    ((_, line),) = said()
    golden(line)


def test_each_destination_has_its_line(said: Any) -> None:
    log_start(config(**{**OTLP, "exporter_type": ["console", "otlp"]}, sample_rate=1.0), RESOURCE)
    assert [level for level, _ in said()] == ["INFO", "INFO"]


def test_a_header_that_holds_a_secret_is_not_shown(said: Any) -> None:
    block = {**OTLP, "otlp": {"grpc": {"headers": {"api-key": "secret"}}}}
    log_start(config(**block), RESOURCE)
    assert "secret" not in str(said())


def test_the_notes_of_the_configuration_come_first(said: Any) -> None:
    endpoint = "http://collector.test:4318"
    log_start(config(exporter_type="otlp", otlp={"endpoint": endpoint}, sample_rate=1), RESOURCE)
    (first, _), (second, _) = said()
    assert (first, second) == ("WARNING", "INFO")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ["sample_rate is 0", "no trace starts here", "OTEL_TRACES_SAMPLER_ARG=1.0"]),
        ({"sampler": "traceidratio"}, ["sample_rate is 0", "nothing is traced", "<mapping>"]),
        (
            {"sampler": "parentbased_always_off"},
            ["sampler is parentbased_always_off", "no trace starts here", "sample_rate: 1.0"],
        ),
        ({"sampler": "always_off", "sample_rate": 1.0}, ["nothing is traced"]),
    ],
)
def test_a_rate_of_zero_is_a_warning_with_what_to_do(
    options: dict[str, Any], words: list[str], said: Any
) -> None:
    log_start(config(exporter_type="console", **options), RESOURCE)
    _, (level, line) = said()
    assert level == "WARNING"
    assert all(word in line for word in words), line


def test_no_selected_exporter_is_a_warning_with_what_to_do(said: Any) -> None:
    log_start(config(sample_rate=1), RESOURCE)
    ((level, line),) = said()
    assert level == "WARNING"
    assert "write exporter_type: otlp in <mapping>, or set OTEL_TRACES_EXPORTER=otlp" in line


@pytest.mark.parametrize(
    ("block", "environ", "words"),
    [
        ({"exporter_type": "none"}, {}, "nothing is sent: exporter_type is none, <mapping>"),
        (
            {"exporter_type": "console", "disabled": True},
            {},
            "nothing is sent: disabled is true, <mapping>",
        ),
        (
            {"exporter_type": "console"},
            {"OTEL_SDK_DISABLED": "true"},
            "nothing is sent: OTEL_SDK_DISABLED=true",
        ),
        ({}, {"OTEL_TRACES_EXPORTER": "none"}, "nothing is sent: OTEL_TRACES_EXPORTER=none"),
    ],
)
def test_what_is_meant_to_export_nothing_is_no_warning(
    block: dict[str, Any], environ: dict[str, str], words: str, said: Any
) -> None:
    log_start(config(environ, **block), RESOURCE)
    ((level, line),) = said()
    assert level == "INFO"
    assert line == words


def test_an_sdk_that_is_disabled_although_tracing_is_not_is_a_warning(
    said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    block = {"exporter_type": "console", "sample_rate": 1.0}
    log_start(load_config(block, overrides={"disabled": False}), RESOURCE)
    _, (level, line) = said()
    assert level == "WARNING"
    assert "OTEL_SDK_DISABLED" in line


def test_an_attached_pipeline_says_whose_sampler_decides_and_what_is_not_used(
    said: Any, golden: Golden
) -> None:
    attached = config(
        exporter_type="console",
        sample_rate=0.5,
        excluded_urls=["/healthz"],
        resource={"attributes": {"service.name": "other"}},
        timeout=3,
    )
    log_attached(attached, ALWAYS_ON, RESOURCE)
    (_, line), (level, unused) = said()
    golden(line)
    assert level == "WARNING"
    assert unused.endswith(": sample_rate, excluded_urls, resource.attributes")


def test_an_attached_pipeline_does_not_warn_of_a_rate_that_is_not_used(said: Any) -> None:
    log_attached(config(exporter_type="console"), None, RESOURCE)
    assert [level for level, _ in said()] == ["INFO"]


def test_an_attached_pipeline_without_exporters_says_so(said: Any) -> None:
    log_attached(config(), ALWAYS_ON, RESOURCE)
    assert [level for level, _ in said()] == ["WARNING"]


def test_a_kept_provider_is_a_warning_that_names_the_unused_file(said: Any) -> None:
    log_kept(config(exporter_type="console"))
    ((level, line),) = said()
    assert level == "WARNING"
    assert "from <mapping> is not used" in line
    assert 'if_exists="attach"' in line
