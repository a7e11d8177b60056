from __future__ import annotations

import json

import pytest

import bentotrace


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_span_is_one_line_of_json_on_the_stream(
    stream: str, capsys: pytest.CaptureFixture[str]
) -> None:
    console = {"stream": stream, "indent": False}
    with bentotrace.build(
        {"exporter_type": "console", "sample_rate": 1, "console": console}
    ) as tracing:
        tracing.provider.get_tracer("test").start_span("one").end()

    captured = capsys.readouterr()
    (line,) = getattr(captured, "out" if stream == "stdout" else "err").splitlines()
    assert json.loads(line)["name"] == "one"


def test_a_span_may_be_spread_over_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with bentotrace.build({"exporter_type": "console", "sample_rate": 1}) as tracing:
        tracing.provider.get_tracer("test").start_span("one").end()

    printed = capsys.readouterr().out
    assert len(printed.splitlines()) > 5
    assert json.loads(printed)["name"] == "one"
