"""Plugins that may not be used are never imported."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.few_pythons

ACME = """
    print("imported")
    from attrs import frozen
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter
    from bentotrace.hookspecs import hookimpl
    from bentotrace.plugin import ExporterPlugin

    @frozen
    class Options:
        pass

    @hookimpl
    def bentotrace_exporter():
        create = lambda options, context: ConsoleSpanExporter()
        return ExporterPlugin(name="acme", config=Options, create=create, summary="Acme")
"""
RUN = """
import json, os, sys
os.environ.update(json.loads(sys.argv[2]))
import bentotrace
from bentotrace.exceptions import BentotraceError
try:
    config = bentotrace.load_config({"exporter_type": "acme", **json.loads(sys.argv[1])})
    print("loaded", [exporter.plugin.name for exporter in config.exporters])
except BentotraceError as error:
    print(error)
"""
LOADED = ["imported", "loaded ['acme']"]
WHO = "acme = acme_tracing (Acme.Tracing 1.5)"


@pytest.mark.parametrize(
    ("block", "variables", "said"),
    [
        ({}, {}, LOADED),
        ({"plugins": {"allow": ["acme", "otlp"]}}, {}, LOADED),
        ({"plugins": {"allow": "acme-tracing"}}, {}, LOADED),
        ({"plugins": {"block": ["otlp"]}}, {}, LOADED),
        ({}, {"BENTOTRACE_PLUGINS": "otlp, acme"}, LOADED),
        ({"plugins": {"block": ["acme"]}}, {}, "plugins.block has it"),
        ({"plugins": {"block": ["acme_tracing"]}}, {}, "plugins.block has it"),
        (
            {"plugins": {"allow": ["otlp"]}},
            {},
            "plugins.allow (BENTOTRACE_PLUGINS) does not have it",
        ),
        ({}, {"BENTOTRACE_PLUGINS": "otlp"}, "plugins.allow (BENTOTRACE_PLUGINS) does not have it"),
        (
            {"plugins": {"block": ["acme"]}, "unknown_key": 1},
            {},
            None,
        ),
    ],
)
def test_a_blocked_plugin_is_not_imported_and_the_message_says_so(
    distributions: Any, block: dict[str, Any], variables: dict[str, str], said: Any
) -> None:
    distributions.add("Acme.Tracing", "acme_tracing", ACME, exporter="acme")
    lines = distributions.run(RUN, json.dumps(block), json.dumps(variables)).splitlines()
    if isinstance(said, str):
        assert lines == [f"<mapping>: exporter_type: exporter 'acme' is blocked: {WHO}: {said}"]
    elif said is None:
        assert "imported" not in lines
    else:
        assert lines == said


def test_blocking_decides_between_two_that_claim_a_name(distributions: Any) -> None:
    distributions.add("Acme.Tracing", "acme_tracing", ACME, exporter="acme")
    distributions.add("other", "other_tracing", "print('the other')", exporter="acme")
    twice = " ".join(distributions.run(RUN, "{}", "{}").split())
    assert "registered by more than one distribution" in twice
    block = json.dumps({"plugins": {"block": ["other"]}})
    assert distributions.run(RUN, block, "{}").splitlines() == LOADED


def test_a_mistake_in_the_section_is_reported_and_nothing_is_imported(distributions: Any) -> None:
    distributions.add("Acme.Tracing", "acme_tracing", ACME, exporter="acme")
    block = json.dumps({"plugins": {"blok": ["other"]}})
    (said,) = distributions.run(RUN, block, "{}").splitlines()
    assert said == "<mapping>: plugins.blok: unknown option; did you mean block?"


def test_an_extension_is_blocked_too(distributions: Any) -> None:
    group = "bentotrace.extensions"
    distributions.add("acme-redact", "acme_redact", ACME, exporter="redact", group=group)
    block = {"exporter_type": "console", "extensions": ["redact"], "plugins": {"block": "redact"}}
    (said,) = distributions.run(RUN, json.dumps(block), "{}").splitlines()
    assert said.startswith("<mapping>: extensions: extension 'redact' is blocked: ")
