from __future__ import annotations

from collections.abc import Callable

import pytest

from bentotrace.config.load import Config

Load = Callable[..., Config]


@pytest.mark.parametrize(
    ("patterns", "count"),
    [
        ("readyz livez", 1),
        ("[/a b, /c, d e]", 2),
        ("|\n    readyz\n    livez\n", 0),
        ("'/a\\ b'", 0),
        ("'(?x) /a  # comment'", 0),
        ("/a, /b", 0),
    ],
)
def test_a_pattern_with_a_blank_is_questioned(patterns: str, count: int, load: Load) -> None:
    config = load(f"tracing:\n  exporter_type: none\n  excluded_urls: {patterns}\n")

    assert sum("has a pattern with a blank" in str(note) for note in config.notes) == count


def test_an_exporter_that_is_null_turns_tracing_off_in_spite_of_sections(load: Load) -> None:
    config = load("tracing: {exporter_type: ~, zipkin: {local_node_port: 80}}\n")

    assert config.exporters == ()
    (note,) = config.notes
    assert not note.warning
    assert str(note).startswith("f.yaml:1:26: exporter_type is null, so tracing is off")


def test_a_variable_overrides_an_exporter_that_is_null(load: Load) -> None:
    config = load("tracing: {exporter_type: ~}\n", {"OTEL_TRACES_EXPORTER": "console"})

    assert [exporter.plugin.name for exporter in config.exporters] == ["console"]
