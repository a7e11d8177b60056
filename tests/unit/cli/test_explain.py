from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("click", reason="the command needs click")

pytestmark = pytest.mark.few_pythons

Run = Callable[..., Any]

TEXT = """
tracing:
  exporter_type: otlp
  sample_rate: 0.5
  otlp:
    protocol: http
    endpoint: http://user:s3cr3t-marker@collector:4318
    http:
      headers: {authorization: s3cr3t-marker}
  zipkin: {local_node_port: 80}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tracing.yaml"
    path.write_text(TEXT.lstrip("\n"), encoding="utf-8")
    return path


def test_every_value_is_shown_with_its_source(file: Path, run: Run) -> None:
    done = run("explain", file.name, OTEL_TRACES_SAMPLER_ARG="0.1")

    assert done.returncode == 0
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    at = lines.index("sample_rate 0.1 OTEL_TRACES_SAMPLER_ARG")
    assert lines[at + 1] == "overrides 0.5 tracing.yaml:3:16"
    assert "exporter otlp (http) to http://collector:4318/v1/traces" in lines
    assert 'otlp.http.headers {"authorization": "***"} tracing.yaml:8:16' in lines
    assert lines[-1].startswith("note: tracing.yaml:9:3: tracing.zipkin is not used")
    assert "s3cr3t-marker" not in done.stdout + done.stderr


def test_what_cannot_be_built_is_a_problem_as_for_validate(tmp_path: Path, run: Run) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "bad.yaml").write_text(
        "tracing:\n  exporter_type: console\n  sample_rate: 1\n  spool: {path: file/spool}\n"
    )

    done = run("explain", "bad.yaml")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("bad.yaml:4:17: the spool ")


def test_the_unit_of_a_bare_number_in_a_variable_is_shown(file: Path, run: Run) -> None:
    done = run("explain", file.name, OTEL_EXPORTER_OTLP_TIMEOUT="2000")

    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "timeout 2.0 s OTEL_EXPORTER_OTLP_TIMEOUT, read as 2000 ms" in lines


def test_the_same_is_there_as_json(file: Path, run: Run) -> None:
    done = run("explain", file.name, "--format", "json", OTEL_TRACES_SAMPLER_ARG="0.1")

    found = json.loads(done.stdout)
    (rate,) = [option for option in found["options"] if option["path"] == "sample_rate"]
    assert (rate["value"], rate["source"]) == (0.1, "OTEL_TRACES_SAMPLER_ARG")
    assert rate["overrode"] == [{"value": 0.5, "source": "tracing.yaml:3:16", "read_as": ""}]
    assert found["destinations"][0]["endpoint"] == "http://collector:4318/v1/traces"
    assert "s3cr3t-marker" not in done.stdout


def test_without_a_file_the_variables_say_where_it_is(file: Path, run: Run) -> None:
    done = run("explain", BENTOTRACE_CONFIG=file.name)

    assert done.stdout.startswith(
        "tracing.yaml: sends to otlp (http) at http://collector:4318/v1/traces; sample_rate 0.5, "
        "tracing.yaml:3:16\n"
    )


def test_only_what_differs_from_the_defaults_is_shown_unless_all_is(file: Path, run: Run) -> None:
    def names(*options: str) -> list[str]:
        lines = run("explain", file.name, *options).stdout.splitlines()
        return [line.split()[0] for line in lines if re.match("  [a-z]", line)]

    expected = ["exporter_type", "sample_rate", "otlp.protocol", "otlp.endpoint"]
    assert names() == [*expected, "otlp.http.headers"]
    assert {"excluded_urls", "spool.path", "otlp.grpc.insecure", "timeout"} < set(names("--all"))


def test_a_value_that_is_not_one_word_is_in_quotes(tmp_path: Path, run: Run) -> None:
    name = "a" * 60
    attributes = f"{{service.name: 'two  blanks', {name}: \"a\\nb\", c: '', d: one two}}"
    text = f"tracing: {{exporter_type: none, resource: {{attributes: {attributes}}}}}\n"
    (tmp_path / "f.yaml").write_text(text, encoding="utf-8")

    lines = run("explain", "f.yaml").stdout.splitlines()

    rows = [
        re.split("  +(?=[^ ]*$)|  +(?=f.yaml)", line.strip())
        for line in lines
        if "f.yaml:1:" in line[9:]
    ]
    values = {row[0].split("  ")[0].strip(): row[0].split("  ", 1)[-1].strip() for row in rows}
    assert values["resource.attributes.service.name"] == '"two  blanks"'
    assert values[f"resource.attributes.{name}"] == '"a\\nb"'
    assert values["resource.attributes.c"] == '""'
    assert values["resource.attributes.d"] == "one two"


def test_a_wrong_file_is_told_and_not_explained(tmp_path: Path, run: Run) -> None:
    (tmp_path / "bad.yaml").write_text("tracing: {sample_rate: 5}\n", encoding="utf-8")

    done = run("explain", "bad.yaml")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("bad.yaml:1:24: tracing.sample_rate: must be between")


def test_explaining_imports_no_exporter_library(
    file: Path, run_python: Callable[[str], str]
) -> None:
    # An old SDK imports asyncio, and that ssl.
    said = run_python(
        f"""
        import sys
        import opentelemetry.sdk.trace.export
        before = set(sys.modules)
        from bentotrace.cli import main
        main(["explain", {str(file)!r}])
        heavy = {{"grpc", "urllib3", "ssl", "requests", "google.protobuf"}}
        print(sorted(heavy & (set(sys.modules) - before)))
        """
    )

    assert said.splitlines()[-1] == "[]"


def test_what_an_extension_prints_is_no_part_of_the_json(
    file: Path, run: Run, tmp_path: Path, distributions: Any
) -> None:
    source = """
        from bentotrace.hookspecs import hookimpl
        print("hello")

        @hookimpl
        def bentotrace_wrap_exporter(exporter, context):
            return exporter
    """
    group = "bentotrace.extensions"
    distributions.add("acme", "acme_redact", source, exporter="redact", group=group)
    file.write_text(f"{file.read_text()}  extensions: redact\n", encoding="utf-8")

    done = run("explain", file.name, "--format", "json", PYTHONPATH=str(tmp_path))

    assert json.loads(done.stdout)["source"] == "tracing.yaml"
    assert done.stderr == "hello\n"
