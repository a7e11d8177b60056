from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from bentotrace.config.load import load_config
from bentotrace.pipeline.provider import make_resource


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"):
        monkeypatch.delenv(name, raising=False)


def attributes(file: Mapping[str, Any], code: Mapping[str, Any] | None = None) -> dict[str, Any]:
    overrides = {"resource": {"attributes": code}} if code is not None else {}
    config = load_config(
        {"exporter_type": "none", "resource": {"attributes": file}}, overrides=overrides
    )
    return dict(make_resource(config.options).attributes)


def test_the_file_describes_the_service() -> None:
    found = attributes({"service.name": "iris", "replicas": 3, "canary": True, "zones": ["a", "b"]})
    assert found["service.name"] == "iris"
    assert (found["replicas"], found["canary"], found["zones"]) == (3, True, ("a", "b"))
    assert found["telemetry.sdk.language"] == "python"


def test_each_attribute_comes_from_the_highest_source_that_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "b=environment,c=environment,d=environment")
    found = attributes(
        {"a": "file", "b": "file", "c": "file", "e": "file"},
        {"c": "code", "e": "code", "f": "code"},
    )
    assert {name: found[name] for name in "abcdef"} == {
        "a": "file",
        "b": "environment",
        "c": "code",
        "d": "environment",
        "e": "code",
        "f": "code",
    }


def test_the_service_name_variable_wins_over_the_attributes_variable_and_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=attributes")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "variable")
    assert attributes({"service.name": "file"})["service.name"] == "variable"
    found = attributes({"service.name": "file"}, {"service.name": "code"})
    assert found["service.name"] == "code"


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_service_name_is_unset(blank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", blank)
    assert attributes({"service.name": "file"})["service.name"] == "file"
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=attributes")
    assert attributes({"service.name": "file"})["service.name"] == "attributes"


def test_a_pair_of_the_variable_is_decoded_and_what_is_no_pair_is_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=a%20b , broken,empty=")
    found = attributes({"team": "file"})
    assert (found["team"], found["empty"]) == ("a b", "")
    assert "broken" not in found
    assert len(caplog.records) == 1


@pytest.mark.parametrize("environ", [{}, {"OTEL_SERVICE_NAME": " "}])
def test_a_service_without_a_name_gets_the_one_that_opentelemetry_gives_it(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert attributes({})["service.name"].startswith("unknown_service")
