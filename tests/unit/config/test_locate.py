from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bentotrace.config.document import Service
from bentotrace.config.load import list_services, load_config
from bentotrace.exceptions import ConfigError

from ...golden import Golden

Problems = Callable[..., list[str]]


@pytest.mark.parametrize("place", ["tracing", "api_server.tracing", "services.tracing"])
def test_the_block_is_found_where_bentoml_puts_it(place: str, load: Callable[..., Any]) -> None:
    *above, last = place.split(".")
    lines = [f"{'  ' * depth}{key}:" for depth, key in enumerate([*above, last])]
    text = "\n".join([*lines, f"{'  ' * len(lines)}sample_rate: 0.5", ""])

    assert load(text).options.sample_rate == 0.5


def test_a_file_without_a_block_names_the_places(problems: Problems, golden: Golden) -> None:
    golden(problems("api_server: {workers: 2}\n"))


def test_two_blocks_are_one_too_many(problems: Problems, golden: Golden) -> None:
    text = "tracing: {sample_rate: 1}\napi_server:\n  tracing: {sample_rate: 1}\n"

    golden(problems(text))


def test_a_block_that_is_no_mapping_is_explained(problems: Problems, golden: Golden) -> None:
    golden(problems("tracing: otlp\n"))


def test_an_empty_block_has_the_defaults(load: Callable[..., Any]) -> None:
    assert load("tracing:\n").options.sample_rate == 0.0


def test_a_mapping_is_the_block_or_holds_it() -> None:
    for source in ({"sample_rate": 0.5}, {"tracing": {"sample_rate": 0.5}}):
        assert load_config(source, environ={}).options.sample_rate == 0.5


def test_a_bentoml_file_need_not_have_a_block(write: Callable[..., str]) -> None:
    name = write("api_server:\n  workers: 2\n")

    assert load_config(environ={"BENTOML_CONFIG": name}).options.sample_rate == 0.0


SERVICES = """\
services:
  Iris:
    workers: 2
    tracing: {sample_rate: 0.25}
  Rose:
    tracing: {sample_rate: 0.5}
  Plain:
    workers: 1
  tracing: {sample_rate: 0.75}
"""


@pytest.mark.parametrize(
    ("service", "variable", "rate"),
    [
        ("Iris", None, 0.25),
        ("Rose", "Iris", 0.5),
        (None, "Rose", 0.5),
        ("Plain", None, 0.75),
        (None, "Plain", 0.75),
    ],
)
def test_a_services_own_block_is_chosen_by_argument_then_variable(
    write: Callable[..., str], service: str | None, variable: str | None, rate: float
) -> None:
    environ = {} if variable is None else {"OTEL_SERVICE_NAME": variable}

    config = load_config(write(SERVICES), environ=environ, service=service)

    assert config.options.sample_rate == rate


def test_the_only_service_with_a_block_is_meant(write: Callable[..., str]) -> None:
    name = write("services:\n  Iris: {workers: 2}\n  Rose: {tracing: {sample_rate: 0.5}}\n")

    for environ in ({}, {"OTEL_SERVICE_NAME": "another"}):
        assert load_config(name, environ=environ).options.sample_rate == 0.5


def test_one_of_several_services_has_to_be_named(problems: Problems, golden: Golden) -> None:
    golden(problems(SERVICES))


def test_a_service_that_is_not_there_is_told_with_the_closest(write: Callable[..., str]) -> None:
    with pytest.raises(ConfigError, match="no service 'iris' in this file; did you mean Iris"):
        load_config(write(SERVICES), environ={}, service="iris")


def test_a_service_of_which_only_others_have_a_block_is_told_so(write: Callable[..., str]) -> None:
    name = write("services:\n  Iris: {workers: 2}\n  Rose: {tracing: {exporter_type: none}}\n")
    problem = (
        "2:3: services.Iris: has no tracing block; found only services.Rose.tracing; "
        "write one at services.Iris.tracing or services.tracing"
    )

    for service, environ in (("Iris", {}), (None, {"OTEL_SERVICE_NAME": "Iris"})):
        with pytest.raises(ConfigError) as caught:
            load_config(name, environ=environ, service=service)
        assert str(caught.value) == f"{name}:{problem}"


@pytest.mark.parametrize(
    "text",
    [
        "exporter_type: otlp\nsample_rate: 1\n",
        "api_server:\n  http:\n    tracing: {exporter_type: otlp}\n",
        "monitoring: {exporter_type: otlp}\n",
    ],
)
def test_a_block_where_nothing_reads_it_is_reported(
    problems: Problems, text: str, golden: Golden
) -> None:
    golden(problems(text))


def test_old_names_work_with_one_note_each(write: Callable[..., str], golden: Golden) -> None:
    name = write("tracing:\n  type: zipkin\n  zipkin: {url: 'http://z:9411'}\n")

    config = load_config(name, environ={})

    assert config.exporters[0].options.endpoint == "http://z:9411"
    golden([note.message.partition(" ")[2] for note in config.notes])


def test_a_file_need_not_have_a_service_that_is_only_looked_for(write: Callable[..., str]) -> None:
    def rate(text: str, service: str) -> float:
        config = load_config(write(text), environ={}, service=Service(service, ()))
        return config.options.sample_rate

    own = "services:\n  iris: {tracing: {sample_rate: 0.5, exporter_type: none}}\n"

    assert rate(own + "  tracing: {sample_rate: 0.25}\n", "iris") == 0.5
    assert rate(own + "  tracing: {sample_rate: 0.25}\n", "rose") == 0.25
    assert rate(own + "tracing: {sample_rate: 0.125}\n", "rose") == 0.125
    assert rate(own, "rose") == 0.0


INHERITED = """
services:
  tracing:
    exporter_type: otlp
    sample_rate: 0.5
    resource: {attributes: {service.version: 1.10}}
    otlp:
      endpoint: http://collector:4317
      grpc: {headers: {a: b}}
  Iris:
    tracing:
      sample_rate: ~
      otlp:
        compression: gzip
        grpc: {headers: ~}
  Rose:
    tracing: {exporter_type: ~}
  Tulip: {workers: 2}
"""


def test_a_service_inherits_deeply_and_its_nulls_are_values(write: Callable[..., str]) -> None:
    name = write(INHERITED)
    iris, rose, tulip = (
        load_config(name, environ={}, service=service) for service in ("Iris", "Rose", "Tulip")
    )

    (exporter,) = iris.exporters
    assert iris.options.sample_rate == 0.0
    assert iris.options.resource.attributes == {"service.version": "1.10"}
    assert exporter.options.compression == "gzip"
    assert exporter.options.grpc.headers == {}
    assert str(exporter.options.endpoint) == "http://collector:4317"
    assert rose.exporters == ()
    assert tulip.options.sample_rate == 0.5


def test_what_is_inherited_keeps_its_place(write: Callable[..., str]) -> None:
    config = load_config(write(INHERITED), environ={}, service="Iris")

    found = {setting.path: setting for setting in (*config.settings, *config.exporters[0].settings)}
    sources = [found[path].effective for path in (("otlp", "endpoint"), ("otlp", "compression"))]
    assert [item.source for item in sources if item is not None] == ["f.yaml:7:17", "f.yaml:13:22"]


@pytest.mark.parametrize(
    ("text", "services"),
    [
        (INHERITED, [None, "Iris", "Rose"]),
        ("services: {A: {tracing: {exporter_type: otlp}}, B: {tracing: ~}}\n", ["A"]),
        ("services: {tracing: {sample_rate: 1}, A: {tracing: {exporter_type: otlp}}}\n", ["A"]),
        ("tracing: {exporter_type: otlp}\n", [None]),
        ("services: {tracing: ~}\n", [None]),
    ],
)
def test_the_services_with_a_block_are_listed(
    text: str, services: list[str | None], write: Callable[..., str]
) -> None:
    assert list_services(write(text)) == services


def test_a_block_of_nulls_next_to_a_filled_one_is_not_used(write: Callable[..., str]) -> None:
    text = "tracing: {exporter_type: none}\napi_server: {tracing: {exporter_type: ~, jaeger: {}}}\n"

    assert load_config(write(text), environ={}).options.exporter_type == ("none",)
