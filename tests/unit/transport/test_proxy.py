from __future__ import annotations

import base64

import pytest

from bentotrace.transport._proxy import Proxy, bypasses_proxy, find_proxy


def find(scheme: str = "http", host: str = "collector", **environment: str) -> Proxy | None:
    return find_proxy(scheme, host, 4318, environment)


def test_without_variables_there_is_no_proxy() -> None:
    assert find() is None
    assert find(http_proxy="  ") is None


def test_the_variable_goes_by_the_scheme_of_the_url() -> None:
    both = {"http_proxy": "http://plain:1", "https_proxy": "http://secure:2"}
    assert str(find("http", **both)) == "http://plain:1"
    assert str(find("https", **both)) == "http://secure:2"
    assert find("https", http_proxy="http://plain:1") is None


def test_lower_case_wins_over_upper_case() -> None:
    assert str(find(http_proxy="http://low:1", HTTP_PROXY="http://up:1")) == "http://low:1"
    assert str(find(HTTP_PROXY="http://up:1")) == "http://up:1"


def test_a_cgi_request_cannot_set_the_proxy() -> None:
    assert find(HTTP_PROXY="http://evil:1", REQUEST_METHOD="GET") is None
    assert find(http_proxy="http://ours:1", REQUEST_METHOD="GET") is not None
    assert find("https", HTTPS_PROXY="http://ours:1", REQUEST_METHOD="GET") is not None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        ("proxy:3128", "http://proxy:3128"),
        ("http://proxy", "http://proxy:80"),
        ("https://proxy/", "https://proxy:443"),
        ("http://[::1]:3128", "http://[::1]:3128"),
        ("http://[fe80::1%25eth0]:3128", "http://[fe80::1%eth0]:3128"),
    ],
)
def test_the_url_may_be_short(value: str, shown: str) -> None:
    assert str(find(http_proxy=value)) == shown


def test_credentials_become_basic_authorization_and_are_not_shown() -> None:
    proxy = find(http_proxy="http://user:p%40ss@proxy:3128")
    assert proxy is not None
    assert proxy.authorization == "Basic " + base64.b64encode(b"user:p@ss").decode()
    assert proxy.authorization not in repr(proxy)
    assert str(proxy) == "http://proxy:3128"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("socks5://user:secret@proxy:1080", "names a socks5 proxy (socks5://proxy:1080)"),
        ("http://user:secret@proxy:port", "is not a URL: http://proxy:port"),
        ("http://user:secret@", "is not a URL"),
    ],
)
def test_a_useless_value_is_an_error_without_credentials(value: str, problem: str) -> None:
    with pytest.raises(ValueError, match="the variable http_proxy") as caught:
        find(http_proxy=value)
    assert problem in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "exempt", "bypassed"),
    [
        ("collector", "collector", True),
        ("collector", "COLLECTOR", True),
        ("collector.", "collector", True),
        ("a.example.com", "example.com", True),
        ("a.example.com", ".example.com", True),
        ("a.example.com", "*.example.com", True),
        ("example.com", ".example.com", True),
        ("badexample.com", "example.com", False),
        ("collector", "other, collector", True),
        ("collector", "other collector", True),
        ("collector", "*", True),
        ("collector", "", False),
        ("collector", ",,", False),
        ("collector", "collector:4318", True),
        ("collector", "collector:9411", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.0/8", True),
        ("10.0.0.1", "127.0.0.0/8", False),
        ("127.0.0.1", "localhost", False),
        ("::1", "::1", True),
        ("::1", "[::1]:4318", True),
        ("::1", "[::1]:1", False),
        ("fd00::1", "fd00::/8", True),
    ],
)
def test_no_proxy_exempts_hosts(host: str, exempt: str, bypassed: bool) -> None:
    assert bypasses_proxy(host, 4318, exempt) is bypassed
    found = find(host=host, http_proxy="http://proxy:1", no_proxy=exempt)
    assert (found is None) is bypassed
