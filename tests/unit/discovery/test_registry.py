"""Plugins in real distributions, seen by processes of their own."""

from __future__ import annotations

from typing import Any

import pytest

from bentotrace.discovery import registry
from bentotrace.exceptions import UnknownExporterError

from ...golden import Golden

GOOD = """
    from attrs import frozen
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter
    from bentotrace.hookspecs import hookimpl
    from bentotrace.plugin import ExporterPlugin, Stability, option

    @frozen
    class Options:
        path: str = option(default="spans", help="Where.", env=["ACME_PATH"])

    @hookimpl
    def bentotrace_exporter():
        return ExporterPlugin(
            name="acme",
            config=Options,
            create=lambda options, context: ConsoleSpanExporter(),
            summary="Acme's spans",
            stability=Stability.BETA,
        )
"""

LOAD = """
    import sys
    from bentotrace.exceptions import BentotraceError
    from bentotrace.discovery.registry import load
    try:
        print(load(sys.argv[1]).name)
    except BentotraceError as error:
        print(type(error).__name__)
        print(error)
        print(repr(error.__cause__))
"""


def test_selecting_one_exporter_neither_imports_nor_is_hurt_by_the_others(
    distributions: Any,
) -> None:
    distributions.add("acme-raises", "acme_raises", "raise RuntimeError('no')", exporter="raises")
    distributions.add("acme-sleeps", "acme_sleeps", "import time; time.sleep(5)", exporter="sleeps")
    distributions.add("acme-console", "acme_console", "raise RuntimeError", exporter="console")

    said = distributions.run(
        """
        import sys
        import bentotrace
        config = bentotrace.load_config({"exporter_type": "otlp"})
        print(config.exporters[0].plugin.name)
        print(sorted(name for name in sys.modules if name.startswith("acme")))
        print("bentotrace_console" in sys.modules)
        """
    )

    assert said.splitlines() == ["otlp", "[]", "False"]


def test_a_broken_module_is_told_with_its_distribution_and_cause(
    distributions: Any, golden: Golden
) -> None:
    distributions.add("acme-raises", "acme_raises", "raise RuntimeError('no')", exporter="raises")

    kind, message, cause = distributions.run(LOAD, "raises").splitlines()

    assert kind == "BrokenPluginError"
    golden(message)
    assert cause == "RuntimeError('no')"


def test_a_module_that_ends_the_process_is_only_broken(distributions: Any) -> None:
    distributions.add("acme", "acme_exits", "raise SystemExit(3)", exporter="exits")

    assert "is broken: importing it raised SystemExit: 3" in distributions.run(LOAD, "exits")


def test_a_name_claimed_twice_names_both_distributions(distributions: Any) -> None:
    distributions.add("acme-console", "acme_console", "raise RuntimeError", exporter="console")

    said = distributions.run(LOAD, "console")

    assert said.startswith("DuplicateExporterError")
    assert "console = acme_console (acme-console 1.5)" in said
    assert "console = bentotrace_console (bentotrace " in said
    assert "uninstall all but one of them" in said


def test_a_plugin_of_somebody_else_is_loaded_and_configured(
    distributions: Any, golden: Golden
) -> None:
    distributions.add("acme", "acme_tracing", GOOD, exporter="acme")

    said = distributions.run(
        """
        import bentotrace
        from bentotrace.config.load import load_config
        source = {"exporter_type": "acme", "acme": {"path": "file"}}
        print(load_config(source, environ={}).exporters[0].options)
        print(load_config(source, environ={"ACME_PATH": "env"}).exporters[0].options)
        try:
            load_config({"exporter_type": "acme", "acme": {"pth": "file"}})
        except bentotrace.ConfigError as error:
            print(error)
        """
    )

    golden(said.splitlines())


@pytest.mark.few_pythons
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("return ExporterPlugin", "return dict"), "returned dict, not a bentotrace.plugin."),
        (("    return ExporterPlugin", "    return (lambda **_: None)"), "returned NoneType, not"),
        (('name="acme"', 'name="other"'), "its name is 'other', but its entry point is 'acme'"),
        (("config=Options", "config=dict"), "its config is not an attrs class"),
        (
            ('summary="Acme\'s spans",', 'summary="", api_version=2,'),
            "it is for version 2 of the plugin contract; bentotrace 0.1.0 supports version 1; "
            "upgrade bentotrace, or install an older acme",
        ),
        (("@hookimpl", ""), "it has no hook; decorate bentotrace_exporter() with"),
        (("def bentotrace_exporter", "def bentotrace_exportr"), "does not match the specification"),
        (("bentotrace_exporter()", "bentotrace_exporter(config)"), "does not match the specif"),
        (("path: str = option", 'path: "Nope" = option'), "its config cannot be read: an annot"),
        (
            ("        return Exp", "        raise OSError('x')\n        return Exp"),
            "raised OSError: x",
        ),
        (
            ("        return Exp", "        raise SystemExit(4)\n        return Exp"),
            "raised SystemExit: 4",
        ),
    ],
)
def test_a_plugin_that_breaks_the_contract_is_told(
    change: tuple[str, str], message: str, distributions: Any
) -> None:
    old, new = change
    assert old in GOOD
    distributions.add("acme", "acme_tracing", GOOD.replace(old, new), exporter="acme")

    said = distributions.run(LOAD, "acme")

    assert "exporter plugin acme = acme_tracing (acme 1.5) is broken: " in said
    assert message in said


def test_a_target_of_another_type_is_told(distributions: Any) -> None:
    source = GOOD.replace("name=", "target=lambda options: 'http://acme', name=")
    distributions.add("acme", "acme_tracing", source, exporter="acme")

    said = distributions.run(
        """
        import bentotrace
        try:
            bentotrace.load_config({"exporter_type": "acme"})
        except bentotrace.PluginError as error:
            print(error)
        """
    )

    assert "exporter 'acme' cannot be used: its target() returned str, not a bentotrace." in said


@pytest.mark.parametrize(
    "name",
    [
        "jaeger_thrift",
        "zzz",
        "Console",
    ],
)
def test_an_unknown_name_says_what_to_do(name: str, golden: Golden) -> None:
    with pytest.raises(UnknownExporterError) as caught:
        registry.load(name)

    # The installed exporters of OpenTelemetry differ between the environments of the tests.
    message, separator, foreign = str(caught.value).partition("; of OpenTelemetry's own: ")
    golden(message)
    assert tuple(filter(None, foreign.split(", "))) == (
        registry.foreign_names() if separator else ()
    )


def test_the_metadata_is_read_once() -> None:
    assert registry.find() is registry.find()
