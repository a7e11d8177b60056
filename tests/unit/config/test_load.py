from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bentotrace.config.candidates import Origin
from bentotrace.config.load import Config, load_config, names_configuration
from bentotrace.config.rates import RouteRate
from bentotrace.discovery.registry import load as load_plugin
from bentotrace.exceptions import BentotraceError, ConfigError, UnknownExporterError

from ...golden import Golden

Load = Callable[..., Config]
Problems = Callable[..., list[str]]

MARKER = "s3cr3t-marker"


def test_code_wins_over_variables_and_the_default_comes_last(load: Load) -> None:
    environ = {"OTEL_TRACES_SAMPLER_ARG": "0.5"}

    config = load("tracing: {sample_rate: 0.1}", environ, sample_rate=0.9)

    (setting,) = [item for item in config.settings if item.path == ("sample_rate",)]
    assert config.options.sample_rate == 0.9
    assert [(item.origin, item.source) for item in setting.candidates] == [
        (Origin.OVERRIDE, "configure()"),
        (Origin.VARIABLE, "OTEL_TRACES_SAMPLER_ARG"),
        (Origin.FILE, "f.yaml:1:24"),
        (Origin.DEFAULT, "default"),
    ]


def test_a_mistake_in_the_file_is_told_although_a_variable_wins(
    problems: Problems, golden: Golden
) -> None:
    golden(problems("tracing: {sample_rate: 5}", {"OTEL_TRACES_SAMPLER_ARG": "0.5"}))


def test_all_problems_come_at_once_in_file_order(problems: Problems, golden: Golden) -> None:
    text = """
        tracing:
          exporter_typ: otlp
          exporter_type: otlp
          sample_rate: lots
          otlp:
            protocol: htp
            endpoint: ftp://host
            grpc:
              insecure: "false"
              headers: [[a]]
          processor:
            max_queue_size: true
          resource: hello
    """

    golden(problems(text))


def test_the_shorter_of_two_timeouts_counts() -> None:
    environ = {"OTEL_BSP_EXPORT_TIMEOUT": "3000"}

    for timeout, counts in [("10s", 3.0), ("2s", 2.0)]:
        source = {"exporter_type": "otlp", "timeout": timeout}
        assert load_config(source, environ=environ).exporters[0].timeout == counts


def test_a_batch_larger_than_the_queue_is_a_warning_to_whom_gave_its_size(
    load: Load, golden: Golden
) -> None:
    text = "tracing: {exporter_type: console, processor: {max_queue_size: 100"

    assert load(text + "}}").notes == ()
    (note,) = load(text + ", max_export_batch_size: 200}}").notes
    golden(str(note))


def test_a_rate_may_come_from_a_variable_or_a_file(load: Load, tmp_path: Path) -> None:
    (tmp_path / "rate").write_text("0.25\n")
    text = (
        "tracing:\n  sample_rates:\n"
        "    - {match: /a, rate: {env: RATE}}\n"
        "    - match: b\n      rate: ${RATE:-1}\n"
        f"    - {{match: /c, rate: {{file: {tmp_path / 'rate'}}}}}\n"
    )

    found = load(text, {"RATE": "0.5"}).options.sample_rates

    assert [item.rate for item in found] == [0.5, 0.5, 0.25]
    with pytest.raises(ConfigError, match=r"sample_rates\[0\].rate: expected a number"):
        load(text, {"RATE": "half"})


def test_rates_from_code_are_checked_as_those_of_a_file_are(load: Load) -> None:
    rates = [{"match": "/a", "rate": 0.5}, {"match": "b", "rate": 1}]

    found = load("tracing: {sample_rates: []}", sample_rates=rates).options.sample_rates
    with pytest.raises(ConfigError) as caught:
        load("tracing: {}", sample_rates=[{"match": "/a", "rate": 5}])

    assert found == (RouteRate("/a", 0.5), RouteRate("b", 1.0))
    assert str(caught.value).startswith("configure(): tracing.sample_rates[0].rate: must be bet")


def test_an_unknown_exporter_is_told_with_its_place(problems: Problems) -> None:
    (line,) = problems("tracing: {exporter_type: oltp}")

    assert line.startswith(
        "1:26: tracing.exporter_type: no exporter named 'oltp'; did you mean otlp?"
    )


def test_a_filled_section_without_an_exporter_type_is_told(
    problems: Problems, golden: Golden
) -> None:
    golden(problems("tracing:\n  otlp: {protocol: http}\n"))


def test_nothing_exported_is_a_warning_unless_it_is_meant(load: Load) -> None:
    (note,) = load("tracing: {sample_rate: 1}").notes
    assert note.warning
    assert "write exporter_type: otlp in f.yaml, or set OTEL_TRACES_EXPORTER=otlp" in str(note)

    (note,) = load_config(environ={}).notes
    assert "nothing is exported; set OTEL_TRACES_EXPORTER=otlp" in str(note)
    for meant in ("exporter_type: none", "disabled: true"):
        assert load(f"tracing: {{{meant}}}").notes == ()


def test_a_section_of_an_exporter_that_is_not_selected_is_left_alone(load: Load) -> None:
    config = load("tracing:\n  exporter_type: none\n  otlp: {whatever: 1}\n")

    assert config.exporters == ()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"sample_rte": 1}, "configure(): sample_rte: unknown option; did you mean sample_rate?"),
        ({"sample_rate": "1"}, "configure(): sample_rate: expected a number, found text"),
        ({"otlp": 5}, "configure(): otlp: expected a mapping of options"),
        ({"otlp": {"protocl": "http"}}, "otlp.protocl: unknown option; did you mean protocol?"),
    ],
)
def test_a_bad_override_is_explained(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config({"exporter_type": "otlp"}, environ={}, overrides=overrides)

    assert message in str(caught.value)


def test_overrides_reach_sections() -> None:
    config = load_config(
        {"exporter_type": "otlp", "otlp": {"compression": "gzip"}},
        environ={},
        overrides={"otlp": {"protocol": "http"}, "processor": {"max_queue_size": 7}},
    )

    options = config.exporters[0].options
    assert (options.protocol, options.compression) == ("http", "gzip")
    assert config.options.processor.max_queue_size == 7


def test_the_file_is_the_one_that_the_variables_name(write: Callable[..., str]) -> None:
    own = write("tracing: {sample_rate: 0.1}", "own.yaml")
    bentoml = write("tracing: {sample_rate: 0.2}", "bentoml.yaml")

    both = {"BENTOTRACE_CONFIG": own, "BENTOML_CONFIG": bentoml}
    assert load_config(environ=both).options.sample_rate == 0.1
    assert load_config(environ={"BENTOML_CONFIG": bentoml}).options.sample_rate == 0.2
    assert load_config(environ={}).source == "the environment"


def test_the_variables_name_a_configuration_where_there_is_or_should_be_one(
    write: Callable[..., str],
) -> None:
    block = write("tracing: {exporter_type: console}\n")
    none = write("runners: {}\n", "bentoml.yaml")

    assert names_configuration({"BENTOTRACE_CONFIG": "missing.yaml"})
    assert names_configuration({"BENTOML_CONFIG": block})
    assert not names_configuration({"BENTOML_CONFIG": none})
    assert not names_configuration({"BENTOML_CONFIG": "missing.yaml"})
    assert not names_configuration({"BENTOTRACE_CONFIG": " ", "BENTOML_CONFIG": ""})


def test_several_exporters_are_several_destinations(load: Load) -> None:
    config = load("tracing: {exporter_type: [console, otlp]}")

    assert [exporter.plugin.name for exporter in config.exporters] == ["console", "otlp"]


def test_swapped_ports_are_a_warning_with_the_fix(load: Load, golden: Golden) -> None:
    text = "tracing: {exporter_type: otlp, otlp: {endpoint: 'http://host:4318'}}"

    golden([str(note) for note in load(text).notes])


@pytest.mark.parametrize(
    "section",
    [
        {"http": {"headers": {"authorization": MARKER}}},
        {"http": {"headers": {"authorization": [MARKER]}}},
        {"http": {"headers": {"authorization": f"{MARKER}\n"}}},
        {"http": {"headers": MARKER}},
        {"endpoint": f"http://user:{MARKER}@host:4318"},
        {"endpoint": f"ftp://user:{MARKER}@host:4318"},
        {"endpoint": f"http://user:{MARKER}@host:port"},
    ],
)
def test_a_secret_is_in_no_message_and_no_repr(section: dict[str, Any]) -> None:
    source = {"exporter_type": "otlp", "otlp": {"protocol": "http", **section}}
    try:
        config = load_config(source, environ={"OTEL_EXPORTER_OTLP_HEADERS": MARKER})
    except ConfigError as error:
        assert MARKER not in str(error) + repr(error)
    else:
        assert MARKER not in repr(config) + repr(config.settings) + str(config.notes)


KEYS = st.sampled_from(
    [
        "tracing",
        "exporter_type",
        "otlp",
        "http",
        "headers",
        "endpoint",
        "processor",
        "timeout",
        "<<",
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | KEYS
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
PIECES = st.sampled_from(
    [
        "tracing:",
        "\n",
        "  ",
        "- ",
        "otlp: ",
        "{",
        "}",
        "[",
        "&a ",
        "*a",
        "!x ",
        "${A}",
        "'",
        '"',
        "\t",
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=4), max_size=20).map("".join)
ENVIRONS = st.dictionaries(
    st.sampled_from(["OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "A"]),
    st.text(max_size=12).filter(lambda text: "\0" not in text),
)


@pytest.mark.few_pythons
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(TREES.map(lambda tree: {"tracing": tree}) | TEXTS, ENVIRONS)
def test_loading_ends_in_a_configuration_or_one_of_our_errors(
    tmp_path_factory: pytest.TempPathFactory, source: Any, environ: dict[str, str]
) -> None:
    if isinstance(source, str):
        path = tmp_path_factory.mktemp("fuzz") / "f.yaml"
        path.write_text(source, encoding="utf-8", errors="replace")
        source = path
    try:
        load_config(source, environ=environ)
    except BentotraceError as error:
        assert str(error)


def test_an_unknown_name_knows_what_is_installed() -> None:
    with pytest.raises(UnknownExporterError) as caught:
        load_plugin("consol")

    assert caught.value.closest == "console"
    assert {"console", "otlp", "none"} <= set(caught.value.valid)


def test_bentomls_variable_may_name_the_home_directory_and_variables(
    write: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("services: {tracing: {sample_rate: 0.5}}\n")
    monkeypatch.setenv("HOME", str(tmp_path))

    for path in ("~/f.yaml", "$HOME/f.yaml"):
        assert load_config(environ={"BENTOML_CONFIG": path}).options.sample_rate == 0.5
