from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bentotrace.config.load import load_config, names_configuration
from bentotrace.exceptions import ConfigError

FILE = "file_format: '1.0'\ntracer_provider:\n  processors:\n    - simple:\n        exporter:\n"


def test_each_part_that_is_an_option_here_is_named_at_its_line(
    write: Callable[..., str],
) -> None:
    write(f"{FILE}          zipkin: {{endpoint: http://h:9411}}\n  id_generator: {{}}\n")

    with pytest.raises(ConfigError) as caught:
        load_config("f.yaml", environ={})

    assert [problem.position.line for problem in caught.value.problems] == [1, 6, 6]
    assert caught.value.problems[1].message.endswith("this is exporter_type: zipkin")


def test_a_tracing_block_beside_it_is_read(write: Callable[..., str]) -> None:
    config = load_config(write(f"{FILE}tracing: {{exporter_type: none}}\n"), environ={})

    assert config.options.exporter_type == ("none",)


def test_where_bentoml_reads_it_it_is_no_problem(write: Callable[..., str]) -> None:
    environ = {"BENTOML_CONFIG": str(Path(write(FILE)).absolute())}

    assert load_config(environ=environ).exporters == ()
    assert not names_configuration(environ)
