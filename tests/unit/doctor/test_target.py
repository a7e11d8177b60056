from __future__ import annotations

import pytest

from bentotrace.doctor.target import NetworkTarget, network_target
from bentotrace.plugin import Target
from bentotrace.transport import TLSConfig

FILES = TLSConfig(ca_file="ca.pem")


@pytest.mark.parametrize(
    ("target", "found"),
    [
        (Target("http", "http://h:4318/v1/traces"), NetworkTarget("http", "h", 4318, "/v1/traces")),
        (Target("", "http://h/api?x=1"), NetworkTarget("http", "h", 80, "/api?x=1")),
        (Target("", "https://[::1]/"), NetworkTarget("http", "::1", 443, "/", TLSConfig())),
        (Target("", "https://h/", tls=FILES), NetworkTarget("http", "h", 443, "/", FILES)),
        (Target("thrift over HTTP", "http://h:1/p"), NetworkTarget("http", "h", 1, "/p")),
        (Target("grpc", "h:4317"), NetworkTarget("grpc", "h", 4317)),
        (Target("grpc", "[::1]:4317", tls=FILES), NetworkTarget("grpc", "::1", 4317, tls=FILES)),
        (Target("grpc", "[fe80::1%25eth0]:1"), NetworkTarget("grpc", "fe80::1%eth0", 1)),
        (Target("grpc", "https://h:4317"), NetworkTarget("grpc", "h", 4317, tls=TLSConfig())),
        (Target("thrift over UDP", "h:6831"), NetworkTarget("udp", "h", 6831)),
        (Target("grpc", "dns:///h:4317"), None),
        (Target("grpc", "unix:/run/otlp"), None),
        (Target("grpc", "h"), None),
        (Target("ink", "h:1"), None),
        (Target("", "stdout"), None),
        (Target("http", "http://h:99999/"), None),
        (None, None),
    ],
)
def test_a_target_is_read(target: Target | None, found: NetworkTarget | None) -> None:
    assert network_target(target) == found


def test_connections_go_to_the_proxy_that_http_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy:3128")

    found = network_target(Target("http", "https://collector:4318/"))

    assert found is not None
    assert found.address == ("proxy", 3128)
    assert found.peer == "proxy:3128"
    direct = network_target(Target("http", "http://collector:4318/"))
    assert direct is not None
    assert direct.proxy is None


@pytest.mark.parametrize("variable", ["grpc_proxy", "http_proxy", "HTTP_PROXY"])
def test_grpc_has_variables_of_its_own(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://for-tls:3128")
    monkeypatch.setenv(variable, "http://proxy:3128")

    found = network_target(Target("grpc", "collector:4317"))

    assert found is not None
    assert found.address == ("proxy", 3128)
    monkeypatch.setenv("no_grpc_proxy", "collector")
    exempt = network_target(Target("grpc", "collector:4317"))
    assert exempt is not None
    assert exempt.proxy is None
