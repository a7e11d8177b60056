from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("exporter_type: otlp, headers: {}", "here; write it below otlp.http or below otlp.grpc"),
        ("exporter_type: [zipkin], headers: {}", "here; write it below zipkin"),
        ("exporter_type: jaeger, agent_prt: 6831", "did you mean agent_port, below jaeger.thrift?"),
        ("exporter_type: [zipkin, otlp], headers: {}", "valid are disabled, exporter_type, sample"),
        ("headers: {}", "valid are disabled, exporter_type, sample_rate, "),
    ],
)
def test_an_option_of_the_exporter_in_the_block_is_explained(
    block: str, message: str, problems: Problems
) -> None:
    (line,) = problems(f"tracing: {{{block}}}")

    assert message in line


def test_an_unknown_option_beside_a_broken_exporter_is_explained_too(
    distributions: Any,
) -> None:
    distributions.add("acme", "acme_tracing", "raise RuntimeError('no')", exporter="acme")

    said = distributions.run(
        """
        import bentotrace
        try:
            bentotrace.load_config({"exporter_type": "acme", "headers": {}})
        except bentotrace.BrokenPluginError as error:
            print(error)
        """
    )

    assert said.startswith("exporter plugin acme = acme_tracing (acme 1.5) is broken")


def test_a_key_from_code_is_explained_the_same_way(problems: Problems) -> None:
    assert problems("tracing: {exporter_type: otlp}", otlp={"insecure": True}) == [
        "configure(): tracing.otlp.insecure: unknown option here; write it below grpc"
    ]
