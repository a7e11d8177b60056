"""Options of a plugin that have changed between its versions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from bentotrace.config.diagnostics import Report
from bentotrace.config.explain import explain
from bentotrace.config.json_schema import json_schema
from bentotrace.config.load import Config, load_config
from bentotrace.discovery import registry
from bentotrace.exceptions import ConfigError, InvalidPluginError
from bentotrace.hookspecs import hookimpl
from bentotrace.plugin import DURATION, ExporterPlugin, option

SECRET = "s3cr3t-marker"


def milliseconds(value: Any) -> Any:
    return f"{value}ms" if isinstance(value, int) and value >= 100 else value


def section(value: Any) -> Any:
    return {"enabled": value} if isinstance(value, bool) else value


def token(value: Any) -> Any:
    if value == "none":
        raise ValueError("none is not a token any more; leave it out")
    return value.removeprefix("token:")


@frozen
class Pool:
    size: int = option(
        default=1, help="Size.", env="ACME_SIZE", old_names=["pool.connections", "connections"]
    )
    wait: float = option(default=1.0, kind=DURATION, help="Wait.", old_names="gone.wait")


@frozen
class TLS:
    enabled: bool = option(default=False, help="Whether.")


@frozen
class Options:
    pool: Pool = option(factory=Pool, help="Connections.")
    tls: TLS = option(factory=TLS, help="TLS.", upgrade=section)
    host: str | None = option(
        default=None, help="Host.", env="ACME_HOST", deprecated="use endpoint"
    )
    every: float = option(
        default=1.0, kind=DURATION, help="Interval.", env="ACME_EVERY", upgrade=milliseconds
    )
    token: str | None = option(
        default=None, help="Token.", env="ACME_TOKEN", secret=True, upgrade=token
    )
    cache: TLS = option(factory=TLS, help="Cache.", deprecated="leave it out")


class Acme:
    @staticmethod
    @hookimpl
    def bentotrace_exporter() -> ExporterPlugin:
        return ExporterPlugin(name="acme", config=Options, create=Options, summary="Acme")


Load = Callable[..., Config]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(text: str, environ: dict[str, str] | None = None, **overrides: Any) -> Config:
        file = tmp_path / "f.yaml"
        file.write_text(f"tracing:\n  exporter_type: acme\n  acme: {text}\n")
        return load_config(file, environ=environ or {}, overrides=overrides, plugins=[Acme])

    return load


def notes(config: Config) -> list[str]:
    found = [note.message.rpartition("/")[2] for note in config.notes]
    return [note for note in found if "sample_rate" not in note]


def options(config: Config) -> Options:
    found: Options = config.exporters[0].options
    return found


def test_an_old_name_inside_a_section_works_with_a_note_of_its_place(load: Load) -> None:
    config = load("{pool: {connections: 7}}")
    assert options(config).pool.size == 7
    assert notes(config) == [
        "f.yaml:3:30: tracing.acme.pool.connections is deprecated; use tracing.acme.pool.size"
    ]


def test_an_option_may_come_from_the_top_or_from_a_section_that_is_gone(load: Load) -> None:
    assert options(load("{connections: 7}")).pool.size == 7
    config = load("{gone: {wait: 3s}}")
    assert options(config).pool.wait == 3
    assert notes(config) == [
        "f.yaml:3:23: tracing.acme.gone.wait is deprecated; use tracing.acme.pool.wait"
    ]


def test_an_old_name_works_in_code(load: Load) -> None:
    config = load("{pool: {size: 2}}", acme={"pool": {"connections": 7}})
    assert options(config).pool.size == 7
    assert notes(config) == [
        "configure(): tracing.acme.pool.connections is deprecated; use tracing.acme.pool.size"
    ]


@pytest.mark.parametrize(
    ("text", "size", "unused"),
    [
        (
            "{pool: {size: 1, connections: 7}}",
            1,
            "f.yaml:3:39: tracing.acme.pool.connections is not used, because "
            "tracing.acme.pool.size is set too; remove connections",
        ),
        (
            "{connections: 1, pool: {connections: 7}}",
            7,
            "f.yaml:3:23: tracing.acme.connections is not used, because "
            "tracing.acme.pool.connections is set too; remove connections",
        ),
    ],
)
def test_beside_another_name_an_old_one_is_not_used(
    load: Load, text: str, size: int, unused: str
) -> None:
    config = load(text)
    assert options(config).pool.size == size
    assert unused in notes(config)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "{gone: {wait: 1, other: 2}}",
            ":3:26: tracing.acme.gone.other: unknown option; the only option here is wait",
        ),
        ("{gone: 5}", ":3:16: tracing.acme.gone: expected a mapping of options; write them"),
        ("{pool: {connection: 7}}", ":3:17: tracing.acme.pool.connection: unknown option"),
        ("{pool: {connections: many}}", ":3:30: tracing.acme.pool.size: expected a whole number"),
        (
            "{token: none}",
            ":3:17: tracing.acme.token: none is not a token any more; leave it out",
        ),
    ],
)
def test_what_cannot_be_read_is_an_error_at_its_place(load: Load, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert problem in str(caught.value)


def test_both_names_from_different_sources_are_no_error(load: Load) -> None:
    config = load("{pool: {connections: 7}}", {"ACME_SIZE": "8"})
    assert options(config).pool.size == 8


def test_the_use_of_a_deprecated_option_is_noted_with_its_place(load: Load) -> None:
    assert notes(load("{}")) == []
    assert notes(load("{host: a}")) == [
        "f.yaml:3:16: tracing.acme.host is deprecated; use endpoint"
    ]
    assert notes(load("{}", {"ACME_HOST": "a"})) == [
        "ACME_HOST: tracing.acme.host is deprecated; use endpoint"
    ]
    assert notes(load("{}", acme={"host": "a"})) == [
        "configure(): tracing.acme.host is deprecated; use endpoint"
    ]
    assert notes(load("{cache: {enabled: null}}")) == []
    assert notes(load("{cache: {enabled: true}}")) == [
        "f.yaml:3:17: tracing.acme.cache is deprecated; leave it out"
    ]


def test_a_value_of_a_former_form_is_converted_with_a_note(load: Load) -> None:
    for config, where in (
        (load("{every: 500}"), "f.yaml:3:17"),
        (load("{every: 2}", acme={"every": 500}), "configure()"),
    ):
        assert options(config).every == 0.5
        assert notes(config) == [
            f"{where}: tracing.acme.every is in the form of a former version; write 500ms"
        ]
    config = load("{every: 2}")
    assert (options(config).every, notes(config)) == (2.0, [])


def test_a_section_may_have_been_one_value(load: Load) -> None:
    config = load("{tls: true}")
    assert options(config).tls.enabled
    assert notes(config) == [
        'f.yaml:3:15: tracing.acme.tls is in the form of a former version; write {"enabled": true}'
    ]
    assert notes(load("{tls: {enabled: true}}")) == []


@pytest.mark.parametrize("place", ["file", "reference", "variable"])
def test_a_secret_of_a_former_form_is_shown_nowhere(load: Load, place: str) -> None:
    text = {"file": f"{{token: 'token:{SECRET}'}}", "reference": "{token: {env: OTHER}}"}
    environ = {"ACME_TOKEN" if place == "variable" else "OTHER": f"token:{SECRET}"}
    config = load(text.get(place, "{}"), environ)
    assert options(config).token == SECRET
    (note,) = notes(config)
    assert note.endswith("tracing.acme.token is in the form of a former version")
    assert SECRET not in str(explain(config))
    assert config.redaction.redact(SECRET) == "***"


@pytest.mark.few_pythons
def test_the_schema_accepts_what_the_loader_does(load: Load) -> None:
    validators = pytest.importorskip("jsonschema", reason="the schema is tried with jsonschema")
    with registry.using([Acme]):
        schema = json_schema(Report())
        section = json_schema(Report(), "acme")
    for text in (
        "{pool: {connections: 7}}",
        "{gone: {wait: 3s}}",
        "{connections: 7, host: a}",
        "{every: 500, tls: true}",
        "{cache: {enabled: true}}",
    ):
        load(text)
        from ruamel.yaml import YAML

        block = {"tracing": {"exporter_type": "acme", "acme": YAML(typ="safe").load(text)}}
        validators.validate(block, schema)
    for wrong in ({"gone": {"other": 1}}, {"pool": {"connection": 1}}):
        with pytest.raises(validators.ValidationError):
            validators.validate({"tracing": {"exporter_type": "acme", "acme": wrong}}, schema)
    properties = section["properties"]
    assert properties["host"]["deprecated"] is properties["cache"]["deprecated"] is True
    assert properties["host"]["description"].startswith("Host. Deprecated; use endpoint.")
    assert properties["pool"]["properties"]["connections"]["deprecated"] is True


@pytest.mark.few_pythons
def test_explain_and_plugins_show_that_an_option_is_deprecated(
    distributions: Any, tmp_path: Path
) -> None:
    pytest.importorskip("click", reason="the command needs click")
    source = (
        "from attrs import frozen\n"
        "from bentotrace.hookspecs import hookimpl\n"
        "from bentotrace.plugin import ExporterPlugin, option\n"
        "from opentelemetry.sdk.trace.export import ConsoleSpanExporter\n"
        "@frozen\nclass Options:\n"
        "    host: str = option(default='a', help='Host.', deprecated='use endpoint')\n"
        "@hookimpl\ndef bentotrace_exporter():\n"
        "    return ExporterPlugin(name='acme', config=Options, summary='Acme',\n"
        "                          create=lambda options, context: ConsoleSpanExporter())\n"
    )
    distributions.add("acme", "acme", source, exporter="acme")
    (tmp_path / "f.yaml").write_text("tracing:\n  exporter_type: acme\n  acme: {host: b}\n")
    command = "import sys; from bentotrace.cli import main; sys.exit(main({!r}))"

    shown = distributions.run(command.format(["explain", str(tmp_path / "f.yaml")]))
    assert "f.yaml:3:16, deprecated" in shown
    assert "acme.host is deprecated; use endpoint" in shown
    plain = distributions.run(
        command.format(["explain", "--format", "json", str(tmp_path / "f.yaml")])
    )
    (found,) = json.loads(plain)["destinations"]
    assert found["options"][0]["deprecated"] == "use endpoint"
    table = distributions.run(command.format(["plugins", "acme", "--format", "markdown"]))
    assert "Host. Deprecated; use endpoint. |" in table


def test_a_declaration_that_cannot_work_is_refused() -> None:
    with pytest.raises(TypeError, match="needs a default"):
        option(help="x", deprecated="use y")
    with pytest.raises(TypeError, match="must say in text"):
        option(help="x", default=1, deprecated=True)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="upgrade must be a function"):
        option(help="x", default=1, upgrade="int")  # type: ignore[arg-type]

    @frozen
    class Clashing:
        one: int = option(default=1, help="One.")
        two: int = option(default=1, help="Two.", old_names="one")

    class Plugin:
        @staticmethod
        @hookimpl
        def bentotrace_exporter() -> ExporterPlugin:
            return ExporterPlugin(name="acme", config=Clashing, create=Options, summary="Acme")

    with pytest.raises(InvalidPluginError, match="option two has the old name one, which is an"):
        load_config({"exporter_type": "acme"}, environ={}, plugins=[Plugin])
