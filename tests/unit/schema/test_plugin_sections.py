"""Sections of a plugin's options, in lists, mappings and left out; aliases, defaults, inheritance."""

from __future__ import annotations

from typing import Any

import pytest

from .plugin_options import attempt

pytestmark = pytest.mark.few_pythons

SERVERS = {
    "list[Server]": lambda *servers: list(servers),
    "tuple[Server, ...]": lambda *servers: list(servers),
    "dict[str, Server]": lambda *servers: dict(zip("ab", servers, strict=False)),
}


@pytest.mark.parametrize("hint", SERVERS)
def test_sections_in_a_list_or_a_mapping(hint: str, distributions: Any) -> None:
    make = SERVERS[hint]
    good = make({"host": "h", "marker": "s3cr3t"}, {"host": "g", "wait": "500ms", "port": None})
    bad = make({"hst": "h", "port": 0, "wait": "5"}, "h")
    together = make({"host": "plain", "marker": "s3cr3t"})

    tried = attempt(
        distributions,
        f'x: {hint} = option(help="Where to.")',
        [{"x": good}, {"x": bad}, {"x": together}],
        [],
    )

    first, second, third = tried.found
    assert first["options"].count("Server(") == 2
    assert "Server(host='g', port=80, wait=0.5)" in first["options"]
    shown, source = first["explained"]["acme.x"]
    assert source == "f.yaml:1:53"
    assert shown == make(
        {"host": "h", "port": 80, "marker": "***", "wait": 1.0},
        {"host": "g", "port": 80, "marker": "", "wait": 0.5},
    )
    at, and_at = ("x.a", "x.b") if hint.startswith("dict") else ("x[0]", "x[1]")
    assert sorted(second["problems"]) == sorted(
        [
            f"tracing.acme.{at}.hst: unknown option; did you mean host?",
            f"tracing.acme.{at}.host: is required but missing",
            f"tracing.acme.{at}.port: must be between 1 and 65535",
            f"tracing.acme.{at}.wait: expected seconds, or text such as 500ms, 10s or 2m; "
            "remove the quotes, or write 5s",
            f"tracing.acme.{and_at}: expected a mapping of options, found text",
        ]
    )
    assert third["problems"] == [f"tracing.acme.{at}: plain takes no marker, ***"]
    assert tried.takes({"x": good})
    assert tried.takes({"x": make({"host": {"env": "HOST"}, "port": "${PORT}"})})
    for wrong in ({"hst": "h"}, {"host": "h", "port": 0}, {"port": 1}):
        assert not tried.takes({"x": make(wrong)})


def test_a_class_in_a_list_that_raises_breaks_the_plugin(distributions: Any) -> None:
    options = 'x: list[Broken] = option(factory=list, help="It.")'

    (found,) = attempt(distributions, options, [{"x": [{}]}], []).found

    (problem,) = found["problems"]
    assert problem.startswith(
        "exporter 'acme' cannot read its options: KeyError in __attrs_post_init__(), "
    )


def test_a_section_that_may_be_left_out(distributions: Any) -> None:
    options = 'tls: Optional[TLS] = option(default=None, help="Encryption.")'

    tried = attempt(
        distributions,
        options,
        [
            {},
            {"tls": {"ca": "file"}},
            {"tls": {}},
            {"tls": None},
            {"tls": {"caa": 1}},
            {"tls_depth": 7, "tls": {"ca": "file"}},
        ],
        [{"ACME_CA": "variable"}, {"ACME_DEPTH": "x"}, {"ACME_DEPTH": "5"}],
    )

    absent, given, empty, null, wrong, old, variable, malformed, incomplete = tried.found
    for found in (absent, null):
        assert found["options"] == "Options(inherited=1, tls=None)"
        assert found["explained"]["acme.tls"] == [None, "default"]
        assert "acme.tls.ca" not in found["explained"]
    assert given["options"] == "Options(inherited=1, tls=TLS(ca='file', depth=3))"
    assert given["explained"]["acme.tls.ca"] == ["file", "f.yaml:1:62"]
    assert given["explained"]["acme.tls.depth"] == [3, "default"]
    assert "acme.tls" not in given["explained"]
    assert empty["problems"] == ["tracing.acme.tls.ca: is required but missing"]
    assert sorted(wrong["problems"]) == [
        "tracing.acme.tls.ca: is required but missing",
        "tracing.acme.tls.caa: unknown option; did you mean ca?",
    ]
    assert old["options"] == "Options(inherited=1, tls=TLS(ca='file', depth=7))"
    assert old["notes"] == [
        "f.yaml:1:61: tracing.acme.tls_depth is deprecated; use tracing.acme.tls.depth"
    ]
    assert variable["explained"]["acme.tls.ca"] == ["variable", "ACME_CA"]
    assert malformed["explained"]["acme.tls"] == [None, "default"]
    assert malformed["notes"] == ["ACME_DEPTH is ignored: expected a whole number"]
    assert incomplete["problems"] == ["tracing.acme.tls.ca: is required but missing"]
    assert tried.takes({"tls": {"ca": "file"}})
    assert tried.takes({"tls": None})
    assert not tried.takes({"tls": {"caa": "file"}})


def test_aliases_and_private_attributes_go_by_the_name_of_the_argument(distributions: Any) -> None:
    options = (
        '_hidden: int = option(default=1, env=["ACME_HIDDEN"], help="Private.")\n'
        'where: str = field(default="a", alias="place")'
    )

    tried = attempt(
        distributions,
        options,
        [{"hidden": 2, "place": "b"}, {"_hidden": 2, "where": "b"}],
        [{"ACME_HIDDEN": "3"}],
    )

    given, wrong, variable = tried.found
    assert given["options"] == "Options(inherited=1, _hidden=2, where='b')"
    assert given["explained"]["acme.place"] == ["b", "f.yaml:1:70"]
    assert wrong["problems"] == [
        "tracing.acme._hidden: unknown option; did you mean hidden?",
        "tracing.acme.where: unknown option; valid are inherited, hidden, place",
    ]
    assert variable["explained"]["acme.hidden"] == [3, "ACME_HIDDEN"]
    assert tried.takes({"hidden": 2, "place": "b"})
    assert not tried.takes({"_hidden": 2})
    assert not tried.takes({"where": "b"})


def test_an_attribute_without_init_is_no_option(distributions: Any) -> None:
    options = 'url: str = field(default="made", init=False)'

    tried = attempt(distributions, options, [{}, {"url": "given"}], [])

    made, wrong = tried.found
    assert made["options"] == "Options(inherited=1, url='made')"
    assert "acme.url" not in made["explained"]
    assert wrong["problems"] == [
        "tracing.acme.url: unknown option; the only option here is inherited"
    ]
    assert not tried.takes({"url": "given"})


def test_a_default_that_is_made_of_other_options(distributions: Any) -> None:
    options = (
        'x: int = option(default=2, env=["ACME_X"], help="It.")\n'
        "double: int = field(kw_only=True)\n"
        "@double.default\n"
        "def _make(self):\n"
        "    return self.x * 2"
    )

    tried = attempt(distributions, options, [{}, {"double": 1}], [{"ACME_X": "5"}])

    default, given, variable = tried.found
    assert default["explained"]["acme.double"] == [4, "default"]
    assert given["explained"]["acme.double"] == [1, "f.yaml:1:58"]
    assert variable["explained"]["acme.double"] == [10, "default"]
    assert "double=10" in variable["options"]
    assert "default" not in tried.schema["properties"]["double"]
    assert tried.takes({"double": 1})


def test_an_inherited_option_works(distributions: Any) -> None:
    tried = attempt(distributions, "x: int = 0", [{"inherited": 2}], [{"ACME_INHERITED": "3"}])

    file, variable = tried.found
    assert file["explained"]["acme.inherited"] == [2, "f.yaml:1:61"]
    assert variable["explained"]["acme.inherited"] == [3, "ACME_INHERITED"]
    assert tried.schema["properties"]["inherited"]["default"] == 1
    assert tried.takes({"inherited": 2})
    assert not tried.takes({"inherited": "two"})
