from __future__ import annotations

from typing import Any

import pytest

from bentotrace.integrations.bentoml.blocks import without_blocks, without_tracing


def test_the_blocks_are_gone_and_all_else_is_left() -> None:
    content = {
        "version": 1,
        "tracing": {"sample_rate": 1},
        "api_server": {"workers": 2, "tracing": {}, "http": {"port": 3000}},
        "services": {
            "tracing": {"exporter_type": ["otlp"]},
            "traffic": {"timeout": 3},
            "Iris": {"tracing": None, "workers": 1},
        },
    }

    assert without_tracing(content) == {
        "version": 1,
        "api_server": {"workers": 2, "http": {"port": 3000}},
        "services": {"traffic": {"timeout": 3}, "Iris": {"workers": 1}},
    }
    assert "tracing" in content


@pytest.mark.parametrize(
    "content", [None, [], "text", {"services": ["tracing"]}, {"api_server": None}]
)
def test_what_is_no_configuration_is_left_to_bentoml(content: Any) -> None:
    assert without_tracing(content) == content


def test_blocks_that_were_set_aside_come_back() -> None:
    traced: dict[str, Any] = {"tracing": {"sample_rate": 1}, "workers": 2}
    plain: dict[str, Any] = {"workers": 3}

    with without_blocks([traced, plain]):
        assert traced == {"workers": 2}

    assert traced == {"tracing": {"sample_rate": 1}, "workers": 2}
    assert plain == {"workers": 3}
