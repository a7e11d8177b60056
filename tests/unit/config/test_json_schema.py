from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from bentotrace.config.diagnostics import Report
from bentotrace.config.json_schema import json_schema
from bentotrace.discovery import registry
from bentotrace.exceptions import UnknownExporterError

from .schemas import ALL, EXPORTERS, Accepts, nested, old_paths, options, put, schema

pytestmark = pytest.mark.few_pythons


def described(path: tuple[str, ...]) -> dict[str, Any]:
    """Find an option in the schema."""
    block = schema()["$defs"]["tracing"]
    here = block["properties"][path[0]]
    if path[0] in EXPORTERS:
        conditions = [condition["then"]["properties"] for condition in block["then"]["allOf"]]
        (here,) = [found[path[0]] for found in conditions if path[0] in found]
    for step in path[1:]:
        assert here["additionalProperties"] is False
        here = here["properties"][step]
    found: dict[str, Any] = here
    return found


def test_it_is_a_json_schema() -> None:
    validators = pytest.importorskip("jsonschema", reason="the schema is tried with jsonschema")
    validators.Draft202012Validator.check_schema(schema())
    for name in EXPORTERS:
        validators.Draft202012Validator.check_schema(json_schema(Report(), name))


@pytest.mark.parametrize("path", [path for path, _ in options()], ids=".".join)
def test_every_option_is_described_with_what_overrides_it(path: tuple[str, ...]) -> None:
    leaf, found = ALL[path], described(path)

    assert leaf.record.help in found["description"]
    for variable in leaf.record.env:
        assert variable.name in found["description"]
    if leaf.record.unit:
        assert f"Unit: {leaf.record.unit}." in found["description"]
    assert found["anyOf"], "its kind has no schema"
    assert not (leaf.record.secret and "default" in found)


@pytest.mark.parametrize("path", [path for path, _ in old_paths()], ids=".".join)
def test_an_old_name_is_there_and_deprecated(path: tuple[str, ...]) -> None:
    assert described(path)["deprecated"] is True


def test_the_timeout_is_described_with_the_variables_of_the_exporters() -> None:
    for name in EXPORTERS:
        for variable in registry.load(name).timeout_env:
            assert variable.name in described(("timeout",))["description"]


@pytest.mark.parametrize("path", [path for path, _ in options()], ids=".".join)
def test_a_default_is_good_by_the_schema(path: tuple[str, ...], takes: Accepts) -> None:
    found = described(path)
    if "default" in found:
        assert takes(nested(path, found["default"]))


def test_the_section_of_one_exporter_is_a_schema_of_its_own() -> None:
    reason = "the schema is tried with jsonschema"
    validators = pytest.importorskip("jsonschema", reason=reason)
    takes = validators.Draft202012Validator(json_schema(Report(), "zipkin")).is_valid

    assert takes({"endpoint": "http://zipkin:9411", "local_node_port": "${PORT}"})
    assert takes({"headers": {"token": {"file": "/run/token"}}})
    assert not takes({"endpint": "http://zipkin:9411"})
    assert not takes({"endpoint": 9411})


def test_an_exporter_that_is_not_there_has_no_section() -> None:
    with pytest.raises(UnknownExporterError, match="did you mean zipkin"):
        json_schema(Report(), "zipkn")


@pytest.mark.parametrize(
    "place",
    [
        ("tracing",),
        ("api_server", "tracing"),
        ("services", "tracing"),
        ("services", "iris", "tracing"),
    ],
)
def test_a_block_is_checked_wherever_it_may_stand(place: tuple[str, ...], takes: Accepts) -> None:
    def document(block: Any) -> dict[str, Any]:
        made: dict[str, Any] = {"version": 1, "runners": {"tracing": 5}}
        put(made, place, block)
        return made

    assert takes(document({"exporter_type": "otlp"}))
    assert takes(document(None))
    assert not takes(document({"exporter_typ": "otlp"}))
    assert not takes(document("otlp"))


@pytest.mark.parametrize(
    ("more", "checked"),
    [
        ({"exporter_type": "jaeger"}, True),
        ({"exporter_type": ["otlp", "jaeger"]}, True),
        ({"exporter_type": "jaeger", "disabled": False}, True),
        ({}, False),
        ({"exporter_type": "otlp"}, False),
        ({"exporter_type": "none"}, False),
        ({"exporter_type": "${EXPORTER:-otlp}"}, False),
        ({"type": "otlp"}, False),
        ({"exporter_type": "jaeger", "disabled": True}, False),
        ({"exporter_type": "jaeger", "disabled": {"env": "OFF"}}, False),
    ],
)
def test_a_section_is_checked_where_exporter_type_names_it(
    more: Mapping[str, Any], checked: bool, takes: Accepts
) -> None:
    assert takes({"tracing": {**more, "jaeger": {"protokol": "grpc"}}}) is not checked


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("otlp", True),
        (" otlp ", True),
        ("none", True),
        (["otlp", "zipkin"], True),
        ("${EXPORTER}", True),
        ({"env": "EXPORTER"}, True),
        ("oltp", False),
        (["otlp", "zipkn"], False),
        (5, False),
    ],
)
def test_an_exporter_is_one_that_is_installed(value: Any, good: bool, takes: Accepts) -> None:
    assert takes({"tracing": {"exporter_type": value}}) is good
