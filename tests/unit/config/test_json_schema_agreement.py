"""The JSON Schema accepts all that loading accepts, and refuses what a schema can tell is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from bentotrace.config.load import load_config
from bentotrace.config.yaml import read
from bentotrace.exceptions import ConfigError

from .schemas import ALL, EXPORTERS, Accepts, nested, options, put

pytestmark = pytest.mark.one_python

ENVIRON = {"ONE": "1", "NAME": "text"}

Problems = Callable[[Any], list[str]]


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


@pytest.mark.parametrize(
    ("block", "good"),
    [
        ({"zipkin": {"local_node_port": 80}}, False),
        ({"zipkin": {"local_node_port": 80}, "exporter_type": None}, True),
        ({"zipkin": {"local_node_port": None}}, True),
        ({"zipkin": {"local_node_port": 80}, "exporter_type": "none"}, True),
        ({"zipkin": {"local_node_port": 80}, "type": "zipkin"}, True),
        ({"zipkin": {}}, True),
        ({"zipkin": None}, True),
    ],
)
def test_that_a_filled_section_needs_an_exporter_is_left_to_loading(
    block: Mapping[str, Any], good: bool, takes: Accepts, loads: Accepts
) -> None:
    assert loads({"tracing": block}) is good
    assert takes({"tracing": block})


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
    r"no such file|is not a PEM file|is a directory"
    r"|has no scheme|has one slash|has the scheme|has no host|is not a URL|is not a host|contains a (port|space)|has a path, which gRPC"
    r"|is not an IPv[46] address|is not a regular expression"
    r"|is blocked|no exporter named|no (propagator|sampler|id generator) named|no extension named|none cannot be combined|is not a signal of this system"
    r"|a header's name is made of|header \w+: is set twice"
    r"|found a fraction; write \d+|must be more than 0"
    r"|is missing; set \w+ and \w+, or neither|has a colon, after which a receiver would read the password"
)


def holds_references(value: Any) -> bool:
    """Return whether variables or files decide what a value is."""
    if isinstance(value, dict):
        return {"env", "file"} & {*value} != set() or any(map(holds_references, value.values()))
    if isinstance(value, list):
        return any(map(holds_references, value))
    return isinstance(value, str) and "$" in value


def sections_are_checked(block: Mapping[str, Any]) -> bool:
    """Return whether the schema checks the sections that loading does."""
    if not any(name in block for name in EXPORTERS):
        return True
    selected = block.get("exporter_type")
    names = selected if isinstance(selected, list) else [selected]
    return all(isinstance(name, str) and name == name.strip() for name in names)


@settings(
    deadline=None,
    max_examples=400,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    exporter=SOMETIMES_SELECTED,
    given_options=st.dictionaries(st.sampled_from(PATHS), st.sampled_from(VALUES), max_size=3),
)
@example(
    exporter="jaeger",
    given_options={("jaeger", "username"): "http://localhost:1", ("jaeger", "password"): ""},
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
    elif takes(document) and not holds_references(document) and sections_are_checked(block):
        assert [message for message in found if NOT_EXPRESSIBLE.search(message) is None] == []


@pytest.mark.parametrize(
    ("selection", "loaded", "checked"),
    [
        ({"exporter_type": "jaeger"}, True, True),
        ({"exporter_type": ["otlp", "jaeger"]}, True, True),
        ({"exporter_type": " jaeger "}, True, False),
        ({"type": "jaeger"}, True, False),
        ({"type": ["otlp", "jaeger"]}, True, False),
        ({"exporter_type": None, "type": "jaeger"}, True, False),
        ({"exporter_type": "otlp", "type": "jaeger"}, False, False),
        ({"exporter_type": "otlp"}, False, False),
    ],
    ids=repr,
)
def test_the_section_of_an_exporter_that_exporter_type_names_is_checked(
    selection: dict[str, Any], loaded: bool, checked: bool, takes: Accepts, loads: Accepts
) -> None:
    document = {"tracing": {**selection, "jaeger": {"protocol": True}}}
    assert loads(document) is not loaded
    assert takes(document) is not checked


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
