from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from ...golden import Golden

pytest.importorskip("click", reason="the command needs click")
pytest.importorskip("rich", reason="the command needs rich")

pytestmark = pytest.mark.few_pythons

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def sections(schema: dict[str, Any]) -> list[str]:
    conditions = schema["$defs"]["tracing"]["then"]["allOf"]
    return [name for condition in conditions for name in condition["then"]["properties"]]


def test_the_schema_of_a_file_is_printed(run: Run) -> None:
    done = run("schema")
    schema = json.loads(done.stdout)

    assert (done.returncode, done.stderr) == (0, "")
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "bentotrace"
    assert sections(schema) == ["console", "jaeger", "otlp", "zipkin"]


def test_the_schema_has_each_option_on_one_line(run: Run) -> None:
    lines = run("schema").stdout.splitlines()
    (line,) = [line.strip() for line in lines if '"local_node_ipv4"' in line]
    assert json.loads(f"{{{line.rstrip(',')}}}")["local_node_ipv4"]["description"]


def test_the_schema_of_one_section_is_printed(run: Run) -> None:
    done = run("schema", "zipkin")

    assert (done.returncode, done.stderr) == (0, "")
    assert "local_node_ipv4" in json.loads(done.stdout)["properties"]


def test_a_section_that_is_not_there_is_an_error(run: Run) -> None:
    done = run("schema", "zipkn")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("no exporter named 'zipkn'; did you mean zipkin?")


def test_plugins_that_cannot_be_used_are_left_out_with_a_warning(
    run: Run, distributions: Any, golden: Golden
) -> None:
    distributions.add("acme-raises", "acme_raises", "raise RuntimeError('no')", exporter="raises")
    distributions.add("acme-console", "acme_console", "raise RuntimeError", exporter="console")
    no_default = OF_ACME.replace("lambda: [1, 2]", "lambda: 1 / 0")
    distributions.add("acme", "acme_tracing", no_default + '    print("hello")\n', exporter="acme")

    done = run("schema", PYTHONPATH=str(distributions.directory))
    schema = json.loads(done.stdout)

    assert done.returncode == 0
    twice, broken, undescribed = [
        line for line in done.stderr.splitlines() if line.startswith("warning: ")
    ]
    golden(undescribed)
    assert "hello" in done.stderr
    assert "acme-console" in twice
    assert "raises = acme_raises (acme-raises 1.5) is broken" in broken
    assert "Traceback" not in done.stderr
    assert sections(schema) == ["jaeger", "otlp", "zipkin"]
    properties = schema["$defs"]["tracing"]["properties"]
    assert [properties[name] for name in ("acme", "console", "raises")] == [True] * 3
    alone = run("schema", "acme", PYTHONPATH=str(distributions.directory))
    assert (alone.returncode, alone.stdout) == (1, "")
    assert alone.stderr.splitlines() == ["hello", undescribed.removeprefix("warning: ")]


def test_a_plugin_that_hangs_is_left_out_and_the_others_are_described(
    run: Run, distributions: Any
) -> None:
    hangs = "import threading; threading.Event().wait(600)"
    distributions.add("acme-hangs", "acme_hangs", hangs, exporter="hangs")
    distributions.add("acme", "acme_tracing", OF_ACME, exporter="acme")

    done = run("schema", PYTHONPATH=str(distributions.directory))

    assert done.returncode == 0
    (warning,) = done.stderr.splitlines()
    assert warning.startswith("warning: importing exporter plugin hangs = acme_hangs (acme-hangs ")
    assert warning.endswith(") did not return within 10 s and was abandoned")
    expected = ["acme", "console", "jaeger", "otlp", "zipkin"]
    assert sections(json.loads(done.stdout)) == expected


def test_an_exporter_for_opentelemetry_is_known_and_not_imported(
    run: Run, distributions: Any
) -> None:
    group = "opentelemetry_traces_exporter"
    distributions.add("acme", "acme_otel", "raise RuntimeError", exporter="acme_otel", group=group)

    done = run("schema", PYTHONPATH=str(distributions.directory))
    tracing = json.loads(done.stdout)["$defs"]["tracing"]

    assert (done.returncode, done.stderr) == (0, "")
    assert tracing["properties"]["acme_otel"] is True
    (known, *_) = tracing["then"]["properties"]["exporter_type"]["anyOf"]
    assert {"acme_otel", "jaeger", "none"} <= {*known["enum"]}


OF_ACME = """
    import enum
    from typing import Any, Literal
    from attrs import field, frozen
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter
    from bentotrace.hookspecs import hookimpl
    from bentotrace.plugin import ExporterPlugin, Kind, option

    class Level(enum.IntEnum):
        LOW = 1
        HIGH = 2

    class Color(enum.Enum):
        RED = "red"

    class Odd(enum.Enum):
        NOWHERE = object()

    @frozen
    class Options:
        path: str = option(help="Where to.")
        level: Level = option(default=Level.HIGH, help="How much.")
        color: Color | None = option(default=None, help="Which.")
        odd: Odd = option(default=Odd.NOWHERE, help="What.")
        ports: list[int] = option(factory=lambda: [1, 2], help="Through where.")
        weights: dict[str, float | bool] = option(factory=dict, help="How heavy.")
        token: str = option(default="s3cr3t-default", secret=True, help="Who.")
        anything: Any = None
        own: object = option(default=None, kind=Kind("a thing", lambda value: value), help="It.")

    @hookimpl
    def bentotrace_exporter():
        return ExporterPlugin(
            name="acme", config=Options, create=lambda *_: ConsoleSpanExporter(), summary="Acme"
        )
"""


def test_every_annotation_of_a_plugin_has_a_schema(run: Run, distributions: Any) -> None:
    distributions.add("acme", "acme_tracing", OF_ACME, exporter="acme")

    done = run("schema", "acme", PYTHONPATH=str(distributions.directory))
    properties = json.loads(done.stdout)["properties"]

    assert done.returncode == 0, done.stderr
    assert "s3cr3t" not in done.stdout
    first = {name: made["anyOf"][0] for name, made in properties.items() if "anyOf" in made}
    ports, weights = first.pop("ports"), first.pop("weights")
    assert first == {
        "path": {"type": "string"},
        "level": {"enum": ["low", "high"]},
        "color": {"enum": ["red"]},
        "token": {"type": "string"},
    }
    assert ports["items"]["anyOf"][0] == {"type": "integer"}
    numbers = weights["additionalProperties"]["anyOf"]
    assert numbers[:2] == [{"type": "number"}, {"type": "boolean"}]
    assert [
        name for name in properties if name not in first and "anyOf" not in properties[name]
    ] == [
        "odd",
        "anything",
        "own",
    ]
    assert {name: made["default"] for name, made in properties.items() if "default" in made} == {
        "level": "high",
        "ports": [1, 2],
    }


def test_the_exporter_none_has_no_section(run: Run, golden: Golden) -> None:
    done = run("schema", "none")

    assert (done.returncode, done.stdout) == (1, "")
    golden(done.stderr)
