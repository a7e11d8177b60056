from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bentotrace.config.document import Document, Service
from bentotrace.config.load import Config, load_config
from bentotrace.exceptions import ConfigError


@pytest.fixture
def load(write: Callable[..., str]) -> Callable[..., Config]:
    """Loads a text as a file, over the mappings given, which are called first, second, …"""

    def load(text: str, *defaults: dict[str, Any], **environ: str) -> Config:
        names = ("first", "second")
        documents = [Document(name, root) for name, root in zip(names, defaults, strict=False)]
        return load_config(write(text), environ=environ, service=Service("iris", tuple(documents)))

    return load


def test_what_the_file_gives_counts_option_by_option(load: Callable[..., Config]) -> None:
    text = "tracing:\n  sample_rate: 0.5\n  processor: {max_queue_size: 7}\n"
    first = {"sample_rate": 1, "processor": {"max_queue_size": 8, "max_export_batch_size": 3}}

    options = load(text, first, {"processor": {"max_export_batch_size": 4}}).options

    assert options.sample_rate == 0.5
    assert options.processor.max_queue_size == 7
    assert options.processor.max_export_batch_size == 3


def test_null_in_the_file_is_a_value_and_an_empty_section_is_none(
    load: Callable[..., Config],
) -> None:
    assert load("tracing: {sample_rate: ~}\n", {"sample_rate": 0.25}).options.sample_rate == 0.0
    config = load("tracing: {processor: ~}\n", {"processor": {"max_queue_size": 7}})
    assert config.options.processor.max_queue_size == 7


def test_a_variable_wins_over_all_of_them(load: Callable[..., Config]) -> None:
    config = load("tracing:\n", {"sample_rate": 0.25}, OTEL_TRACES_SAMPLER_ARG="0.75")

    assert config.options.sample_rate == 0.75


def test_attributes_of_the_resource_come_from_the_highest_that_has_them(
    load: Callable[..., Config],
) -> None:
    config = load(
        "tracing: {resource: {attributes: {a: file}}}\n",
        {"resource": {"attributes": {"a": "first", "b": "first", "c": "first"}}},
        {"resource": {"attributes": {"c": "second", "d": 1}}},
        OTEL_RESOURCE_ATTRIBUTES="b=variable",
    )

    attributes = config.options.resource.attributes
    assert attributes == {"a": "file", "b": "variable", "c": "first", "d": 1}


def test_a_mistake_is_told_where_it_was_made(load: Callable[..., Config]) -> None:
    with pytest.raises(ConfigError) as caught:
        load("tracing:\n  sample_rate: 2\n", {"timeout": -1, "limits": {"span": 1}})

    problems = str(caught.value).splitlines()
    assert problems[0].startswith("f.yaml:2:16: tracing.sample_rate: ")
    assert problems[1].startswith("first: tracing.")
    assert {line.split(": ")[1] for line in problems[1:]} == {
        "tracing.timeout",
        "tracing.limits.span",
    }


def test_a_configuration_without_a_block_of_its_own_is_named_after_its_defaults(
    load: Callable[..., Config], write: Callable[..., str]
) -> None:
    service = Service("iris", (Document("first", {"sample_rate": 1}),))

    config = load_config(environ={"BENTOML_CONFIG": write("services: {}\n")}, service=service)

    assert config.source == "first"
    assert load("tracing: {sample_rate: 1}\n", {"timeout": 3}).source == "f.yaml"
