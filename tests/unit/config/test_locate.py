from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bentotrace.config.load import load_config

Problems = Callable[..., list[str]]


@pytest.mark.parametrize("place", ["tracing", "api_server.tracing", "services.tracing"])
def test_the_block_is_found_where_bentoml_puts_it(place: str, load: Callable[..., Any]) -> None:
    *above, last = place.split(".")
    lines = [f"{'  ' * depth}{key}:" for depth, key in enumerate([*above, last])]
    text = "\n".join([*lines, f"{'  ' * len(lines)}sample_rate: 0.5", ""])

    assert load(text).options.sample_rate == 0.5


def test_a_file_without_a_block_names_the_places(problems: Problems) -> None:
    assert problems("exporter_type: otlp\n") == [
        "1:1: has no tracing block; write one at tracing, api_server.tracing, services.tracing"
    ]


def test_two_blocks_are_one_too_many(problems: Problems) -> None:
    text = "tracing: {sample_rate: 1}\napi_server:\n  tracing: {sample_rate: 1}\n"

    assert problems(text) == [
        "3:3: api_server.tracing: there are two tracing blocks, tracing and api_server.tracing; "
        "keep one"
    ]


def test_a_block_that_is_no_mapping_is_explained(problems: Problems) -> None:
    assert problems("tracing: otlp\n") == [
        "1:10: tracing: must be a mapping of options, such as exporter_type: otlp"
    ]


def test_an_empty_block_has_the_defaults(load: Callable[..., Any]) -> None:
    assert load("tracing:\n").options.sample_rate == 0.0


def test_a_mapping_is_the_block_or_holds_it() -> None:
    for source in ({"sample_rate": 0.5}, {"tracing": {"sample_rate": 0.5}}):
        assert load_config(source, environ={}).options.sample_rate == 0.5


def test_a_bentoml_file_need_not_have_a_block(write: Callable[..., str]) -> None:
    name = write("api_server:\n  workers: 2\n")

    assert load_config(environ={"BENTOML_CONFIG": name}).options.sample_rate == 0.0
