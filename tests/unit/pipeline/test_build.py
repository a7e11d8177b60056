from __future__ import annotations

from typing import Any

import pytest

import bentotrace

from ...golden import Golden

pytestmark = pytest.mark.few_pythons

BROKEN = """
    from bentotrace.hookspecs import hookimpl
    from bentotrace.plugin import ExporterPlugin
    from attrs import frozen

    @frozen
    class Options:
        pass

    def create(options, context):
        raise OSError("no such device")

    @hookimpl
    def bentotrace_exporter():
        return ExporterPlugin(name="broken", config=Options, create=create, summary="")
"""


def test_exporters_are_checked_by_making_and_closing_them(
    distributions: Any, golden: Golden
) -> None:
    distributions.add("broken", "broken_exporter", BROKEN, exporter="broken")
    script = """
        import threading
        import bentotrace
        from bentotrace.pipeline.build import check_exporters

        check_exporters(bentotrace.load_config({"exporter_type": "console"}))
        print(threading.active_count())
        try:
            check_exporters(bentotrace.load_config({"exporter_type": ["console", "broken"]}))
        except bentotrace.ConfigError as error:
            print(error)
    """

    golden(distributions.run(script))


def test_a_pipeline_that_is_replaced_passes_its_tracers_on(run_python: Any) -> None:
    printed = run_python(
        """
        import bentotrace
        from opentelemetry import trace

        early = trace.get_tracer("early")
        block = {"exporter_type": "console", "sample_rate": 1, "console": {"stream": "stderr"}}
        first = bentotrace.configure(block)
        held = trace.get_tracer("held")
        tracers = lambda: (early, held, trace.get_tracer("new"))
        replaced = [first]

        def trace_in(tracing):
            for tracer in tracers():
                tracer.start_span("a").end()
            tracing.flush()
            return [item.exported for item in tracing.status().destinations]

        print(trace_in(first))
        for name in ("second", "third"):
            named = {**block, "resource": {"attributes": {"service.name": name}}}
            tracing = bentotrace.configure(named, if_exists="replace")
            print(trace_in(tracing), [item.ended for item in first.status().destinations])
            late = [former.provider.get_tracer(name).start_span("a") for former in replaced]
            print({span.resource.attributes["service.name"] for span in late})
            replaced.append(tracing)
            span = held.start_span("a")
            print(span.resource.attributes["service.name"], trace.get_tracer_provider().resource
                  is tracing.provider.resource)
        bentotrace.configure({"disabled": True}, if_exists="replace")
        print([tracer.start_span("a").is_recording() for tracer in tracers()])
        print(trace_in(bentotrace.configure(block, if_exists="replace")))
        """
    )

    assert printed.splitlines() == [
        "[3]",
        "[3] [3]",
        "{'second'}",
        "second True",
        "[3] [3]",
        "{'third'}",
        "third True",
        "[False, False, False]",
        "[3]",
    ]


def test_a_second_configuration_names_the_first_and_how_to_keep_it(run_python: Any) -> None:
    printed = run_python(
        """
        import bentotrace

        bentotrace.configure({"exporter_type": "console"})
        try:
            bentotrace.configure({"exporter_type": "console"})
        except bentotrace.ProviderExistsError as error:
            print(error)
        """
    )

    assert printed == (
        "bentotrace is already configured in this process, by an earlier configure() or by "
        "bentotrace run;\n"
        'remove this call, or pass if_exists="keep" to leave that pipeline as it is, or '
        'if_exists="replace"\n'
    )


def test_the_provider_of_another_library_is_not_replaced(run_python: Any) -> None:
    printed = run_python(
        """
        import bentotrace
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider

        trace.set_tracer_provider(TracerProvider())
        try:
            bentotrace.configure({"exporter_type": "console"}, if_exists="replace")
        except bentotrace.ProviderExistsError as error:
            print("attach" in str(error))
        """
    )

    assert printed == "True\n"


def test_a_second_pipeline_to_an_endpoint_is_warned_of(run_python: Any) -> None:
    printed = run_python(
        """
        import logging, sys
        import bentotrace

        logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format="%(message)s")
        block = {"exporter_type": "otlp", "sampler": "always_on", "otlp": {"protocol": "http"}}
        bentotrace.configure(block)
        other = {**block, "otlp": {"protocol": "http", "endpoint": "http://localhost:9"}}
        for each in (other, block):
            bentotrace.configure({**each, "sampler": None}, if_exists="attach")
            print("attached")
        """
    )

    first, second = printed.splitlines()[0], printed.splitlines()[1:]
    assert first == "attached"
    assert second == [
        "the provider already sends to otlp at http://localhost:4318/v1/traces, so every span "
        'arrives twice; attach once, or pass if_exists="keep"',
        "attached",
    ]


def test_an_attachment_to_a_disabled_pipeline_is_warned_of(run_python: Any) -> None:
    printed = run_python(
        """
        import logging, sys
        import bentotrace

        logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format="%(message)s")
        bentotrace.configure({"disabled": True})
        bentotrace.configure({"exporter_type": "console"}, if_exists="attach")
        """
    )

    assert printed.splitlines() == [
        "nothing is traced: the existing provider was configured with disabled: true; pass "
        'if_exists="replace"'
    ]


def test_a_pipeline_says_what_it_does() -> None:
    block = {"exporter_type": "console", "sample_rate": 1}
    with bentotrace.build(block) as tracing:
        assert repr(tracing) == (
            "<Tracing from <mapping>: sends to console at stdout; sample_rate 1, <mapping>; "
            "console at stdout: 0 ended = 0 exported, 0 failed, 0 dropped, 0 pending>"
        )
    with bentotrace.build({"exporter_type": "none"}) as tracing:
        assert repr(tracing) == (
            "<Tracing from <mapping>: nothing is sent: exporter_type is none, <mapping>; "
            "no destination>"
        )


@pytest.mark.parametrize("on_error", ["warn", "disable", "raise"])
def test_no_error_of_a_library_passes_on_error(on_error: str) -> None:
    class Odd(dict[str, Any]):
        def items(self) -> Any:
            raise LookupError("hunter2")

    block = Odd(exporter_type="console")
    if on_error == "raise":
        with pytest.raises(bentotrace.BentotraceError, match="LookupError in items") as caught:
            bentotrace.build(block, on_error=on_error)
        assert "hunter2" not in str(caught.value)
    else:
        assert bentotrace.build(block, on_error=on_error).status().destinations == ()


def test_limits_that_the_sdk_cannot_count_to_are_no_limits() -> None:
    limits = {"attribute_count": 10**30, "event_count": 10**30, "link_count": 10**30}
    with bentotrace.build({"exporter_type": "none", "sample_rate": 1, "limits": limits}) as tracing:
        span: Any = tracing.provider.get_tracer("t").start_span("a", attributes={"b": 1})
        span.add_event("c")
        span.end()

    assert span.attributes == {"b": 1}
    assert [event.name for event in span.events] == ["c"]
