"""Every annotation that a plugin's option may have: in a file, a variable, explain and JSON Schema."""

from __future__ import annotations

from typing import Any

import pytest

from ...distributions import Distributions
from .plugin_options import Tried, attempt

# By annotation: what a file has, what a variable has, the typed value's repr, and what explain shows.
GOOD: list[tuple[str, Any, str, str, Any]] = [
    ("bool", True, "true", "True", True),
    ("int", 5, "5", "5", 5),
    ("float", 0.5, "0.5", "0.5", 0.5),
    ("str", "5", "5", "'5'", "5"),
    ("Optional[int]", 5, "5", "5", 5),
    ("Port", 80, "80", "80", 80),
    ("Name", "a", "a", "'a'", "a"),
    ("Annotated[int, 'note']", 5, "5", "5", 5),
    ("Literal[1, 2]", 2, "2", "2", 2),
    ("Literal['a', True]", True, "true", "True", True),
    ("int | str", 5, "5", "5", 5),
    ("str | int", 5, "5", "5", 5),
    ("int | str", "a", "a", "'a'", "a"),
    ("Color", "blue", "blue", "<Color.BLUE: 'blue'>", "blue"),
    ("Color | None", "blue", "blue", "<Color.BLUE: 'blue'>", "blue"),
    ("Level", "high", "high", "<Level.HIGH: 2>", "high"),
    ("Word", "yes", "yes", "<Word.YES: 'yes'>", "yes"),
    ("list[int]", [1, 2], "1, 2", "[1, 2]", [1, 2]),
    ("list", ["a", "b"], "a, b", "['a', 'b']", ["a", "b"]),
    ("Sequence[Color]", ["red"], "red", "(<Color.RED: 'red'>,)", ["red"]),
    ("tuple[float, ...]", [1, 0.5], "1,0.5", "(1.0, 0.5)", [1.0, 0.5]),
    ("tuple[int, str]", [1, "a"], "1,a", "(1, 'a')", [1, "a"]),
    ("set[int]", [1], "1", "{1}", [1]),
    ("frozenset[str]", ["a"], "a", "frozenset({'a'})", ["a"]),
    ("dict[str, float]", {"a": 1}, "a=1", "{'a': 1.0}", {"a": 1.0}),
    ("dict[int, str]", {"1": "a"}, "1=a", "{1: 'a'}", {"1": "a"}),
    ("Mapping[str, list[int]]", {"a": [1]}, "a=1", "{'a': [1]}", {"a": [1]}),
    ("list[list[int]]", [[1], [2]], "1,2", "[[1], [2]]", [[1], [2]]),
    ("Path", "/srv/a", "/srv/a", "PosixPath('/srv/a')", "/srv/a"),
    (
        "datetime",
        "2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00Z",
        "datetime.datetime(2026, 1, 31, 12, 0, tzinfo=datetime.timezone.utc)",
        "2026-01-31T12:00:00+00:00",
    ),
    ("timedelta", 1.5, "1500ms", "datetime.timedelta(seconds=1, microseconds=500000)", "1.5s"),
    ("timedelta", "2m", "120", "datetime.timedelta(seconds=120)", "120s"),
]


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Tried:
    """One plugin with all of these annotations."""
    options = "\n".join(
        f'x{number}: {row[0]} = option(help="It.", env=["ACME_{number}"])'
        for number, row in enumerate(GOOD)
    )
    from_file = {f"x{number}": row[1] for number, row in enumerate(GOOD)}
    as_shown = {f"x{number}": row[4] for number, row in enumerate(GOOD)}
    environ = {f"ACME_{number}": row[2] for number, row in enumerate(GOOD)}
    distributions = Distributions(tmp_path_factory.mktemp("plugin"))
    return attempt(distributions, options, [from_file, as_shown], [environ])


@pytest.mark.parametrize("number", range(len(GOOD)), ids=lambda number: GOOD[number][0])
def test_an_annotation_works_in_a_file_a_variable_explain_and_json_schema(
    number: int, tried: Tried
) -> None:
    _, value, _, typed, shown = GOOD[number]

    for found, source in zip(
        tried.found, ["f.yaml:1:", "f.yaml:1:", f"ACME_{number}"], strict=True
    ):
        assert f" x{number}={typed}" in found["options"]
        value_shown, came_from = found["explained"][f"acme.x{number}"]
        assert value_shown == shown
        assert came_from.startswith(source)
    for good in (value, shown, {"env": "X"}, {"file": "/x"}, "${X}"):
        assert tried.takes({f"x{number}": good})


# By annotation: what a file has, and what is said of it.
BAD: list[tuple[str, Any, list[str]]] = [
    ("bool", "true", ["x: expected true or false, found text; remove the quotes"]),
    ("Port", "80", ["x: expected a whole number, found text; remove the quotes"]),
    ("Literal[1, 2]", "2", ["x: must be one of 1, 2; did you mean 2?"]),
    ("Literal[1, 2]", True, ["x: must be one of 1, 2"]),
    ("Level", 2, ["x: must be one of low, high"]),
    (
        "int | bool",
        "a",
        ["x: expected a whole number, found text; or expected true or false, found text"],
    ),
    ("list[int]", "abc", ["x: expected a list, found text"]),
    ("list[str]", {"a": 1}, ["x: expected a list, found a mapping"]),
    (
        "list[int]",
        [1, "a", True],
        [
            "x[1]: expected a whole number, found text",
            "x[2]: expected a whole number, found true or false",
        ],
    ),
    ("tuple[int, str]", [1], ["x: expected a list of 2 values, found 1"]),
    (
        "tuple[int, str]",
        ["a", 1],
        [
            "x[0]: expected a whole number, found text",
            "x[1]: expected text, found a number; put it in quotes",
        ],
    ),
    ("dict[str, int]", ["a"], ["x: expected a mapping, found a list"]),
    (
        "dict[str, list[int]]",
        {"a": [1], "b": ["c"]},
        ["x.b[0]: expected a whole number, found text"],
    ),
    ("dict[int, str]", {"a": "b"}, ["x.a: expected a whole number"]),
    ("datetime", "soon", ["x: expected a date and time, such as 2026-01-31T12:00:00Z"]),
    (
        "timedelta",
        "soon",
        ["x: expected seconds, or text such as 500ms, 10s or 2m; found 'soon'"],
    ),
    ("Path", 5, ["x: expected text, found a number; put it in quotes"]),
]


def test_what_is_wrong_is_reported_at_its_place(distributions: Any) -> None:
    names = [f"x{number}" for number in range(len(BAD))]
    options = "\n".join(
        f'{name}: {hint} = option(help="It.")'
        for name, (hint, _, _) in zip(names, BAD, strict=True)
    )
    section = {name: value for name, (_, value, _) in zip(names, BAD, strict=True)}

    tried = attempt(distributions, options, [section], [])

    expected = [
        f"tracing.acme.{name}{problem.removeprefix('x')}"
        for name, (_, _, problems) in zip(names, BAD, strict=True)
        for problem in problems
    ]
    assert tried.found == [{"problems": expected}]
    unsayable = ("datetime", "dict[int, str]")
    for name, (hint, value, _) in zip(names, BAD, strict=True):
        assert tried.takes({name: value}) is (hint in unsayable)


def test_a_malformed_variable_is_reported_and_has_no_effect(distributions: Any) -> None:
    options = 'x: list[int] = option(factory=lambda: [7], env=["ACME_X"], help="It.")'

    (found,) = attempt(distributions, options, [], [{"ACME_X": "1,a"}]).found

    assert found["explained"]["acme.x"] == [[7], "default"]
    assert found["notes"] == ["ACME_X is ignored: [1]: expected a whole number"]


DEFAULTS = {
    "Color": ("Color.RED", "red"),
    "Level": ("Level.HIGH", "high"),
    "Path": ("Path('/srv')", "/srv"),
    "timedelta": ("timedelta(seconds=5)", "5s"),
    "datetime": ("datetime(2026, 1, 31, tzinfo=timezone.utc)", "2026-01-31T00:00:00+00:00"),
    "tuple[int, str]": ("(1, 'a')", [1, "a"]),
    "list[Server]": ("[Server(host='h')]", [{"host": "h", "port": 80, "marker": "", "wait": 1.0}]),
}


@pytest.mark.few_pythons
@pytest.mark.parametrize("hint", DEFAULTS)
def test_a_default_is_shown_as_a_file_has_it(hint: str, distributions: Any) -> None:
    default, shown = DEFAULTS[hint]

    tried = attempt(distributions, f'x: {hint} = option(default={default}, help="It.")', [{}], [])

    assert tried.found[0]["explained"]["acme.x"] == [shown, "default"]
    assert tried.schema["properties"]["x"]["default"] == shown


REFUSED = {
    'x: IPv4Address = option(help="It.")': "option x: a value of the type IPv4Address cannot be "
    "read; set the option's kind",
    'x: list[bytes] = option(help="It.")': "option x: a value of the type bytes cannot be read; "
    "set the option's kind",
    'x: Literal[Color.RED] = option(help="It.")': "option x: a value of the type "
    "typing.Literal[<Color.RED: 'red'>] cannot be read; set the option's kind",
    'x: TLS = option(env=["ACME_X"], help="It.")': "option x: is a section; move env and secret to "
    "its options",
    'x: list[TLS] = option(help="It.")': "option x.ca: cannot have env, old_names, deprecated or upgrade in a list or a "
    "mapping",
    'x: list[Server] = option(env=["ACME_X"], help="It.")': "option x: ACME_X cannot hold a "
    "section without a parse=",
    'x: "list[Options]" = option(help="It.")': "option x: Options contains itself",
}


@pytest.mark.few_pythons
@pytest.mark.parametrize("options", REFUSED)
def test_what_cannot_work_is_refused_when_the_plugin_is_loaded(
    options: str, distributions: Any
) -> None:
    tried = attempt(distributions, options, [{}], [])

    message = (
        "exporter plugin acme = acme_tracing (acme 1.5) is broken: its config cannot be read: "
        + REFUSED[options]
    )
    assert tried.found == [{"problems": [message]}]
    assert tried.schema == message


def test_a_kind_reads_what_its_annotation_does_not_say(distributions: Any) -> None:
    options = (
        'x: IPv4Address = option(kind=Kind("an address", IPv4Address), env=["ACME_X"], help="It.")'
    )

    tried = attempt(distributions, options, [{"x": "192.0.2.1"}], [{"ACME_X": "192.0.2.1"}])

    for found in tried.found:
        assert found["explained"]["acme.x"][0] == "192.0.2.1"
