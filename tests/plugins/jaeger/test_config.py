from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import bentotrace
from bentotrace.config.load import ExporterConfig
from bentotrace.exceptions import ConfigError
from bentotrace.plugin import Target
from bentotrace.transport import TLSConfig

PREFIX = "OTEL_EXPORTER_JAEGER_"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith(("OTEL_", "BENTO")):
            monkeypatch.delenv(name)


def load(**jaeger: Any) -> ExporterConfig:
    config = bentotrace.load_config({"exporter_type": "jaeger", "jaeger": jaeger})
    return config.exporters[0]


def whole_target(**jaeger: Any) -> Target:
    found = load(**jaeger).target
    assert found is not None
    return found


def target(**jaeger: Any) -> tuple[str, str]:
    found = whole_target(**jaeger)
    return found.protocol, found.endpoint


def problems(tmp_path: Path, section: str) -> list[str]:
    file = tmp_path / "t.yaml"
    indented = "".join(f"    {line}\n" for line in section.strip().splitlines())
    file.write_text(f"tracing:\n  exporter_type: jaeger\n  jaeger:\n{indented}", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        bentotrace.load_config(str(file))
    return [
        str(problem).removeprefix(f"{file}:").replace("tracing.jaeger.", "")
        for problem in caught.value.problems
    ]


def test_nothing_else_means_the_agent_on_this_host() -> None:
    assert target() == ("thrift over UDP", "localhost:6831")


def test_the_guides_options_select_the_transport() -> None:
    url = "http://jaeger:14268/api/traces?format=jaeger.thrift"
    agent = {"agent_host_name": "jaeger", "agent_port": 6841}
    assert target(thrift=agent) == ("thrift over UDP", "jaeger:6841")
    assert target(collector_endpoint=url) == ("thrift over HTTP", url)
    assert target(protocol="grpc") == ("grpc", "localhost:14250")
    assert target(protocol="grpc", collector_endpoint="c:1") == ("grpc", "c:1")
    given = {"endpoint": "d:2", "insecure": True}
    assert target(protocol="grpc", collector_endpoint="c:1", grpc=given) == ("grpc", "d:2")


def test_the_specifications_names_select_a_transport() -> None:
    url = "http://c:14268/api/traces"
    http, udp = "http/thrift.binary", "udp/thrift.compact"
    assert target(protocol=http) == ("thrift over HTTP", "http://localhost:14268/api/traces")
    assert target(protocol=http, collector_endpoint=url) == ("thrift over HTTP", url)
    assert target(protocol=udp) == ("thrift over UDP", "localhost:6831")
    assert target(protocol=udp, collector_endpoint=url) == ("thrift over UDP", "localhost:6831")


def test_the_collector_alone_gets_spans_when_both_are_given() -> None:
    config = bentotrace.load_config(
        {
            "exporter_type": "jaeger",
            "jaeger": {
                "collector_endpoint": "http://c:14268",
                "thrift": {"agent_host_name": "a"},
            },
        }
    )

    (note,) = config.notes
    assert not note.warning
    assert note.message.startswith("jaeger has an agent and a collector: only the collector gets")
    assert config.exporters[0].target is not None
    assert config.exporters[0].target.protocol == "thrift over HTTP"


def test_the_old_short_forms_work_with_a_note_each() -> None:
    config = bentotrace.load_config(
        {"exporter_type": "jaeger", "jaeger": {"address": "old", "port": 7}}
    )

    found = config.exporters[0].target
    assert found is not None
    assert found.endpoint == "old:7"
    assert [note.message.partition(": ")[2] for note in config.notes] == [
        "jaeger.address is deprecated; use jaeger.thrift.agent_host_name",
        "jaeger.port is deprecated; use jaeger.thrift.agent_port",
    ]


def test_a_new_name_wins_over_the_old() -> None:
    assert target(address="old", thrift={"agent_host_name": "new"})[1] == "new:6831"


@pytest.mark.parametrize(
    ("name", "text", "path", "value"),
    [
        ("AGENT_HOST", "h", "thrift.agent_host_name", "h"),
        ("AGENT_PORT", "7", "thrift.agent_port", 7),
        ("AGENT_SPLIT_OVERSIZED_BATCHES", "false", "thrift.udp_split_oversized_batches", False),
        ("ENDPOINT", "http://h:14268", "collector_endpoint", "http://h:14268"),
        ("CERTIFICATE", "ca.pem", "grpc.certificate_file", "ca.pem"),
        ("CERTIFICATE", "ca.pem", "thrift.certificate_file", "ca.pem"),
        ("GRPC_INSECURE", "true", "grpc.insecure", True),
        ("PROTOCOL", "grpc", "protocol", "grpc"),
        ("PROTOCOL", "http/thrift.binary", "protocol", "http/thrift.binary"),
        ("PROTOCOL", "udp/thrift.compact", "protocol", "udp/thrift.compact"),
        ("PROTOCOL", "thrift", "protocol", "thrift"),
        ("ENDPOINT", "c:1", "grpc.endpoint", "c:1"),
        ("TIMEOUT", "3", "timeout", 3.0),
        ("TIMEOUT", "3000", "timeout", 3.0),
    ],
)
def test_every_variable_is_above_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, text: str, path: str, value: Any
) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(PREFIX + name, text)

    exporter = load(
        protocol="grpc" if value in {"thrift", "c:1"} else "thrift",
        grpc={"endpoint": "file:2"},
        thrift={"agent_host_name": "file", "agent_port": 1},
    )

    found: Any = exporter if path == "timeout" else exporter.options
    for step in path.split("."):
        found = getattr(found, step)
    assert found == value


def test_user_and_password_come_from_variables_and_are_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(PREFIX + "USER", "me")
    monkeypatch.setenv(PREFIX + "PASSWORD", "s3cret")
    exporter = load(collector_endpoint="http://c:14268")

    assert (exporter.options.username, exporter.options.password) == ("me", "s3cret")
    assert "s3cret" not in repr(exporter)


def test_a_malformed_variable_is_a_warning_and_the_file_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(PREFIX + "PROTOCOL", "udp/thrift.binary")
    monkeypatch.setenv(PREFIX + "AGENT_PORT", "70000")
    config = bentotrace.load_config(
        {"exporter_type": "jaeger", "jaeger": {"thrift": {"agent_port": 5}}}
    )

    assert config.exporters[0].options.thrift.agent_port == 5
    assert [note.message for note in config.notes] == [
        f"{PREFIX}PROTOCOL is ignored: not supported for agents; "
        "write udp/thrift.compact, and port 6831",
        f"{PREFIX}AGENT_PORT is ignored: must be between 1 and 65535",
    ]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    section = """
protocol: thrfit
collector_endpoint: jaeger:14268
thrift:
  agent_port: 0
  max_packet_size: 100
  udp_split_oversized_batches: "false"
  agent_hostname: jaeger
username: me
"""
    assert problems(tmp_path, section) == [
        "4:15: protocol: must be one of thrift, grpc, http/thrift.binary, udp/thrift.compact; "
        "did you mean thrift?",
        "5:25: collector_endpoint: has no scheme; write it as http://localhost:14268/api/traces",
        "7:19: thrift.agent_port: must be between 1 and 65535",
        "8:24: thrift.max_packet_size: must be between 512 and 65507",
        "9:36: thrift.udp_split_oversized_batches: expected true or false, found text; "
        "remove the quotes",
        "10:7: thrift.agent_hostname: unknown option; did you mean agent_host_name?",
    ]


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        (
            "collector_endpoint: jaeger:14268",
            "4:25: collector_endpoint: has no scheme; write it as "
            "http://localhost:14268/api/traces",
        ),
        (
            "thrift: {agent_host_name: 'jaeger:6831'}",
            "4:31: thrift.agent_host_name: contains a port; write it as agent_port",
        ),
        (
            "protocol: grpc\ngrpc: {endpoint: 'http://h/path'}",
            "5:22: grpc.endpoint: has a path, which gRPC does not use; write it as http://h:14250",
        ),
        ("username: me", "password: is missing; set username and password, or neither"),
    ],
)
def test_what_only_several_options_show_is_told_at_one_of_them(
    tmp_path: Path, section: str, problem: str
) -> None:
    (found,) = problems(tmp_path, section)

    assert found.endswith(problem)


def test_credentials_without_http_are_noted() -> None:
    config = bentotrace.load_config(
        {"exporter_type": "jaeger", "jaeger": {"username": "me", "password": "s3cret"}}
    )

    (note,) = config.notes
    assert note.message.startswith("jaeger.username and jaeger.password are only sent with Thrift")


def test_a_target_tells_its_files_and_the_names_of_its_headers() -> None:
    section = {"headers": {"x-tenant": "s3cr3t-marker"}}
    https = whole_target(collector_endpoint="https://u:s3cr3t-marker@c/", thrift=section)
    plain = whole_target(collector_endpoint="http://c/", username="u", password="s3cr3t-marker")
    grpc = whole_target(protocol="grpc", collector_endpoint="https://c", grpc=section)

    assert (https.tls, https.headers) == (TLSConfig(), ("x-tenant", "Authorization"))
    assert (plain.tls, plain.headers) == (None, ("Authorization",))
    assert (grpc.tls, grpc.headers) == (TLSConfig(), ("x-tenant",))
    assert whole_target().headers == ()
    assert "s3cr3t" not in f"{https}{plain}{grpc}"
