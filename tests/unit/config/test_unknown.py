from __future__ import annotations

from collections.abc import Callable

import pytest

Problems = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("protocl", "unknown option; did you mean protocol?"),
        ("retries", "unknown option; valid are protocol, endpoint, compression, http, grpc"),
        ("insecure", "unknown option here; write it below grpc"),
        ("headers", "unknown option here; write it below http or below grpc"),
        ("timeout", "unknown option here; write it beside otlp"),
        ("max_queue_size", "unknown option here; write it below processor"),
        ("client_key", "unknown option; did you mean client_key_file, below http or below grpc?"),
    ],
)
def test_a_key_of_a_section_is_explained(key: str, message: str, problems: Problems) -> None:
    text = f"tracing: {{exporter_type: otlp, otlp: {{{key}: 1}}}}"

    assert problems(text) == [f"1:39: tracing.otlp.{key}: {message}"]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("endpoint", "unknown option here; write it beside grpc"),
        ("grpc", "unknown option here; write it beside grpc"),
        ("disabled", "unknown option here; write it beside otlp"),
        ("attributes", "unknown option here; write it below resource"),
    ],
)
def test_a_key_that_is_too_deep_is_explained(key: str, message: str, problems: Problems) -> None:
    text = f"tracing: {{exporter_type: otlp, otlp: {{grpc: {{{key}: 1}}}}}}"

    assert problems(text) == [f"1:46: tracing.otlp.grpc.{key}: {message}"]


def test_a_key_of_another_section_of_the_exporter_is_explained(problems: Problems) -> None:
    text = "tracing: {exporter_type: jaeger, jaeger: {thrift: {insecure: true}}}"

    assert problems(text) == [
        "1:52: tracing.jaeger.thrift.insecure: unknown option here; write it below jaeger.grpc"
    ]


def test_an_option_of_an_exporter_in_the_block_is_explained(problems: Problems) -> None:
    (line,) = problems("tracing: {exporter_type: otlp, headers: {}}")

    assert line.endswith("processor, limits; the options of an exporter stand below its name")


def test_a_key_from_code_is_explained_the_same_way(problems: Problems) -> None:
    assert problems("tracing: {exporter_type: otlp}", otlp={"insecure": True}) == [
        "configure(): tracing.otlp.insecure: unknown option here; write it below grpc"
    ]
