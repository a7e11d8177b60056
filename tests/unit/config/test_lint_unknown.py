from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ...golden import Golden

Problems = Callable[..., list[str]]


@pytest.mark.parametrize(
    "key",
    [
        "protocl",
        "retries",
        "insecure",
        "headers",
        "timeout",
        "max_queue_size",
        "client_key",
    ],
)
def test_a_key_of_a_section_is_explained(key: str, problems: Problems, golden: Golden) -> None:
    text = f"tracing: {{exporter_type: otlp, otlp: {{{key}: 1}}}}"

    golden(problems(text))


@pytest.mark.parametrize(
    "key",
    [
        "endpoint",
        "grpc",
        "disabled",
        "attributes",
    ],
)
def test_a_key_that_is_too_deep_is_explained(key: str, problems: Problems, golden: Golden) -> None:
    text = f"tracing: {{exporter_type: otlp, otlp: {{grpc: {{{key}: 1}}}}}}"

    golden(problems(text))


def test_a_key_of_another_section_of_the_exporter_is_explained(
    problems: Problems, golden: Golden
) -> None:
    text = "tracing: {exporter_type: jaeger, jaeger: {thrift: {insecure: true}}}"

    golden(problems(text))


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


def test_a_key_from_code_is_explained_the_same_way(problems: Problems, golden: Golden) -> None:
    golden(problems("tracing: {exporter_type: otlp}", otlp={"insecure": True}))
