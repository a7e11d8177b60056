from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from bentotrace_otlp.config import Endpoint, resolve_endpoint

from bentotrace.config.load import load_config
from bentotrace.plugin import Target
from bentotrace.transport import TLSConfig

option = Endpoint
exact, base = partial(Endpoint, rule="exact"), partial(Endpoint, rule="base")

# What is configured; the URL over HTTP; the target over gRPC, None for an error; and whether with TLS.
RULES = [
    (None, "http://localhost:4318/v1/traces", "localhost:4317", False),
    (option("http://h:1"), "http://h:1/v1/traces", "h:1", False),
    (option("http://h:1/"), "http://h:1/v1/traces", "h:1", False),
    (option("https://h"), "https://h/v1/traces", "h:443", True),
    (option("http://h"), "http://h/v1/traces", "h:4317", False),
    (option("http://h:1/custom"), "http://h:1/custom", None, False),
    (option("http://h:1/v1/traces"), "http://h:1/v1/traces", None, False),
    (option("http://h:1/x?key=v"), "http://h:1/x?key=v", None, False),
    (option("http://[::1]:1"), "http://[::1]:1/v1/traces", "[::1]:1", False),
    (exact("http://h:1"), "http://h:1/", "h:1", False),
    (exact("http://h:1/custom"), "http://h:1/custom", None, False),
    (base("http://h:1"), "http://h:1/v1/traces", "h:1", False),
    (base("http://h:1/"), "http://h:1/v1/traces", "h:1", False),
    (base("https://h/otlp"), "https://h/otlp/v1/traces", None, True),
    (base("https://h/otlp/"), "https://h/otlp/v1/traces", None, True),
    (base("http://h:1/v1/traces"), "http://h:1/v1/traces", None, False),
    (option("unix:///run/s"), "http+unix://%2Frun%2Fs/v1/traces", "unix:/run/s", False),
    (option("unix:s"), "http+unix://s/v1/traces", "unix:s", False),
    (exact("unix:/run/s"), "http+unix://%2Frun%2Fs/v1/traces", "unix:/run/s", False),
    (base("unix:/run/s"), "http+unix://%2Frun%2Fs/v1/traces", "unix:/run/s", False),
    (option("unix-abstract:s"), "http+unix://%00s/v1/traces", "unix-abstract:s", False),
    (option("http+unix://%2Fs"), "http+unix://%2Fs/v1/traces", "unix:/s", False),
    (option("http+unix://%2Fs/x"), "http+unix://%2Fs/x", None, False),
]


@pytest.mark.parametrize(("endpoint", "url", "target", "tls"), RULES, ids=str)
def test_the_endpoint_follows_the_rules(
    endpoint: Endpoint | None, url: str, target: str | None, tls: bool
) -> None:
    over_http = resolve_endpoint(endpoint, "http", insecure=False)

    assert (over_http.address, over_http.tls) == (url, tls)
    if target is None:
        with pytest.raises(ValueError, match=r"has a path.*write protocol: http, or "):
            resolve_endpoint(endpoint, "grpc", insecure=not tls)
        return
    over_grpc = resolve_endpoint(endpoint, "grpc", insecure=not tls)
    assert (over_grpc.address, over_grpc.tls) == (target, tls)


@pytest.mark.parametrize("insecure", [True, False])
@pytest.mark.parametrize(
    ("text", "target"),
    [("h:1", "h:1"), ("h", "h:4317"), ("[::1]:1", "[::1]:1"), ("ipv4:h:1", "ipv4:h:1")],
)
def test_without_a_scheme_insecure_decides_for_grpc(text: str, target: str, insecure: bool) -> None:
    resolved = resolve_endpoint(option(text), "grpc", insecure)

    assert (resolved.address, resolved.tls) == (target, not insecure)


@pytest.mark.parametrize(
    ("text", "protocol", "message"),
    [
        ("h:4318", "http", "has no scheme; write it as http://localhost:4318"),
        ("ftp://h", "http", "has the scheme ftp; only http, https and unix are supported"),
        ("ftp://h", "grpc", "has the scheme ftp; only http, https and unix are supported"),
        ("http://", "http", "has no host; write it as http://localhost:4318"),
        (
            "http://h:port",
            "grpc",
            "is not a URL, or its port is invalid; write it as localhost:4317",
        ),
        ("http://h o", "http", "contains a space"),
        ("h:1/path", "grpc", "gRPC does not use; write protocol: http, or h:1$"),
        ("https://h/v1/traces", "grpc", "write protocol: http, or https://h:4317$"),
        ("http://u:s3cret@h:4318/v1/traces", "grpc", "protocol: http, or http://h:4317$"),
        ("http://[::1]:14268/api/traces", "grpc", r"protocol: http, or http://\[::1\]:4317$"),
        ("http+unix://%2Fs/x", "grpc", "protocol: http, or unix:/s$"),
        ("http:/h:4317", "grpc", "has one slash after http:; write it as localhost:4317"),
        ("http//h:4317", "grpc", "has no colon after http; write it as localhost:4317"),
        ("https//h", "http", "has no colon after https; write it as http://localhost:4318"),
        ("4317", "grpc", "has no host; write it as localhost:4317"),
        ("http://h:1?key=v", "grpc", "has a path, which gRPC does not use"),
        ("unix://host/path", "http", "write it as unix:///path/of/socket"),
        ("unix://host/path", "grpc", "write it as unix:///path/of/socket"),
        ("unix:", "http", "has no host"),
        ("unix:", "grpc", "has no host"),
        ("unix:/" + "x" * 120, "http", "shorten it"),
        ("unix:/" + "x" * 120, "grpc", "shorten it"),
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
        (exact("http://h:1"), "http", False, "ENDPOINT has no path and is used as it is; add /v1"),
        (option("http://h:16686"), "http", False, "serve Jaeger's page"),
        (option("http://h:14268/api/traces"), "http", False, "write exporter_type: jaeger"),
        (option("h:9411"), "grpc", True, "write exporter_type: zipkin, or port 4317"),
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
