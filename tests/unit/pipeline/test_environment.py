"""Variables for which OpenTelemetry would raise do not stop an application, and are reported."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.few_pythons

START = """
    import logging, os, subprocess, sys
    start, *pairs = sys.argv[1:]
    os.environ.update(pair.split("=", 1) for pair in pairs)
    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    import bentotrace
    tracing = getattr(bentotrace, start)({"exporter_type": "console", "sample_rate": 1.0})
    # What a program may do then, and what reads these variables.
    from opentelemetry import metrics, propagate, trace, _logs
    from opentelemetry.sdk import _logs as logs
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider
    trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider()
    TracerProvider().get_tracer("own").start_span("own").end()
    MeterProvider(), logs.LoggerProvider()
    propagate.inject({})
    assert tracing.provider.get_tracer("test").start_span("a").is_recording()
    child = "from opentelemetry import trace; from opentelemetry.sdk.trace import TracerProvider"
    subprocess.run([sys.executable, "-c", f"{child}; TracerProvider()"], check=True)
    print("started")
"""
LIMITS = [
    f"OTEL_{what}"
    for what in (
        *("ATTRIBUTE_COUNT_LIMIT", "ATTRIBUTE_VALUE_LENGTH_LIMIT", "SPAN_ATTRIBUTE_COUNT_LIMIT"),
        *("SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "SPAN_EVENT_COUNT_LIMIT", "SPAN_LINK_COUNT_LIMIT"),
        *("EVENT_ATTRIBUTE_COUNT_LIMIT", "LINK_ATTRIBUTE_COUNT_LIMIT"),
        *("LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
    )
]
NAMES = [
    "OTEL_PROPAGATORS",
    "OTEL_PYTHON_TRACER_PROVIDER",
    "OTEL_PYTHON_METER_PROVIDER",
    "OTEL_PYTHON_LOGGER_PROVIDER",
    "OTEL_PYTHON_EVENT_LOGGER_PROVIDER",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS",
    "OTEL_PYTHON_ID_GENERATOR",
    "OTEL_TRACES_SAMPLER",
    "OTEL_PYTHON_TRACER_CONFIGURATOR",
]


MALFORMED = {
    **dict.fromkeys(NAMES, "missing"),
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "otel,missing",
    "OTEL_PYTHON_EXCLUDED_URLS": "(",
    "OTEL_PYTHON_FASTAPI_EXCLUDED_URLS": "a{2}{3}(",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS": "[",
    "OTEL_METRICS_EXEMPLAR_FILTER": "some",
}


@pytest.mark.parametrize("start", ["configure", "build"])
@pytest.mark.parametrize("limit", ["many", "-1"])
def test_malformed_variables_are_reported_and_the_application_starts(
    distributions: Any, start: str, limit: str
) -> None:
    malformed = {**MALFORMED, **dict.fromkeys(LIMITS, limit)}
    pairs = [f"{name}={value}" for name, value in malformed.items()]

    *reports, started = distributions.run(START, start, *pairs).splitlines()

    assert started == "started"
    reported = {name for name in malformed if any(line.startswith(name) for line in reports)}
    assert reported == {*malformed}


def test_blank_variables_are_not_set(distributions: Any) -> None:
    pairs = [f"{name}= " for name in (*NAMES, *LIMITS)]

    reports = distributions.run(START, "configure", *pairs).splitlines()

    assert reports[-1] == "started"
    assert not any("ignored" in report for report in reports)


def test_the_provider_that_a_variable_names_is_not_created(distributions: Any) -> None:
    said = distributions.run(START, "configure", "OTEL_PYTHON_TRACER_PROVIDER=sdk_tracer_provider")

    assert "OTEL_PYTHON_TRACER_PROVIDER is set and has no effect: bentotrace" in said


FLEET = """
    import time
    from opentelemetry.sdk.resources import Resource, ResourceDetector
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

    def fleet(argument):
        print("argument", argument)
        return ALWAYS_ON

    def broken(*arguments):
        raise RuntimeError("no")

    def number(*arguments):
        return 5

    class Fails(Sampler):
        def __init__(self, fail):
            self.should_sample = fail

        def should_sample(self, *arguments, **options):
            pass

        def get_description(self):
            return "Fails"

    def raises(argument):
        return Fails(broken)

    def nothing(argument):
        return Fails(lambda *arguments: None)

    def slow(argument):
        return Fails(lambda *arguments: time.sleep(30))

    class Ids(RandomIdGenerator):
        def generate_trace_id(self):
            return 0xABC

    class RaisesIds(RandomIdGenerator):
        generate_trace_id = broken

    class LongIds(RandomIdGenerator):
        def generate_trace_id(self):
            return 1 << 128

    class TextIds(RandomIdGenerator):
        def generate_trace_id(self):
            return "abc"

    class SlowIds(RandomIdGenerator):
        def generate_trace_id(self):
            time.sleep(30)

    class Detector(ResourceDetector):
        def detect(self):
            return Resource({"fleet": "yes", "service.version": 1.5})

    class Nothing(ResourceDetector):
        def detect(self):
            return None

    class Exits(ResourceDetector):
        def detect(self):
            raise SystemExit("no metadata")
"""
COMPONENTS = {
    "opentelemetry_traces_sampler": {
        name: name for name in ("fleet", "raises", "nothing", "slow", "broken", "number")
    },
    "opentelemetry_id_generator": {
        "fleet": "Ids",
        "raises": "RaisesIds",
        "long": "LongIds",
        "text": "TextIds",
        "slow": "SlowIds",
        "broken": "broken",
        "number": "number",
    },
    "opentelemetry_resource_detector": {
        "fleet": "Detector",
        "broken": "broken",
        "nothing": "Nothing",
        "exits": "Exits",
    },
}
USE = """
    import logging, os, sys
    os.environ.update(pair.split("=", 1) for pair in sys.argv[1:])
    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    import bentotrace
    try:
        tracing = bentotrace.build({"exporter_type": "none"})
    except bentotrace.PluginError as error:
        sys.exit(print(error))
    span = tracing.provider.get_tracer("test").start_span("a")
    attributes = tracing.provider.resource.attributes
    print(span.is_recording(), attributes.get("fleet"), repr(attributes.get("service.version")))
    print(format(span.get_span_context().trace_id, "x"))
"""


@pytest.fixture
def fleet(distributions: Any) -> Any:
    for group, values in COMPONENTS.items():
        for name, value in values.items():
            distributions.add(
                f"{group}-{name}".replace("_", "-"),
                "fleet_otel",
                FLEET,
                exporter=name,
                value=f"fleet_otel:{value}",
                group=group,
            )
    return distributions


def test_installed_components_are_used_by_their_names(fleet: Any) -> None:
    said = fleet.run(
        USE,
        "OTEL_TRACES_SAMPLER=fleet",
        "OTEL_TRACES_SAMPLER_ARG=endpoint=fleet",
        "OTEL_PYTHON_ID_GENERATOR=fleet",
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS=broken,fleet",
    )

    reported, *rest = said.splitlines()
    assert reported == (
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS: broken is ignored: cannot create resource detector "
        "broken = fleet_otel:broken (opentelemetry-resource-detector-broken 1.5): RuntimeError: no"
    )
    assert rest == ["argument endpoint=fleet", "True yes '1.5'", "abc"]


def test_a_detector_that_exits_or_finds_no_resource_is_left_out(fleet: Any) -> None:
    said = fleet.run(USE, "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS=exits,fleet,nothing")

    assert said.splitlines()[:3] == [
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS: exits is ignored: SystemExit: no metadata",
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS: nothing is ignored: it returned NoneType, not a "
        "Resource",
        "False yes '1.5'",
    ]


def test_an_asterisk_is_every_detector_and_the_variables_come_last(fleet: Any) -> None:
    said = fleet.run(
        USE, "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS=*", "OTEL_RESOURCE_ATTRIBUTES=fleet=variable"
    )

    assert "broken is ignored" in said
    assert "False variable" in said


@pytest.mark.parametrize(
    ("variable", "what", "value"),
    [
        ("OTEL_TRACES_SAMPLER", "sampler", "broken"),
        ("OTEL_TRACES_SAMPLER", "sampler", "number"),
        ("OTEL_PYTHON_ID_GENERATOR", "id generator", "broken"),
        ("OTEL_PYTHON_ID_GENERATOR", "id generator", "number"),
    ],
)
def test_a_component_that_cannot_be_created_is_an_error(
    fleet: Any, variable: str, what: str, value: str
) -> None:
    said = fleet.run(USE, f"{variable}={value}")

    assert said.startswith(f"cannot create {what} {value} = fleet_otel:{value} (")
    expected = {"sampler": "Sampler", "id generator": "IdGenerator"}[what]
    reason = "RuntimeError: no" if value == "broken" else f"it is int, not {expected}"
    assert said.endswith(f": {reason}\n")


@pytest.mark.parametrize("value", ["broken", "number"])
def test_such_a_component_does_not_stop_an_application_that_runs_without_tracing(
    fleet: Any, value: str
) -> None:
    said = fleet.run(
        USE,
        "BENTOTRACE_ON_ERROR=warn",
        f"OTEL_TRACES_SAMPLER={value}",
        f"OTEL_PYTHON_ID_GENERATOR={value}",
    )

    assert said.startswith("nothing is traced (on_error: warn):\ncannot create sampler ")
    assert "False None" in said


@pytest.mark.parametrize("disabled", ["OTEL_SDK_DISABLED=true", "OTEL_SDK_DISABLED=false"])
def test_no_component_is_created_when_tracing_is_disabled(fleet: Any, disabled: str) -> None:
    said = fleet.run(USE, disabled, "OTEL_TRACES_SAMPLER=fleet", "OTEL_PYTHON_ID_GENERATOR=fleet")

    assert ("argument None" in said) is disabled.endswith("false")
    assert ("abc" in said) is disabled.endswith("false")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("raises", "raised RuntimeError: no"), ("nothing", "returned NoneType, not a SamplingResult")],
)
def test_a_sampler_that_fails_drops_the_span(fleet: Any, name: str, reason: str) -> None:
    reported, recorded, _ = fleet.run(USE, f"OTEL_TRACES_SAMPLER={name}").splitlines()

    assert reported == f"sampler {name!r} {reason}; its spans are not recorded"
    assert recorded == "False None None"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("raises", "raised RuntimeError: no"),
        ("long", "returned an id that is not a positive number of 128 bits"),
        ("text", "returned an id that is not a positive number of 128 bits"),
    ],
)
def test_an_id_generator_that_fails_is_replaced_by_a_random_id(
    fleet: Any, name: str, reason: str
) -> None:
    reported, recorded, trace_id = fleet.run(
        USE, f"OTEL_PYTHON_ID_GENERATOR={name}", "OTEL_TRACES_SAMPLER=always_on"
    ).splitlines()

    assert reported == f"id generator {name!r} {reason}; a random id is used"
    assert recorded == "True None None"
    assert 0 < int(trace_id, 16) < 1 << 128


def test_what_a_signal_handler_raises_in_a_component_reaches_the_application(fleet: Any) -> None:
    said = fleet.run(
        """
        import signal
        import bentotrace
        def handler(*_):
            raise TimeoutError("the application's")
        signal.signal(signal.SIGALRM, handler)
        for option in ("sampler", "id_generator"):
            given = {"exporter_type": "none", "sampler": "always_on", option: "slow"}
            tracer = bentotrace.build(given).provider.get_tracer("test")
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            try:
                tracer.start_span("a")
            except TimeoutError as error:
                print(option, error)
        """
    )

    assert said == "sampler the application's\nid_generator the application's\n"


def test_an_excluded_request_is_dropped_before_an_installed_sampler_is_asked(fleet: Any) -> None:
    said = fleet.run(
        """
        import bentotrace
        from opentelemetry.trace import SpanKind
        options = {"exporter_type": "none", "sampler": "fleet", "excluded_urls": ["/healthz"]}
        tracing = bentotrace.build(options)
        tracer = tracing.provider.get_tracer("test")
        for path in ("/healthz", "/predict"):
            span = tracer.start_span(path, kind=SpanKind.SERVER, attributes={"url.path": path})
            print(path, span.is_recording())
        print(tracing.provider.sampler.get_description())
        """
    )

    assert said.splitlines() == [
        "argument None",
        "/healthz False",
        "/predict True",
        "AlwaysOnSampler without /healthz",
    ]
