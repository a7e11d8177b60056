"""Whatever ``validate`` accepts, ``build`` accepts, and the other way round."""

from __future__ import annotations

import ast
import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from bentotrace.config.load import load_config
from bentotrace.config.yaml import read
from bentotrace.exceptions import BentotraceError, ConfigError, SpoolError
from bentotrace.pipeline.build import build_tracing, check_exporters
from bentotrace.schema.option import Range
from bentotrace.schema.tree import Leaf

from ...servers import Certificates
from ..config.schemas import ALL, EXPORTERS, put

pytestmark = pytest.mark.few_pythons

ROOT = Path(__file__).parents[3]
CASES = ROOT.parent / "shared" / "cases" / "config"
"""Programs that each show one mistake of reading a configuration."""

# What is checked by creating alone: packages, directories, and what is nobody's option.
ONLY_BUILDING_SHOWS = re.compile(r"which is not installed; pip install|^the spool ")


@contextlib.contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Have these variables, and no other that configures anything."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(("OTEL_", "BENTO")) or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def agree(source: Any, environ: Mapping[str, str], service: str | None = None) -> bool:
    """Check that validating and building say the same; return whether it is good."""
    with environment(environ):
        try:
            config = load_config(source, service=service)
        except BentotraceError:
            return False
        problems = ()
        try:
            check_exporters(config)
        except ConfigError as error:
            problems = error.problems
        try:
            build_tracing(config).shutdown()
        except BentotraceError as error:
            assert problems, f"validate accepts what cannot be built: {error}"
        else:
            assert not problems, f"validate refuses what can be built: {problems}"
        for problem in problems:
            assert problem.position.file
            assert ONLY_BUILDING_SHOWS.search(problem.message), problem
    return not problems


def texts_in(value: Any) -> Iterator[str]:
    """Find the configurations that stand in a document's texts, as in a Kubernetes ConfigMap."""
    if isinstance(value, str) and "tracing:" in value:
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from texts_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts_in(part)


def corpus() -> Iterator[tuple[str, str]]:
    """Every configuration of the documentation, the examples, deploy, and the tests' mistakes."""
    for page in sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")]):
        blocks = re.findall(
            r"^```yaml\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
        )
        for number, block in enumerate(blocks):
            yield f"{page.relative_to(ROOT)}-{number}", block
    folders = ("examples", "deploy", "tests/data/mistakes", "tests/data/cases")
    for file in sorted(file for folder in folders for file in (ROOT / folder).rglob("*.yaml")):
        text = file.read_text("utf-8")
        yield str(file.relative_to(ROOT)), text
        if "deploy" in file.parts:
            for number, inner in enumerate(texts_in(list(YAML(typ="safe").load_all(text)))):
                yield f"{file.relative_to(ROOT)}-{number}", inner


CORPUS = dict(corpus())


def services_of(file: Path) -> list[str | None]:
    """List the services that a file names, and None."""
    with contextlib.suppress(ConfigError):
        services = read(file).root.get("services")
        return [None, *(services if isinstance(services, Mapping) else ())]
    return [None]


@pytest.mark.parametrize("name", CORPUS)
def test_a_configuration_of_ours_is_good_for_both_or_for_neither(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT / "tests" / "data" / "mistakes")
    file = tmp_path / "tracing.yaml"
    file.write_text(CORPUS[name], encoding="utf-8")
    first = re.match(r"# environment: (.*)", CORPUS[name])
    environ = dict(pair.split("=", 1) for pair in first[1].split()) if first else {}

    for service in services_of(file):
        agree(file, environ, service)


def test_the_corpus_holds_many_that_are_good(tmp_path: Path) -> None:
    good = 0
    for text in CORPUS.values():
        (tmp_path / "tracing.yaml").write_text(text, encoding="utf-8")
        with environment({}), contextlib.suppress(BentotraceError):
            good += bool(load_config(tmp_path / "tracing.yaml").exporters)

    assert good >= 25


def constants(tree: ast.AST) -> Iterator[Any]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            yield node.value


def assigned(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Find the variables that a program sets, in mappings and as keywords."""
    for node in ast.walk(tree):
        pairs: Iterable[tuple[Any, Any]] = ()
        if isinstance(node, ast.Call):
            pairs = [(keyword.arg, keyword.value) for keyword in node.keywords]
        elif isinstance(node, ast.Dict):
            pairs = [
                (getattr(key, "value", None), value)
                for key, value in zip(node.keys, node.values, strict=True)
            ]
        for name, value in pairs:
            if isinstance(name, str) and name.isupper() and isinstance(value, ast.Constant):
                yield name, str(value.value)


def test_a_configuration_of_the_cases_is_good_for_both_or_for_neither(tmp_path: Path) -> None:
    if not CASES.is_dir():
        pytest.skip(f"{CASES} is not there; tests/data/cases has its configurations")
    file = tmp_path / "tracing.yaml"
    programs = [ast.parse(path.read_text("utf-8")) for path in sorted(CASES.glob("*.py"))]
    assert programs
    for program in programs:
        environ = dict(assigned(program))
        texts = {text for text in constants(program) if isinstance(text, str) and "tracing" in text}
        agree(None, environ)
        for text in texts:
            file.write_text(text, encoding="utf-8")
            for variables in ({}, environ):
                for service in services_of(file):
                    agree(file, variables, service)


NAMES = [
    "owner",
    "Connection",
    "Content-Length",
    "grpc-encoding",
    "id-bin",
    "Über",
    "a b",
    ":a",
    "",
    "te",
]
CONTENTS = [
    "text",
    "Jürgen",
    "中",
    "",
    " a ",
    "a\tb",
    "gzip",
    "${NAME}",
    "${GONE:-x}",
    {"env": "NAME"},
    1,
]
TEXTS = [
    *(
        "http://localhost:1",
        "https://collector.example:4318/v1/traces",
        "localhost:9",
        "user:pass@h:1",
    ),
    *(
        "https://u:p@[::1]:1/x?y#z",
        "http://a b",
        "http://h:99999",
        "unix:///run/x",
        "dns:///h:1",
        "//h",
    ),
    *(
        "http://ünicode.example",
        "http://xn--a",
        "http://" + "a" * 70 + ".example",
        "http://h/\n",
        "h:0",
    ),
    *(
        "192.0.2.1",
        "2001:db8::1",
        "fe80::1%eth0",
        "",
        " ",
        "text",
        "/",
        "/healthz",
        "([",
        "${NAME}",
    ),
    *("${GONE}", "$$", "otlp", "b3", "tracecontext, baggage", "xray", "SIGTERM", "SIGKILL", "none"),
]


def _around(leaf: Leaf) -> list[Any]:
    bounds = leaf.attribute.validator
    if not isinstance(bounds, Range):
        return []
    known = [bound for bound in (bounds.low, bounds.high, bounds.above) if bound is not None]
    return [value for bound in known for value in (bound - 1, bound, bound + 1, float(bound))]


@pytest.fixture(scope="session")
def files(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Files that are certificates, keys, neither, directories, or not there."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "empty").write_text("")
    (folder / "broken.pem").write_text(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    )
    own = [certificates.ca_file, certificates.client_cert_file, certificates.client_key_file]
    made = [folder, *map(folder.joinpath, ("empty", "broken.pem", "gone", "empty/below"))]
    return [*own, *map(str, made), "/proc/gone", "~/home"]


def values_of(leaf: Leaf, files: list[str]) -> st.SearchStrategy[Any]:
    """Draw values of an option: good ones, those at a bound, and those that are nearly good."""
    schema = leaf.kind.json_schema or {}
    choices = [*schema.get("enum", ()), *_around(leaf), leaf.default]
    odd = st.sampled_from([None, True, False, 0, 1, 7, -1, 0.5, "500ms", "0s", "1e999", *TEXTS])
    if leaf.kind.name == "headers":
        return st.one_of(
            st.dictionaries(st.sampled_from(NAMES), st.sampled_from(CONTENTS), max_size=3),
            st.lists(
                st.tuples(st.sampled_from(NAMES), st.sampled_from(CONTENTS)).map(list), max_size=3
            ),
        )
    if leaf.kind.name in {"a PEM file", "a directory"}:
        return st.sampled_from(files)
    if leaf.kind.takes_mapping or "array" in str(schema):
        keys = st.sampled_from(["service.name", "a", "", "match", "rate"])
        return st.one_of(
            st.lists(odd, max_size=3),
            st.dictionaries(keys, odd, max_size=3),
            st.lists(st.fixed_dictionaries({"match": odd, "rate": odd}), max_size=2),
            odd,
        )
    return st.one_of(st.sampled_from(choices), odd)


@st.composite
def blocks(draw: st.DrawFn, files: list[str]) -> dict[str, Any]:
    chosen = draw(st.lists(st.sampled_from(EXPORTERS), min_size=1, max_size=2, unique=True))
    block: dict[str, Any] = {"exporter_type": chosen, "sample_rate": 1}
    paths = [path for path in ALL if path[0] in chosen or path[0] not in EXPORTERS]
    own = [path for path in paths if path[0] in chosen]
    headers = [path for path in own if path[-1] == "headers"]
    for path in draw(st.lists(st.sampled_from([*paths, *own, *headers]), max_size=6, unique=True)):
        if path != ("exporter_type",):
            put(block, path, draw(values_of(ALL[path], files)))
    return block


VARIABLES = sorted({variable.name for leaf in ALL.values() for variable in leaf.record.env})
variables = st.dictionaries(
    st.sampled_from(VARIABLES),
    st.sampled_from(
        [
            *(text for text in TEXTS if "\0" not in text),
            *("true", "0", "-1", "5", "grpc", "http/protobuf", "gzip", "always_on"),
            *(
                "a=b",
                "owner=J%C3%BCrgen",
                "Connection=close",
                "'api-key=x'",
                "id-bin=abc",
                "=",
                "te=x",
            ),
        ]
    ),
    max_size=3,
)


@pytest.mark.one_python
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_configuration_is_good_for_both_or_for_neither(
    data: st.DataObject, files: list[str]
) -> None:
    agree(data.draw(blocks(files)), {**data.draw(variables), "NAME": "text"})


def test_a_directory_that_cannot_be_made_is_a_problem_and_a_good_one_is_not_made(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("")
    good, bad = tmp_path / "a" / "b", tmp_path / "file" / "spool"
    block = {"exporter_type": "console", "sample_rate": 1}

    check_exporters(load_config({**block, "spool": {"path": str(good)}}, environ={}))
    config = load_config({**block, "spool": {"path": str(bad)}}, environ={})
    with pytest.raises(ConfigError) as caught:
        check_exporters(config)
    with pytest.raises(SpoolError):
        build_tracing(config)

    assert not (tmp_path / "a").exists()
    assert str(caught.value).startswith(
        f"<mapping>: the spool {bad} cannot be used: {tmp_path / 'file'}: Not a directory;"
    )
