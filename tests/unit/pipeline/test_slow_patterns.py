from __future__ import annotations

import time

import pytest

from bentotrace.pipeline.slow_patterns import is_slow
from bentotrace.pipeline.urls import LONGEST_URL, URLPatterns

pytestmark = pytest.mark.few_pythons


@pytest.mark.parametrize(
    "pattern",
    [
        "/health",
        "/healthz$",
        ".*health",
        r".*\.(png|jpg)$",
        "^/api/v[0-9]+/items",
        "https?://[^/]+/metrics",
        r"[a-z/]+\.json",
        "(?i)/static/.*",
        "/ab{2,5}c",
        "/a(?=b)",
        r"/(\w)\1",
        "/[^/]+/[^/]+/status",
        "(/[a-z]+)*/x",
        "",
    ],
)
def test_an_ordinary_pattern_is_fast(pattern: str) -> None:
    assert not is_slow(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        r"^/api/(\w+\s?)*$",
        "/(a|a)*b",
        "/(a|aa)+$",
        "(x+x+)+y",
        ".*.*.*x",
        ".*/.*health",
        r"([a-zA-Z]+)*\.",
        "/items/([0-9]+,?)*$",
        r"/v\d+/(?:[^/]+/?)*$",
        "(.*a){20}",
        "(?i)(FOO|foo)*x",
        "/(?=(a+)+$)",
        r"/(%[0-9A-F]{2}|[^/])*$",
    ],
)
def test_a_pattern_that_a_client_can_make_slow_is_found_soon(pattern: str) -> None:
    started = time.thread_time()
    assert is_slow(pattern)
    assert time.thread_time() - started < 10


def test_patterns_are_searched_in_the_beginning_of_a_long_url() -> None:
    patterns = URLPatterns(["/.*x", "never", ".*y"])
    assert patterns.find({"url.path": "/" + "a" * 100 + "x"}) == 0
    assert patterns.find({"url.path": "/" + "a" * LONGEST_URL + "x"}) is None
    assert patterns.find({"url.full": "http://h/" + "a" * 100 + "y"}) == 2
    assert patterns.find({"url.full": "http://h/" + "a" * LONGEST_URL + "y"}) is None
