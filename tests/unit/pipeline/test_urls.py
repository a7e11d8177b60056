from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentotrace.pipeline.urls import URLPatterns


def matches(pattern: str, attributes: Mapping[str, Any]) -> bool:
    return URLPatterns([pattern]).find(attributes) is not None


STABLE = {"url.scheme": "http", "server.address": "shop.test", "server.port": 8080}
OLD = {"http.scheme": "http", "http.host": "shop.test:8080", "http.target": "/healthz?deep=1"}
OLD_PARTS = {"http.scheme": "http", "net.host.name": "shop.test", "net.host.port": 8080}
OLD_URL = {"http.url": "http://shop.test:8080/healthz?deep=1", "http.target": "/healthz"}


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({**STABLE, "url.path": "/healthz", "url.query": "deep=1"}, id="stable"),
        pytest.param(OLD, id="old"),
        pytest.param({**OLD_PARTS, "http.target": "/healthz?deep=1"}, id="old in parts"),
        pytest.param(OLD_URL, id="old with a URL"),
        pytest.param({"http.url": "http://shop.test:8080/healthz?deep=1"}, id="a URL alone"),
        pytest.param({"http.target": "http://shop.test:8080/healthz?deep=1"}, id="for a proxy"),
    ],
)
@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("healthz", True),
        ("health.$", False),
        ("deep=1$", True),
        ("shop\\.test:8080/", True),
        ("^http://shop", True),
        ("/healthz", True),
        ("/health", True),
        ("/healthz$", True),
        ("/healthz.deep", False),
        ("^/healthz", True),
        ("(?i)/HEALTHZ", True),
        ("(?i)HEALTHZ", True),
        ("HEALTHZ", False),
        ("/ealthz", False),
        ("/z", False),
        ("/shop", False),
        ("other", False),
    ],
)
def test_a_pattern_is_searched_in_the_url_and_a_path_matched_from_its_start(
    attributes: Mapping[str, Any], pattern: str, matched: bool
) -> None:
    assert matches(pattern, attributes) is matched


def test_a_path_pattern_does_not_match_further_down_the_path() -> None:
    assert not matches("/healthz", {"url.path": "/api/healthz"})
    assert matches("healthz", {"url.path": "/api/healthz"})


def test_a_usual_port_is_not_part_of_the_url() -> None:
    stable = {"url.scheme": "https", "server.address": "shop.test", "server.port": 443}
    assert matches("https://shop.test/x", {**stable, "url.path": "/x"})


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({"rpc.service": "shop.Cart", "rpc.method": "Add"}, id="old"),
        pytest.param({"rpc.method": "shop.Cart/Add", "server.address": "shop"}, id="stable"),
    ],
)
@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("/shop.Cart/Add$", True),
        ("/shop.Cart/", True),
        ("Cart/A", True),
        ("^/shop", True),
        ("/Cart", False),
        ("http", False),
    ],
)
def test_a_grpc_method_is_a_path_of_service_and_method(
    attributes: Mapping[str, Any], pattern: str, matched: bool
) -> None:
    assert matches(pattern, {"rpc.system": "grpc", **attributes}) is matched


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"url.path": None},
        {"http.url": "http://[half/healthz"},
        {"http.url": "not a url"},
        {"http.host": "[", "http.target": "//["},
        {"url.path": 5, "server.port": "x"},
        {"url.full": "http://host"},
        {"rpc.method": 5},
        {"rpc.service": "", "rpc.method": ""},
    ],
)
def test_no_request_that_a_client_can_send_raises(attributes: Mapping[str, Any]) -> None:
    assert URLPatterns(["nowhere", "/nowhere"]).find(attributes) is None


def test_an_empty_pattern_matches_every_request() -> None:
    assert matches("", {"url.path": "/predict"})


def test_the_first_that_matches_is_found() -> None:
    patterns = URLPatterns(["other", "healthz", "/health", "/ready", "/re"])

    assert patterns.find({"url.path": "/healthz"}) == 1
    assert patterns.find({"url.path": "/health"}) == 2
    assert patterns.find({"url.path": "/ready"}) == 3
    assert patterns.find({"url.path": "/remote"}) == 4
    assert patterns.find({"url.path": "/predict"}) is None


def test_each_pattern_has_its_own_flags_and_groups() -> None:
    patterns = URLPatterns(["metrics", "(?i)healthz", "(?x) re ady", "(a)(b)", r"(.)\1", "x|y"])

    def found(path: str) -> int | None:
        return patterns.find({"url.full": f"host:{path}"})

    assert [found(path) for path in ("metrics", "HealthZ", "ready")] == [0, 1, 2]
    assert [found(path) for path in ("ab", "cc", "x", "y")] == [3, 4, 5, 5]
    assert found("METRICS") is None


PARTS = ["/a", "/b", "a", "b$", "/a|b", "(?i)/A", "(a)/(b)", "(?:/b)?", "^/", "^c"]


@given(st.lists(st.sampled_from(PARTS)), st.text("abc/", max_size=4))
def test_several_patterns_find_what_each_of_them_finds(patterns: Sequence[str], path: str) -> None:
    request = {"url.path": f"/{path}"}
    alone = [index for index, one in enumerate(patterns) if matches(one, request)]

    assert URLPatterns(patterns).find(request) == (alone[0] if alone else None)
