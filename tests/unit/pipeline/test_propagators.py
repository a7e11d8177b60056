from __future__ import annotations

from typing import Any

import pytest

from ...golden import Golden

pytestmark = pytest.mark.few_pythons

ACME = """
    from opentelemetry.propagators.textmap import TextMapPropagator

    class Propagator(TextMapPropagator):
        fields = {"x-acme"}

        def extract(self, carrier, context=None, getter=None):
            return context

        def inject(self, carrier, context=None, setter=None):
            carrier["x-acme"] = "1"

    class Broken:
        def __init__(self):
            raise RuntimeError("no")
"""
INJECT = """
    import sys
    import bentotrace
    from opentelemetry import propagate, trace
    from opentelemetry.propagators.composite import CompositePropagator
    start, propagators = sys.argv[1], sys.argv[2:]
    options = {"exporter_type": "none", "sample_rate": 1.0, "propagators": propagators}
    tracing = getattr(bentotrace, start)(options)
    carrier = {}
    with tracing.provider.get_tracer("test").start_as_current_span("one"):
        propagate.inject(carrier)
    print(sorted(carrier))
"""
GROUP = "opentelemetry_propagator"


@pytest.fixture
def acme(distributions: Any) -> Any:
    for name, value in [("acme", "acme_otel:Propagator"), ("broken", "acme_otel:Broken")]:
        distributions.add(
            f"acme-{name}", "acme_otel", ACME, exporter=name, value=value, group=GROUP
        )
    return distributions


@pytest.mark.parametrize(
    ("start", "propagators", "headers"),
    [
        ("configure", ["acme", "tracecontext"], ["traceparent", "x-acme"]),
        ("configure", ["none"], []),
        ("configure", [], ["traceparent"]),
        ("build", ["acme"], ["traceparent"]),
    ],
)
def test_configure_installs_what_is_named_and_build_does_not(
    start: str, propagators: list[str], headers: list[str], acme: Any
) -> None:
    assert acme.run(INJECT, start, *propagators) == f"{headers}\n"


def test_propagators_of_the_application_stay_when_none_are_named(acme: Any) -> None:
    said = acme.run(
        """
        import acme_otel, bentotrace
        from opentelemetry import propagate
        own = acme_otel.Propagator()
        propagate.set_global_textmap(own)
        bentotrace.configure({"exporter_type": "none"})
        print(propagate.get_global_textmap() is own)
        """
    )

    assert said == "True\n"


def test_a_propagator_that_cannot_be_made_is_an_error_that_names_it(
    acme: Any, golden: Golden
) -> None:
    said = acme.run(
        """
        import bentotrace
        from opentelemetry import trace
        try:
            bentotrace.configure({"exporter_type": "none", "propagators": "broken"})
        except bentotrace.PluginError as error:
            print(error)
        print(type(trace.get_tracer_provider()).__name__)
        """
    )

    golden(said.splitlines())


def test_a_variable_that_opentelemetry_refuses_does_not_stop_tracing(acme: Any) -> None:
    said = acme.run(
        """
        import logging, os, sys
        logging.basicConfig(format="%(message)s", stream=sys.stdout)
        import bentotrace
        os.environ["OTEL_PROPAGATORS"] = "b4"
        bentotrace.configure({"exporter_type": "none", "propagators": "acme"})
        print("started")
        """
    )

    malformed, started = said.splitlines()
    assert malformed.startswith("OTEL_PROPAGATORS is ignored: no propagator named")
    assert started == "started"
