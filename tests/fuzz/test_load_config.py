"""Whatever is read, ``load_config`` returns or says what is wrong."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bentotrace.config.load import load_config
from bentotrace.config.options import TracingOptions
from bentotrace.discovery import registry
from bentotrace.exceptions import ConfigError
from bentotrace.schema.tree import section_of

GOOD = b"""\
tracing: &block
  exporter_type: [otlp, jaeger, zipkin, console]
  sample_rate: ${RATE:-0.5}
  excluded_urls: [/healthz, "(?i)metrics"]
  timeout: 500ms
  max_tag_value_length: 100
  resource: {attributes: {service.name: iris, zones: [a, b], count: 3}}
  processor: {max_queue_size: 100, schedule_delay: 1s, shutdown_timeout: 0}
  limits: {event_count: 0}
  otlp:
    protocol: http
    endpoint: https://user:secret@collector:4318/v1/traces
    http: {headers: [[authorization, {env: TOKEN}]]}
    grpc: {insecure: true, headers: {a: "b"}}
  jaeger:
    collector_endpoint: http://localhost:14268
    username: user
    password: {file: password}
    thrift: {agent_port: 6831}
  zipkin: {endpoint: http://localhost:9411, local_node_ipv6: "::1"}
services:
  iris: {tracing: *block}
"""

# What means something to YAML, to substitution, or to a value's type.
TOKENS = [
    *(b": ", b"- ", b"\n", b"\n  ", b"\n    ", b"\t", b"#", b"'", b'"', b"|", b">-", b"?", b"%"),
    *(b"[", b"]", b"{", b"}", b",", b"&a ", b"*a", b"<<: *block", b"!!python/object:os.system "),
    *(b"!!set ", b"!!binary ", b"---\n", b"...\n", b"${", b"${A:-", b"$$", b"${env:A}", b"\0"),
    *(b"true", b"null", b"~", b".nan", b"-.inf", b"0x1F", b"1e999", b"9" * 400, b"2026-11-24"),
    *(b"\xff", b"\xef\xbb\xbf", "ü\u2028😀".encode(), b"\r", b"{env: A}", b"{file: .}", b"\x1b"),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    text = GOOD
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        what = draw(st.sampled_from(["delete", "insert", "repeat", "random"]))
        if what == "delete":
            text = text[:start] + text[end:]
        elif what == "insert":
            text = text[:start] + draw(st.sampled_from(TOKENS)) + text[start:]
        elif what == "repeat":
            text = text[:end] + text[start:end] * draw(st.integers(1, 3)) + text[end:]
        else:
            text = text[:start] + draw(st.binary(max_size=8)) + text[end:]
    return text


def variables() -> list[str]:
    classes = [TracingOptions]
    found = {"A", "RATE", "TOKEN", "OTEL_EXPORTER_OTLP_NOTHING"}
    for name in registry.names():
        if name != registry.NONE:
            plugin = registry.load(name)
            classes.append(plugin.config)
            found |= {variable.name for variable in plugin.timeout_env}
    for cls in classes:
        found |= {item.name for _, leaf in section_of(cls).leaves() for item in leaf.record.env}
    return sorted(found)


ODD_TEXTS = ("", " ", "true", "0", "-1", "1e999", "nan", "a=b", "=", "%zz", "http://", "([")

texts = st.one_of(
    st.sampled_from(ODD_TEXTS),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
)
environments = st.dictionaries(st.sampled_from(variables()), texts, max_size=8)


def check(file: Path, text: bytes, environ: Mapping[str, str]) -> None:
    """Load a file; whatever is in it, that ends in a configuration or in an explanation."""
    file.write_bytes(text)
    try:
        load_config(file, environ=environ)
    except ConfigError as error:
        assert error.problems
        for line in str(error).splitlines():
            assert "Traceback" not in line


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(mutated(), environments)
def test_a_damaged_file_is_read_or_explained(
    tmp_path: Path, text: bytes, environ: Mapping[str, str]
) -> None:
    check(tmp_path / "tracing.yaml", text, environ)


@pytest.mark.parametrize(
    "text",
    [
        "tracing:\n  a: &a [x, x]\n"
        + "".join(
            f"  {chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(24)
        ),
        "tracing: " + "[" * 50_000,
        "tracing: " + "{a: " * 20_000,
        "tracing: {resource: {attributes: {" + "a: 1, " * 100_000 + "}}}",
        "tracing: {excluded_urls: [" + "x, " * 200_000 + "]}",
        "tracing: &t {otlp: *t}",
        "a: 1\n" * 200_000,
        "tracing: " + "-" * 900_000,
    ],
    ids=["alias bomb", "lists", "mappings", "duplicates", "long list", "loop", "keys", "dashes"],
)
def test_a_file_made_to_be_costly_stays_within_100_megabytes(text: str, tmp_path: Path) -> None:
    file = tmp_path / "tracing.yaml"
    file.write_text(text, encoding="utf-8")
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError):
            load_config(file, environ={})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 100_000_000
