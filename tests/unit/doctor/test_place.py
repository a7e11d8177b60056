from __future__ import annotations

import pytest

from bentotrace.doctor.place import Place, place_of
from bentotrace.plugin import Target
from bentotrace.transport import TLSConfig

FILES = TLSConfig(ca_file="ca.pem")


@pytest.mark.parametrize(
    ("target", "place"),
    [
        (Target("http", "http://h:4318/v1/traces"), Place("http", "h", 4318, "/v1/traces")),
        (Target("", "http://h/api?x=1"), Place("http", "h", 80, "/api?x=1")),
        (Target("", "https://[::1]/"), Place("http", "::1", 443, "/", TLSConfig())),
        (Target("", "https://h/", tls=FILES), Place("http", "h", 443, "/", FILES)),
        (Target("thrift over HTTP", "http://h:1/p"), Place("http", "h", 1, "/p")),
        (Target("grpc", "h:4317"), Place("grpc", "h", 4317)),
        (Target("grpc", "[::1]:4317", tls=FILES), Place("grpc", "::1", 4317, tls=FILES)),
        (Target("grpc", "https://h:4317"), Place("grpc", "h", 4317, tls=TLSConfig())),
        (Target("thrift over UDP", "h:6831"), Place("udp", "h", 6831)),
        (Target("grpc", "dns:///h:4317"), None),
        (Target("grpc", "unix:/run/otlp"), None),
        (Target("grpc", "h"), None),
        (Target("ink", "h:1"), None),
        (Target("", "stdout"), None),
        (Target("http", "http://h:99999/"), None),
        (None, None),
    ],
)
def test_a_target_is_read(target: Target | None, place: Place | None) -> None:
    assert place_of(target) == place


def test_connections_go_to_the_proxy_that_http_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy:3128")

    place = place_of(Target("http", "https://collector:4318/"))

    assert place is not None
    assert place.address == ("proxy", 3128)
    assert place.peer == "proxy:3128"
    direct = place_of(Target("http", "http://collector:4318/"))
    assert direct is not None
    assert direct.proxy is None


@pytest.mark.parametrize("variable", ["grpc_proxy", "https_proxy", "http_proxy"])
def test_grpc_has_variables_of_its_own(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "http://proxy:3128")

    place = place_of(Target("grpc", "collector:4317"))

    assert place is not None
    assert place.address == ("proxy", 3128)
    monkeypatch.setenv("no_grpc_proxy", "collector")
    exempt = place_of(Target("grpc", "collector:4317"))
    assert exempt is not None
    assert exempt.proxy is None
