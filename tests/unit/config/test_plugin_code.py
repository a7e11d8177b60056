"""An exception of a plugin that reads its options is reported with the plugin's line."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from traceback import format_exception
from typing import Any

import pytest
from attrs import frozen
from opentelemetry.sdk.trace.export import ConsoleSpanExporter

from bentotrace.config.diagnostics import Report
from bentotrace.config.load import load_config
from bentotrace.config.plugin_code import reading_options
from bentotrace.exceptions import ConfigError, PluginError
from bentotrace.hookspecs import hookimpl
from bentotrace.plugin import ExporterPlugin, option
from bentotrace.problems import Position

pytestmark = pytest.mark.few_pythons

SECRET = "s3cr3t-marker"

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


@frozen
class Plain:
    path: str = option(default="spans", help="Where.")


@frozen
class WithSecret:
    token: str | None = option(default=None, secret=True, help="A token.")


@pytest.fixture
def load_options() -> Callable[[type], object]:
    """Load a configuration whose exporter has the options of a class."""

    def load(config: type) -> object:
        class Plugin:
            @staticmethod
            @hookimpl
            def bentotrace_exporter() -> ExporterPlugin:
                return ExporterPlugin(
                    name="acme",
                    config=config,
                    create=lambda options, context: ConsoleSpanExporter(),
                    summary="spans",
                )

        return load_config({"exporter_type": "acme"}, environ={}, plugins=[Plugin])

    return load


def read(call: Callable[[], object], config: type = Plain) -> None:
    with reading_options("exporter 'acme'", config):
        call()


def fail() -> None:
    raise KeyError(SECRET)


@pytest.mark.parametrize(
    "source",
    [
        GOOD.replace('default="spans"', "factory=lambda: broken()"),
        GOOD.replace('"Where."', '"Where.", validator=lambda *given: broken(*given)'),
        GOOD.replace(
            "    @hookimpl",
            "        __attrs_post_init__ = lambda self: broken(self)\n    @hookimpl",
        ),
        GOOD.replace("name=", "target=lambda options: broken(options), name="),
    ],
    ids=["default", "validator", "class", "target"],
)
def test_a_plugin_whose_options_raise_is_reported_with_the_line_and_no_value(
    source: str, distributions: Any
) -> None:
    source += """
    def broken(*given):
        raise KeyError("s3cr3t-marker")
"""
    distributions.add("acme", "acme_tracing", source, exporter="acme")

    lines = distributions.run(
        """
        import bentotrace
        try:
            bentotrace.load_config({"exporter_type": "acme"})
        except bentotrace.PluginError as error:
            print(error)
            print(type(error.__cause__).__name__)
        tracing = bentotrace.build({"exporter_type": "acme", "on_error": "disable"})
        print(tracing.config.exporters)
        """
    ).splitlines()

    assert lines[0].startswith("exporter 'acme' cannot read its options: KeyError in broken(), ")
    assert re.search(r"acme_tracing\.py:\d+$", lines[0])
    assert lines[1:] == ["KeyError", "()"]


def test_the_cause_is_kept_unless_the_options_have_a_secret() -> None:
    with pytest.raises(PluginError) as plain:
        read(fail)
    assert isinstance(plain.value.__cause__, KeyError)
    with pytest.raises(PluginError) as secret:
        read(fail, WithSecret)
    assert str(secret.value) == str(plain.value)
    assert SECRET not in "".join(format_exception(secret.value))


def test_the_line_is_that_of_the_plugin_which_called_exit() -> None:
    with pytest.raises(PluginError) as raised:
        read(lambda: exit(3))
    where = rf"SystemExit in <lambda>\(\), {re.escape(__file__)}:\d+$"
    assert re.search(f"^exporter 'acme' cannot read its options: {where}", str(raised.value))


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit, RecursionError, MemoryError])
def test_what_a_plugin_raises_itself_never_ends_the_process(error: type[BaseException]) -> None:
    def raises() -> None:
        raise error

    with pytest.raises(PluginError, match=f"cannot read its options: {error.__name__} in raises"):
        read(raises)


def test_the_line_is_never_one_of_generated_code() -> None:
    generated: dict[str, Any] = {}
    exec("def broken(): raise KeyError", generated)
    with pytest.raises(PluginError) as raised:
        read(generated["broken"])
    here = rf"KeyError in read\(\), {re.escape(__file__)}:\d+$"
    assert re.search(here, str(raised.value))


def test_a_validator_that_cannot_be_called_is_reported_with_its_class(load_options: Any) -> None:
    @frozen
    class Options:
        size: int = option(default=1, help="Size.", validator=lambda value: None)

    with pytest.raises(
        PluginError, match=r"TypeError in the class .*Options of .*test_plugin_code$"
    ):
        load_options(Options)


def test_an_error_of_bentotrace_itself_is_not_the_plugins() -> None:
    report = Report()
    report.problem(Position("f.yaml", 1, 1), ("tracing",), "is wrong")
    with pytest.raises(ConfigError, match="is wrong"):
        read(report.raise_problems)


def test_an_error_of_bentotrace_that_the_plugin_raises_is_the_plugins() -> None:
    def raises() -> None:
        raise PluginError("mine")

    with pytest.raises(PluginError, match="cannot read its options: PluginError in raises"):
        read(raises)


def test_a_ctrl_c_meanwhile_is_not_an_error_of_the_plugin() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            read(lambda: os.kill(os.getpid(), signal.SIGINT))
    finally:
        signal.signal(signal.SIGINT, before)
