from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from bentotrace.config.load import load_config
from bentotrace.doctor.evidence import Evidence
from bentotrace.doctor.target import network_target


def evidence(exporter: str, section: Mapping[str, Any] | None = None, **environ: str) -> Evidence:
    block = {"exporter_type": exporter, exporter: dict(section or {})}
    (found,) = load_config(block, environ=environ).exporters
    return Evidence(found, network_target(found.target))


@pytest.mark.parametrize(
    ("exporter", "section", "name"),
    [
        ("otlp", {}, "otlp.endpoint"),
        ("zipkin", {}, "zipkin.endpoint"),
        ("jaeger", {}, "jaeger.thrift.agent_host_name"),
        ("jaeger", {"protocol": "http/thrift.binary"}, "jaeger.collector_endpoint"),
    ],
)
def test_the_option_of_a_default_endpoint_is_named(
    exporter: str, section: dict[str, Any], name: str
) -> None:
    found = evidence(exporter, section)

    assert found.endpoint_option == name
    assert found.endpoint_source == "default"


def test_the_source_of_an_endpoint_is_the_one_that_counts() -> None:
    given = {"endpoint": "http://file:4318", "protocol": "http"}

    assert evidence("otlp", given).endpoint_option == "otlp.endpoint (<mapping>)"
    over = evidence("otlp", given, OTEL_EXPORTER_OTLP_ENDPOINT="http://variable:4318")
    assert over.endpoint_source == "OTEL_EXPORTER_OTLP_ENDPOINT"


def test_an_option_of_the_protocol_s_section_wins_over_a_common_one() -> None:
    section = {"protocol": "grpc", "collector_endpoint": "a:1", "grpc": {"endpoint": "b:2"}}

    assert evidence("jaeger", section).endpoint_option == "jaeger.grpc.endpoint (<mapping>)"


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_the_options_of_another_protocol_do_not_count(protocol: str) -> None:
    found = evidence("otlp", {"protocol": protocol})

    assert found.option("headers") == f"otlp.{protocol}.headers"
    assert found.source("headers") is None
    assert found.option("nothing") is None


def test_an_exporter_without_an_endpoint_has_none() -> None:
    found = evidence("console")

    assert (found.endpoint_option, found.endpoint_source) == ("its endpoint", "")
