"""Plugins that are passed in code, and names that no exporter may have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from attrs import evolve

import bentotrace
from bentotrace.config.options import TracingOptions
from bentotrace.discovery import registry
from bentotrace.discovery.finder import RESERVED
from bentotrace.exceptions import InvalidPluginError
from bentotrace.schema.tree import section_of

from ...golden import Golden
from .attacks import EXTENSION, GOOD
from .test_attacks import module_of


def test_a_module_needs_no_entry_point() -> None:
    redact = EXTENSION.replace("acme_extension", "acme_redact")
    modules = [module_of("acme_tracing", GOOD), module_of("shop.acme_extension", redact)]
    source = {"exporter_type": ["acme", "console"], "extensions": "acme_redact", "sample_rate": 1}

    config = bentotrace.load_config(source, plugins=modules, console={"stream": "stderr"})
    with bentotrace.build({**source, "exporter_type": "acme"}, plugins=modules) as tracing:
        tracing.provider.get_tracer("test").start_span("one").end()

    assert [exporter.plugin.name for exporter in config.exporters] == ["acme", "console"]
    assert [extension.name for extension in config.exporters[0].extensions] == ["acme_redact"]
    assert tracing.status().destinations[0].exported == 1
    assert "acme" not in registry.names()


def test_a_module_overrides_an_installed_exporter_of_its_name() -> None:
    module = module_of("acme_tracing", GOOD.replace('name="acme"', 'name="otlp"'))

    config = bentotrace.load_config({"exporter_type": "otlp"}, plugins=[module])

    assert config.exporters[0].plugin.summary == "Acme's spans"


@pytest.mark.parametrize(
    ("plugins", "message"),
    [
        ([json], "plugin json is broken: it has no hook; decorate bentotrace_exporter() or"),
        (["acme"], "plugin str is broken: it has no hook"),
        (
            [module_of("acme_tracing", GOOD), module_of("other_tracing", GOOD)],
            "exporter plugin other_tracing is broken: another plugin in plugins= is named 'acme' too",
        ),
    ],
    ids=["no hook", "text", "twice"],
)
def test_what_is_not_a_plugin_is_refused(plugins: list[Any], message: str) -> None:
    with pytest.raises(InvalidPluginError) as caught:
        bentotrace.load_config({"exporter_type": "console"}, plugins=plugins)

    assert str(caught.value).startswith(message)


def test_no_exporter_may_have_the_name_of_an_option() -> None:
    section = section_of(TracingOptions)
    old = {name for _, leaf in section.leaves() for name in leaf.record.old_names}

    assert {child.name for child in section.children} | old == RESERVED


def test_an_installed_exporter_with_the_name_of_an_option_hurts_nothing(distributions: Any) -> None:
    for name in ("processor", "none", "spool"):
        distributions.add(f"acme-{name}", f"acme_{name}", "raise SystemExit", exporter=name)

    said = distributions.run(
        """
        import bentotrace
        from bentotrace.discovery import registry
        source = {"exporter_type": "console", "processor": {"max_queue_size": 5}}
        print(bentotrace.load_config(source).options.processor.max_queue_size)
        print("processor" in registry.names(), registry.sections().count("spool"))
        print(*registry.obstacles(), sep="\\n")
        """
    ).splitlines()

    assert said[:2] == ["5", "False 0"]
    assert sorted(said[2:]) == [
        "exporter plugin none = acme_none (acme-none 1.5) cannot be used: its name is 'none', which "
        "means no exporter; its author must rename it",
        "exporter plugin processor = acme_processor (acme-processor 1.5) cannot be used: its name "
        "'processor' is an option of the tracing block; its author must rename it",
        "exporter plugin spool = acme_spool (acme-spool 1.5) cannot be used: its name 'spool' is an "
        "option of the tracing block; its author must rename it",
    ]


HANGS = "import time\ntime.sleep(600)\n"


def test_an_import_that_hangs_is_reported_by_doctor(
    distributions: Any, tmp_path: Any, golden: Golden
) -> None:
    pytest.importorskip("click", reason="the command needs click")
    distributions.add("acme", "acme_tracing", HANGS, exporter="acme")
    (tmp_path / "c.yaml").write_text("tracing: {exporter_type: acme}\n", encoding="utf-8")
    script = (
        "import sys; from bentotrace.cli import doctor, main; doctor._LOAD_SECONDS = 2\n"
        "sys.argv = ['bentotrace', 'doctor', 'c.yaml']; sys.exit(main())"
    )
    environ = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}

    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 1
    golden(done.stderr)


def test_an_exporter_for_another_version_names_whom_to_upgrade() -> None:
    with pytest.raises(InvalidPluginError, match="upgrade bentotrace, or install an older acme_t"):
        bentotrace.load_config(
            {"exporter_type": "acme"},
            plugins=[module_of("acme_tracing", GOOD.replace("target=target", "api_version=7"))],
        )
    plugin = bentotrace.load_config(
        {"exporter_type": "acme"}, plugins=[module_of("acme_tracing", GOOD)]
    ).exporters[0]
    assert plugin.plugin.api_version == 1
    assert evolve(plugin.plugin, api_version=None).api_version is None
