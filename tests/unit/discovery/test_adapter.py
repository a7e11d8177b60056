"""Exporters published for OpenTelemetry itself, by their entry-point names."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

import bentotrace
from bentotrace.discovery.adapter import adapt
from bentotrace.exceptions import ConfigError, InvalidPluginError

pytestmark = pytest.mark.few_pythons

ACME = """
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class AcmeExporter(SpanExporter):
        def __init__(self, path: str, timeout: int | None = None, *, verbose: bool = False,
                     api_token: str = "", _private=None):
            print("made", path, timeout, verbose)

        def export(self, spans):
            print("exported", [span.name for span in spans])
            return SpanExportResult.SUCCESS
"""


def add_acme(distributions: Any) -> None:
    distributions.add(
        "acme",
        "acme_otel",
        ACME,
        exporter="acme_otel",
        value="acme_otel:AcmeExporter",
        group="opentelemetry_traces_exporter",
    )


def test_an_exporter_of_opentelemetrys_group_runs(distributions: Any) -> None:
    add_acme(distributions)

    said = distributions.run(
        """
        import bentotrace
        source = {"exporter_type": "acme_otel", "sample_rate": 1, "timeout": 4,
                  "acme_otel": {"path": "p", "verbose": True}}
        with bentotrace.build(source) as tracing:
            tracing.provider.get_tracer("test").start_span("one").end()
        print(tracing.status().destinations[0].exported)
        """
    )

    assert said.splitlines() == ["made p 4.0 True", "exported ['one']", "1"]


def test_its_options_are_checked_against_its_constructor(distributions: Any) -> None:
    add_acme(distributions)

    said = distributions.run(
        """
        import bentotrace
        section = {"verbos": True, "verbose": "yes", "_private": 1}
        try:
            bentotrace.load_config({"exporter_type": "acme_otel", "acme_otel": section})
        except bentotrace.ConfigError as error:
            print(error)
        options = {"path": "p", "api_token": "s3cret"}
        print(bentotrace.load_config({"exporter_type": "acme_otel", "acme_otel": options}))
        """
    )

    lines = said.splitlines()
    assert lines[:4] == [
        "<mapping>: acme_otel.verbos: unknown option; did you mean verbose?",
        "<mapping>: acme_otel._private: unknown option; valid are path, timeout, verbose, api_token",
        "<mapping>: acme_otel.path: is required but missing",
        "<mapping>: acme_otel.verbose: expected true or false, found text; write true",
    ]
    assert "s3cret" not in said


def test_what_cannot_be_called_is_no_exporter() -> None:
    with pytest.raises(InvalidPluginError, match="it is str, not an exporter"):
        adapt("acme", "acme", "exporter")


def test_what_does_not_tell_what_it_takes_cannot_be_configured() -> None:
    with pytest.raises(InvalidPluginError, match="the arguments of its constructor are unknown"):
        adapt("acme", "acme", dict)


def test_an_annotation_that_is_nowhere_takes_anything() -> None:
    class Exporter:
        def __init__(self, path: pytest.Nowhere = None) -> None:  # type: ignore[name-defined]
            pass

    assert [field.name for field in attrs.fields(adapt("acme", "acme", Exporter).config)] == [
        "path"
    ]


def test_upstreams_otlp_exporter_runs_by_its_name() -> None:
    pytest.importorskip(
        "opentelemetry.exporter.otlp.proto.http", reason="upstream's exporter runs in this test"
    )
    from bentotrace.testing import OTLPHTTPReceiver

    with OTLPHTTPReceiver() as receiver:
        section = {"endpoint": receiver.endpoint, "headers": {"x-key": "k"}}
        source = {
            "exporter_type": "otlp_proto_http",
            "sample_rate": 1.0,
            "otlp_proto_http": section,
        }
        with bentotrace.build(source) as tracing:
            tracing.provider.get_tracer("test").start_span("one").end()
            assert tracing.flush(5)
        assert [span.name for span in receiver.spans] == ["one"]
        assert receiver.requests[0].headers["x-key"] == "k"


def test_a_wrong_option_of_upstreams_exporter_is_told() -> None:
    pytest.importorskip(
        "opentelemetry.exporter.otlp.proto.http", reason="upstream's exporter runs in this test"
    )
    source = {"exporter_type": "otlp_proto_http", "otlp_proto_http": {"endpont": "x"}}

    with pytest.raises(ConfigError, match=r"otlp_proto_http\.endpont: .* did you mean endpoint\?"):
        bentotrace.load_config(source)


VENDOR = """
    from __future__ import annotations
    import enum
    from typing import TYPE_CHECKING, Any, Optional
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    if TYPE_CHECKING:
        import grpc
        from requests import Session

    class Compression(enum.Enum):
        Gzip = "gzip"

    class Exporter(SpanExporter):
        def __init__(self, compression: Compression | None = None, timeout: float | None = None,
                     session: Session | None = None, channel: Optional[grpc.Channel] = None,
                     headers: dict[str, str] | None = None, client=None, **kwargs: Any):
            print(compression, session, channel, client, sorted(kwargs.items()))

        def export(self, spans):
            return SpanExportResult.SUCCESS
"""

LOAD_VENDOR = """
import bentotrace
def run(section):
    try:
        bentotrace.build({"exporter_type": "vend", "vend": section}).shutdown()
    except bentotrace.BentotraceError as error:
        print(error)
"""


def add_vendor(distributions: Any, source: str = VENDOR) -> None:
    group = "opentelemetry_traces_exporter"
    distributions.add("v", "v", source, exporter="vend", value="v:Exporter", group=group)


def test_an_unknown_annotation_costs_no_other_argument_its_type(distributions: Any) -> None:
    add_vendor(distributions)

    said = distributions.run(
        LOAD_VENDOR
        + "run({'compression': 'gzip'})\nrun({'compression': 'gzp', 'timeout': 'soon'})\n"
    )

    assert said.splitlines() == [
        "Compression.Gzip None None None []",
        "<mapping>: vend.compression: must be one of gzip; did you mean gzip?",
        "<mapping>: vend.timeout: expected a number, found text",
    ]


def test_an_argument_that_is_an_object_says_that_only_code_can_pass_it(distributions: Any) -> None:
    add_vendor(distributions)

    said = distributions.run(
        LOAD_VENDOR
        + "run({'session': 'x', 'channel': 1, 'client': {}})\nrun({'session': object, 'client': run})"
    ).splitlines()

    reason = "is an object that only code can create; pass {0} in the exporter's section to bento"
    for line, name in zip(said, ("session", "channel", "client"), strict=False):
        assert line.startswith(f"<mapping>: vend.{name}: {reason.format(name)}")
    assert said[3].startswith("None <class 'object'> None <function run")


def test_options_of_any_name_reach_a_constructor_that_takes_them(distributions: Any) -> None:
    add_vendor(distributions)

    said = distributions.run(
        LOAD_VENDOR
        + "run({'connection_string': 's3cret-marker', 'retries': 5, 'tags': {'a': [1]}})\n"
        "run({'_private': 1})\n"
        "print(bentotrace.load_config({'exporter_type': 'vend', 'vend': {'access_key': 'hush-1'}}))"
    )

    first, private, shown = said.splitlines()
    assert first.endswith(
        "[('connection_string', 's3cret-marker'), ('retries', 5), ('tags', {'a': [1]})]"
    )
    assert "unknown option" in private or "_private" in private
    assert "hush-1" not in shown
