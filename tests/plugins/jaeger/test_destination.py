from __future__ import annotations

import pytest
from bentotrace_jaeger.destination import resolve_agent, resolve_grpc, resolve_http


@pytest.mark.parametrize(
    ("host", "port", "shown"),
    [
        (None, None, "localhost:6831"),
        ("jaeger", None, "jaeger:6831"),
        (None, 7, "localhost:7"),
        ("::1", 7, "[::1]:7"),
        ("[::1]", 7, "[::1]:7"),
    ],
)
def test_an_agent_is_a_host_and_a_port(host: str | None, port: int | None, shown: str) -> None:
    assert str(resolve_agent(host, port)) == shown


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("", "is not a host"),
        ("http://jaeger", "is not a host"),
        ("a b", "is not a host"),
        ("jaeger:6831", "contains a port; write it as agent_port"),
    ],
)
def test_a_host_that_is_none_is_explained(host: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resolve_agent(host, None)


def test_the_port_of_the_binary_protocol_is_warned_of() -> None:
    (warning,) = resolve_agent(None, 6832).warnings

    assert warning.endswith("write agent_port: 6831")
    assert resolve_agent(None, 6831).warnings == ()


@pytest.mark.parametrize(
    ("endpoint", "address", "tls"),
    [
        ("http://h:14268", "http://h:14268/api/traces", False),
        ("http://h:14268/", "http://h:14268/api/traces", False),
        (
            "http://h:14268/api/traces?format=jaeger.thrift",
            "http://h:14268/api/traces?format=jaeger.thrift",
            False,
        ),
        ("https://h/other", "https://h/other", True),
        ("https://h", "https://h/api/traces", True),
    ],
)
def test_a_url_without_a_path_gets_the_collectors(endpoint: str, address: str, tls: bool) -> None:
    collector = resolve_http(endpoint)

    assert (collector.address, collector.tls, collector.warnings) == (address, tls, ())


@pytest.mark.parametrize(
    ("endpoint", "insecure", "address", "tls"),
    [
        (None, False, "localhost:14250", False),
        ("h:14250", False, "h:14250", True),
        ("h:14250", True, "h:14250", False),
        ("h", True, "h:14250", False),
        ("http://h:1", False, "h:1", False),
        ("http://h", False, "h:14250", False),
        ("https://h", False, "h:443", True),
        ("http://[::1]:1", False, "[::1]:1", False),
        ("[::1]:1", True, "[::1]:1", False),
    ],
)
def test_scheme_or_option_decide_for_tls(
    endpoint: str | None, insecure: bool, address: str, tls: bool
) -> None:
    collector = resolve_grpc(endpoint, insecure)

    assert (collector.address, collector.tls, collector.warnings) == (address, tls, ())


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        ("h:14268", "has no scheme"),
        ("ftp://h", "has the scheme ftp"),
        ("http://", "has no host"),
        ("http://h:0", "has no host"),
        ("http://h:99999", "is not a URL"),
        ("http://a b", "contains a space"),
    ],
)
def test_a_url_that_is_none_is_explained(endpoint: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resolve_http(endpoint)


def test_a_path_is_nothing_for_grpc() -> None:
    with pytest.raises(ValueError, match="has a path"):
        resolve_grpc("http://h:14250/api/traces", insecure=False)


@pytest.mark.parametrize(
    ("port", "fix"),
    [(14250, "protocol: grpc, or port 14268"), (4318, "exporter_type: otlp, or port 14268")],
)
def test_a_port_where_something_else_listens_is_warned_of(port: int, fix: str) -> None:
    (warning,) = resolve_http(f"http://h:{port}").warnings

    assert warning.endswith(f"write {fix}")


def test_https_and_insecure_contradict_each_other() -> None:
    (warning,) = resolve_grpc("https://h:14250", insecure=True).warnings

    assert "https:// decides" in warning


def test_credentials_are_not_shown() -> None:
    collector = resolve_http("http://user:s3cret@h:14268")

    assert "s3cret" not in repr(collector) + str(collector)
    assert "s3cret" in collector.address
