from __future__ import annotations

from typing import Any

import pytest
from bentotrace_otlp.endpoint import Endpoint, resolve_endpoint

from bentotrace.config.load import load_config
from bentotrace.plugin import Target
from bentotrace.transport import TLSConfig

option, exact, base = Endpoint, Endpoint.exact, Endpoint.base

# What is given; the URL over HTTP; the target over gRPC, and whether with TLS.
RULES = [
    (None, "http://localhost:4318/v1/traces", "localhost:4317", False),
    (option("http://h:1"), "http://h:1/v1/traces", "h:1", False),
    (option("http://h:1/"), "http://h:1/v1/traces", "h:1", False),
    (option("https://h"), "https://h/v1/traces", "h:443", True),
    (option("http://h"), "http://h/v1/traces", "h:4317", False),
    (option("http://h:1/custom"), "http://h:1/custom", "h:1", False),
    (option("http://h:1/v1/traces"), "http://h:1/v1/traces", "h:1", False),
    (option("http://h:1/x?key=v"), "http://h:1/x?key=v", "h:1", False),
    (option("http://[::1]:1"), "http://[::1]:1/v1/traces", "[::1]:1", False),
    (exact("http://h:1"), "http://h:1/", "h:1", False),
    (exact("http://h:1/custom"), "http://h:1/custom", "h:1", False),
    (base("http://h:1"), "http://h:1/v1/traces", "h:1", False),
    (base("http://h:1/"), "http://h:1/v1/traces", "h:1", False),
    (base("https://h/otlp"), "https://h/otlp/v1/traces", "h:443", True),
    (base("https://h/otlp/"), "https://h/otlp/v1/traces", "h:443", True),
    (base("http://h:1/v1/traces"), "http://h:1/v1/traces", "h:1", False),
]


@pytest.mark.parametrize(("endpoint", "url", "target", "tls"), RULES, ids=str)
def test_the_endpoint_follows_the_rules(
    endpoint: Endpoint | None, url: str, target: str, tls: bool
) -> None:
    over_http = resolve_endpoint(endpoint, "http", insecure=False)
    over_grpc = resolve_endpoint(endpoint, "grpc", insecure=not tls)

    assert (over_http.address, over_http.tls) == (url, tls)
    assert (over_grpc.address, over_grpc.tls) == (target, tls)


@pytest.mark.parametrize("insecure", [True, False])
@pytest.mark.parametrize(
    ("text", "target"),
    [("h:1", "h:1"), ("h", "h:4317"), ("[::1]:1", "[::1]:1"), ("unix:/s", "unix:/s")],
)
def test_without_a_scheme_insecure_decides_for_grpc(text: str, target: str, insecure: bool) -> None:
    resolved = resolve_endpoint(option(text), "grpc", insecure)

    assert (resolved.address, resolved.tls) == (target, not insecure)


@pytest.mark.parametrize(
    ("text", "protocol", "message"),
    [
        ("h:4318", "http", "has no scheme; write http:// or https:// before the host"),
        ("ftp://h", "http", "has the scheme ftp; only http and https are spoken"),
        ("ftp://h", "grpc", "has the scheme ftp; only http and https are spoken"),
        ("http://", "http", "names no host; write it as http://localhost:4318"),
        (
            "http://h:port",
            "grpc",
            "is no URL, or has no valid port; write it as http://localhost:4318",
        ),
        ("http://h o", "http", "holds a space"),
        ("h:1/path", "grpc", "is no host:port; write it as localhost:4317"),
    ],
)
def test_what_is_no_endpoint_is_explained(text: str, protocol: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resolve_endpoint(option(text), protocol, insecure=False)


@pytest.mark.parametrize(
    ("endpoint", "protocol", "insecure", "warning"),
    [
        (option("http://h:4317"), "http", False, "write protocol: grpc, or port 4318"),
        (option("h:4318"), "grpc", True, "write protocol: http, or port 4317"),
        (option("https://h:1"), "grpc", True, "the endpoint's https:// decides for TLS"),
        (base("http://h:1/v1/traces"), "http", False, "ends in /v1/traces already"),
    ],
)
def test_a_likely_mistake_is_a_warning_with_the_fix(
    endpoint: Endpoint, protocol: Any, insecure: bool, warning: str
) -> None:
    (found,) = resolve_endpoint(endpoint, protocol, insecure).warnings

    assert warning in found


def test_credentials_are_not_shown() -> None:
    endpoint = option("http://user:s3cret@h:1")
    resolved = resolve_endpoint(endpoint, "http", insecure=False)

    assert "s3cret" not in repr(endpoint) + str(endpoint) + repr(resolved)
    assert "s3cret" in resolved.address


def target(**otlp: Any) -> Target:
    config = load_config({"exporter_type": "otlp", "otlp": otlp}, environ={})
    found = config.exporters[0].target
    assert found is not None
    return found


def test_a_target_tells_its_files_and_the_names_of_its_headers() -> None:
    sections = {
        "http": {"headers": {"x-http": "s3cr3t"}},
        "grpc": {"headers": {"x-grpc": "s3cr3t"}},
    }
    https = target(protocol="http", endpoint="https://u:s3cr3t@h", **sections)
    grpc = target(protocol="grpc", endpoint="https://h", **sections)

    assert (https.tls, https.headers) == (TLSConfig(), ("x-http", "Authorization"))
    assert (grpc.tls, grpc.headers) == (TLSConfig(), ("x-grpc",))
    assert (target().tls, target().headers) == (None, ())
    assert "s3cr3t" not in f"{https}{grpc}"
