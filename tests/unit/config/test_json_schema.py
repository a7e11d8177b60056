from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from bentotrace import registry
from bentotrace.config.json_schema import json_schema
from bentotrace.config.load import load_config
from bentotrace.config.options import TracingOptions
from bentotrace.config.report import Report
from bentotrace.config.schema import Leaf, section_of
from bentotrace.config.yaml import read
from bentotrace.exceptions import ConfigError, UnknownExporterError

EXPORTERS = [name for name in registry.names() if name != registry.NONE]
ENVIRON = {"ONE": "1", "NAME": "text"}

Accepts = Callable[[Any], bool]
Problems = Callable[[Any], list[str]]


def schema() -> dict[str, Any]:
    report = Report()
    made = json_schema(report)
    assert report.notes == []
    return made


@pytest.fixture(scope="module")
def takes() -> Accepts:
    """Whether a document is good by the schema."""
    reason = "the schema is tried with jsonschema"
    validators = pytest.importorskip("jsonschema", reason=reason)
    made: Accepts = validators.Draft202012Validator(schema()).is_valid
    return made


@pytest.fixture
def problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Problems:
    """What load_config says is wrong with a document that is written as YAML."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.txt").write_text("1\n")

    def problems(document: Any) -> list[str]:
        yaml = YAML(typ="safe")
        # Only there ${VAR} stands without quotes, and becomes a number.
        yaml.default_flow_style = False
        with open("f.yaml", "w", encoding="utf-8") as file:
            yaml.dump(document, file)
        assert read("f.yaml").root == document
        try:
            load_config("f.yaml", environ=ENVIRON)
        except ConfigError as error:
            return [problem.message for problem in error.problems]
        return []

    return problems


@pytest.fixture
def loads(problems: Problems) -> Accepts:
    """Whether load_config accepts a document."""
    return lambda document: not problems(document)


def options() -> Iterator[tuple[tuple[str, ...], Leaf]]:
    """Every option with its path in the block."""
    yield from section_of(TracingOptions).leaves()
    for name in EXPORTERS:
        yield from section_of(registry.load(name).config).leaves((name,))


def old_paths() -> Iterator[tuple[tuple[str, ...], Leaf]]:
    for path, leaf in options():
        top = path[:1] if path[0] in EXPORTERS else ()
        for name in leaf.record.old_names:
            yield (*top, name), leaf


ALL = dict(itertools.chain(options(), old_paths()))


def described(path: tuple[str, ...]) -> dict[str, Any]:
    """Find an option in the schema."""
    block = schema()["$defs"]["tracing"]
    here = block["properties"][path[0]]
    if path[0] in EXPORTERS:
        conditions = [condition["then"]["properties"] for condition in block["then"]["allOf"]]
        (here,) = [found[path[0]] for found in conditions if path[0] in found]
    for step in path[1:]:
        assert here["additionalProperties"] is False
        here = here["properties"][step]
    found: dict[str, Any] = here
    return found


def nested(path: tuple[str, ...], value: Any, **more: Any) -> dict[str, Any]:
    """Make a document with one option, whose exporter is selected."""
    selected = {"exporter_type": path[0]} if path[0] in EXPORTERS else {}
    block: dict[str, Any] = {**selected, **more}
    put(block, path, value)
    return {"tracing": block}


def put(block: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    here = block
    for step in path[:-1]:
        here = here.setdefault(step, {})
        if not isinstance(here, dict):
            return
    here[path[-1]] = value


def test_it_is_a_json_schema() -> None:
    validators = pytest.importorskip("jsonschema", reason="the schema is tried with jsonschema")
    validators.Draft202012Validator.check_schema(schema())
    for name in EXPORTERS:
        validators.Draft202012Validator.check_schema(json_schema(Report(), name))


@pytest.mark.parametrize("path", [path for path, _ in options()], ids=".".join)
def test_every_option_is_described_with_what_overrides_it(path: tuple[str, ...]) -> None:
    leaf, found = ALL[path], described(path)

    assert leaf.record.help in found["description"]
    for variable in leaf.record.env:
        assert variable.name in found["description"]
    if leaf.record.unit:
        assert f"Unit: {leaf.record.unit}." in found["description"]
    assert found["anyOf"], "its kind has no schema"
    assert not (leaf.record.secret and "default" in found)


@pytest.mark.parametrize("path", [path for path, _ in old_paths()], ids=".".join)
def test_an_old_name_is_there_and_deprecated(path: tuple[str, ...]) -> None:
    assert described(path)["deprecated"] is True


def test_the_timeout_is_described_with_the_variables_of_the_exporters() -> None:
    for name in EXPORTERS:
        for variable in registry.load(name).timeout_env:
            assert variable.name in described(("timeout",))["description"]


@pytest.mark.parametrize("path", [path for path, _ in options()], ids=".".join)
def test_a_default_is_good_by_the_schema(path: tuple[str, ...], takes: Accepts) -> None:
    found = described(path)
    if "default" in found:
        assert takes(nested(path, found["default"]))


def test_the_section_of_one_exporter_is_a_schema_of_its_own() -> None:
    reason = "the schema is tried with jsonschema"
    validators = pytest.importorskip("jsonschema", reason=reason)
    takes = validators.Draft202012Validator(json_schema(Report(), "zipkin")).is_valid

    assert takes({"endpoint": "http://zipkin:9411", "local_node_port": "${PORT}"})
    assert takes({"headers": {"token": {"file": "/run/token"}}})
    assert not takes({"endpint": "http://zipkin:9411"})
    assert not takes({"endpoint": 9411})


def test_an_exporter_that_is_not_there_has_no_section() -> None:
    with pytest.raises(UnknownExporterError, match="did you mean zipkin"):
        json_schema(Report(), "zipkn")


@pytest.mark.parametrize(
    "place",
    [
        ("tracing",),
        ("api_server", "tracing"),
        ("services", "tracing"),
        ("services", "iris", "tracing"),
    ],
)
def test_a_block_is_checked_wherever_it_may_stand(place: tuple[str, ...], takes: Accepts) -> None:
    def document(block: Any) -> dict[str, Any]:
        made: dict[str, Any] = {"version": 1, "runners": {"tracing": 5}}
        put(made, place, block)
        return made

    assert takes(document({"exporter_type": "otlp"}))
    assert takes(document(None))
    assert not takes(document({"exporter_typ": "otlp"}))
    assert not takes(document("otlp"))


@pytest.mark.parametrize(
    ("more", "checked"),
    [
        ({"exporter_type": "jaeger"}, True),
        ({"exporter_type": ["otlp", "jaeger"]}, True),
        ({}, True),
        ({"exporter_type": "jaeger", "disabled": False}, True),
        ({"exporter_type": "otlp"}, False),
        ({"exporter_type": "none"}, False),
        ({"exporter_type": "${EXPORTER:-otlp}"}, False),
        ({"type": "otlp"}, False),
        ({"exporter_type": "jaeger", "disabled": True}, False),
        ({"exporter_type": "jaeger", "disabled": {"env": "OFF"}}, False),
    ],
)
def test_a_section_is_checked_as_loading_does(
    more: Mapping[str, Any], checked: bool, takes: Accepts
) -> None:
    assert takes({"tracing": {**more, "jaeger": {"protokol": "grpc"}}}) is not checked


@pytest.mark.parametrize(
    ("block", "good"),
    [
        ({"zipkin": {"local_node_port": 80}}, False),
        ({"zipkin": {"local_node_port": 80}, "exporter_type": None}, False),
        ({"zipkin": {"local_node_port": 80}, "exporter_type": "none"}, True),
        ({"zipkin": {"local_node_port": 80}, "type": "zipkin"}, True),
        ({"zipkin": {}}, True),
        ({"zipkin": None}, True),
    ],
)
def test_a_filled_section_asks_for_an_exporter(
    block: Mapping[str, Any], good: bool, takes: Accepts, loads: Accepts
) -> None:
    assert takes({"tracing": block}) is loads({"tracing": block}) is good


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("otlp", True),
        (" otlp ", True),
        ("none", True),
        (["otlp", "zipkin"], True),
        ("${EXPORTER}", True),
        ({"env": "EXPORTER"}, True),
        ("oltp", False),
        (["otlp", "zipkn"], False),
        (5, False),
    ],
)
def test_an_exporter_is_one_that_is_installed(value: Any, good: bool, takes: Accepts) -> None:
    assert takes({"tracing": {"exporter_type": value}}) is good


SCALARS: list[Any] = [
    *(None, True, False, 0, 1, 7, -1, 0.5, 1.0, "", "text", "1", " 10s ", "500ms", "soon"),
    *("otlp", " jaeger", "none", "gzip", "grpc", "http", "udp/thrift.compact", "always_on"),
    *("http://localhost:1", "localhost:9", "192.0.2.1", "2001:db8::1"),
    *(
        "${ONE}",
        "${GONE:-0.5}",
        "${GONE:-true}",
        "${GONE:-}",
        "${GONE:-gzip}",
        "${GONE}",
        "$$",
        "$",
    ),
    *({"env": "ONE"}, {"env": "GONE"}, {"file": "one.txt"}, {"env": 1}),
]
VALUES: list[Any] = [
    *SCALARS,
    *({}, {"a": "b"}, {"a": 1}, {"a": None}, {"a": "${ONE}"}, {"a": {"env": "NAME"}}),
    *({"env": "ONE", "file": "one.txt"}, {"a": {"b": "c"}}, {"a": ["b", 1]}, {"env": ["x"]}),
    *([], ["a"], ["otlp", "jaeger"], ["a", 1], [None], ["${ONE}"], [{"env": "NAME"}], [["a"]]),
    *([["a", "b"]], [["a", "${NAME}"]], [["a", {"env": "NAME"}]], [{"a": "b"}]),
]
PATHS = [
    *ALL,
    *((name,) for name in EXPORTERS),
    *(("unknown",), ("otlp", "unknown"), ("otlp", "http", "unknown")),
    *(("resource",), ("processor",), ("otlp", "grpc"), ("jaeger", "thrift")),
]
SOMETIMES_SELECTED = st.sampled_from(
    [*EXPORTERS, *EXPORTERS, ["otlp", "jaeger"], "none", "oltp", None]
)


# What no JSON Schema says: what a file holds, what a URL, an address, a header's name in a pair or a
# pattern is made of, that 5.0 is no whole number, that 0s is nothing, that a name under an option's
# old name counts only without the new one, and what several options mean together.
NOT_EXPRESSIBLE = re.compile(
    r"no such file|is no PEM file|is a directory"
    r"|has no scheme|has the scheme|names no host|is no URL|is no host|holds a (port|space)|has a path, which gRPC"
    r"|is no IPv[46] address|is not a regular expression"
    r"|no exporter named|no propagator named|no extension named|none stands alone|is no signal here"
    r"|a header's name is made of|header \w+: is given twice"
    r"|found a fraction; write \d+|must be more than 0"
    r"|is missing; give \w+ and \w+, or neither"
)


def holds_references(value: Any) -> bool:
    """Tell whether variables or files decide what a value is."""
    if isinstance(value, dict):
        return {"env", "file"} & {*value} != set() or any(map(holds_references, value.values()))
    if isinstance(value, list):
        return any(map(holds_references, value))
    return isinstance(value, str) and "$" in value


@settings(
    deadline=None,
    max_examples=400,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    exporter=SOMETIMES_SELECTED,
    given_options=st.dictionaries(st.sampled_from(PATHS), st.sampled_from(VALUES), max_size=3),
)
def test_the_schema_and_loading_agree_on_what_a_schema_can_say(
    exporter: Any,
    given_options: Mapping[tuple[str, ...], Any],
    takes: Accepts,
    problems: Problems,
) -> None:
    block: dict[str, Any] = {} if exporter is None else {"exporter_type": exporter}
    for path, value in given_options.items():
        put(block, path, dict(value) if isinstance(value, dict) else value)
    document = {"tracing": block}

    found = problems(document)
    if not found:
        assert takes(document)
    elif takes(document) and not holds_references(document):
        assert [message for message in found if NOT_EXPRESSIBLE.search(message) is None] == []


@pytest.mark.parametrize(
    "selection",
    [
        {"exporter_type": "jaeger"},
        {"exporter_type": " jaeger "},
        {"exporter_type": ["otlp", "jaeger"]},
        {"type": "jaeger"},
        {"type": ["otlp", "jaeger"]},
        {"exporter_type": None, "type": "jaeger"},
        {"exporter_type": "otlp", "type": "jaeger"},
        {"exporter_type": "otlp"},
    ],
    ids=repr,
)
def test_the_section_of_the_exporter_that_counts_is_checked(
    selection: dict[str, Any], takes: Accepts, loads: Accepts
) -> None:
    document = {"tracing": {**selection, "jaeger": {"protocol": True}}}
    assert takes(document) is loads(document) is ("otlp" in selection.values())


@pytest.mark.parametrize("path", list(ALL), ids=".".join)
def test_every_value_that_loading_accepts_for_an_option_the_schema_accepts(
    path: tuple[str, ...], takes: Accepts, loads: Accepts
) -> None:
    accepted = [value for value in VALUES if loads(nested(path, value))]

    assert None in accepted
    assert [value for value in accepted if not takes(nested(path, value))] == []


@pytest.mark.parametrize("path", list(ALL), ids=".".join)
def test_every_value_that_the_schema_accepts_loading_accepts_if_a_schema_can_tell(
    path: tuple[str, ...], takes: Accepts, problems: Problems
) -> None:
    for value in VALUES:
        document = nested(path, value)
        if takes(document) and not holds_references(value):
            found = problems(document)
            assert [said for said in found if NOT_EXPRESSIBLE.search(said) is None] == [], value


NO_TEXT = (5, True, ["x", 5], {"a": "b"})
MISTAKES: Mapping[str, tuple[Any, ...]] = {
    "true or false": ("true", 1, [True], {"a": True}),
    "a whole number": ("5", 1.5, True, [5], {"a": 5}),
    "a number": ("5", True, [0.5], {"a": 0.5}),
    "a duration": ("soon", "5", True, -1, [5], {"a": 5}),
    "headers": ("x", 5, ["x"], {"a": 5}, [["a"]], [["a", "b", "c"]]),
    "attributes": ("x", 5, ["x"], {"a": {"b": "c"}}, {"a": None}),
    "a name or a list of names": (5, True, [5], {"a": "b"}, [["a"]]),
    "regular expressions": (5, True, [5], {"a": "b"}, [["a"]]),
    "a value": (*NO_TEXT, "nonsense"),
    "a protocol": (*NO_TEXT, "nonsense"),
}


@pytest.mark.parametrize("path", list(ALL), ids=".".join)
def test_a_mistaken_type_is_refused_by_both(
    path: tuple[str, ...], takes: Accepts, loads: Accepts
) -> None:
    for mistake in MISTAKES.get(ALL[path].kind.name, NO_TEXT):
        document = nested(path, mistake)
        assert not takes(document), mistake
        assert not loads(document), mistake


@pytest.mark.parametrize("above", sorted({path[:-1] for path, _ in options()}), ids=".".join)
@pytest.mark.parametrize("key", ["unknown", "env", "Protocol", ""])
def test_an_unknown_key_is_refused_by_both(
    above: tuple[str, ...], key: str, takes: Accepts, loads: Accepts
) -> None:
    document = nested((*above, key), 5)

    assert not takes(document)
    assert not loads(document)
