from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.few_pythons

LIST = """
    import json, sys
    from bentotrace.discovery.finder import list_plugins
    print(json.dumps([item._asdict() for item in list_plugins()]))
    print(sorted(name for name in sys.modules if name.startswith(("acme", "bentotrace_"))))
"""


def listed(distributions: Any) -> dict[str, dict[str, Any]]:
    found, imported = distributions.run(LIST).splitlines()
    assert imported == "[]"
    return {item["distribution"] + ":" + item["name"]: item for item in json.loads(found)}


def test_the_builtin_plugins_are_listed_without_importing_them(distributions: Any) -> None:
    otlp = listed(distributions)["bentotrace:otlp"]

    assert otlp["stability"] == "stable"
    assert otlp["summary"].startswith("OpenTelemetry protocol over gRPC or HTTP")
    assert otlp["duplicate"] is False


def test_a_broken_plugin_is_listed_with_what_its_source_says(distributions: Any) -> None:
    source = """
        raise RuntimeError
        plugin = ExporterPlugin(summary="Nice", stability=Stability.EXPERIMENTAL)
    """
    distributions.add("acme", "acme_tracing", source, exporter="acme")

    acme = listed(distributions)["acme:acme"]

    assert (acme["summary"], acme["stability"], acme["version"]) == ("Nice", "experimental", "1.5")


def test_what_the_source_does_not_say_is_taken_from_the_metadata(distributions: Any) -> None:
    metadata = "Summary: From the metadata\nClassifier: Development Status :: 4 - Beta\n"
    distributions.add(
        "acme", "acme/tracing", "", exporter="acme", value="acme.tracing", metadata=metadata
    )

    acme = listed(distributions)["acme:acme"]

    assert (acme["summary"], acme["stability"]) == ("From the metadata", "beta")


def test_a_name_claimed_twice_is_marked(distributions: Any) -> None:
    distributions.add("acme", "acme_console", "", exporter="console")

    found = listed(distributions)

    assert found["acme:console"]["duplicate"]
    assert found["bentotrace:console"]["duplicate"]
    assert not found["bentotrace:otlp"]["duplicate"]


@pytest.mark.parametrize("value", ["acme-tracing", "acme tracing", "acme:"])
def test_an_entry_point_that_names_no_module_is_listed_all_the_same(
    value: str, distributions: Any
) -> None:
    distributions.add("acme", "acme_tracing", "", exporter="acme", value=value)

    assert listed(distributions)["acme:acme"]["version"] == "1.5"


def test_a_distribution_without_metadata_is_unknown(distributions: Any) -> None:
    distributions.add("acme", "acme_tracing", "", exporter="acme")
    (metadata,) = distributions.directory.glob("*.dist-info/METADATA")
    metadata.unlink()

    assert listed(distributions)["unknown:acme"]["version"] == "unknown"
