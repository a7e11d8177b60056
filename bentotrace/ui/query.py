"""The query language of the search field, and the conditions of a search.

``service:iris operation:"GET /x" kind:server status:error duration>100ms http.route=/x words``:
every condition holds for one and the same span of a trace. A word matches the beginning of a word
in the span's name, events and text attributes. ``trace.duration`` is the duration of the whole
trace.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bentotrace.ui.model import ERROR, KINDS, OK, UNSET

__all__ = ["Comparison", "QueryError", "Search", "parse_duration", "parse_query"]

_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9}
_UNITS["h"] = 60 * _UNITS["m"]
_STATUSES = {"unset": UNSET, "ok": OK, "error": ERROR}
_PART = r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(ns|us|µs|μs|ms|s|m|h)"
_DURATION = re.compile(r"(?:[0-9]{1,15}(?:\.[0-9]{1,9})?(?:ns|us|µs|μs|ms|s|m|h)){1,8}", re.ASCII)
_CONDITION = re.compile(
    r"""(?P<key>[^\s"=<>!:]+(?::[^\s"=<>!:]+)*?)"""
    r"""(?P<operator>!=|>=|<=|=|>|<|:)"""
    r"""(?P<value>"(?:[^"\\]|\\.)*"|[^\s"]\S*)|(?P<text>"(?:[^"\\]|\\.)*"|\S+)"""
)
_DURATIONS = {"duration": "", "trace.duration": "trace_"}
_MAX_QUERY = 4000


class QueryError(ValueError):
    """A query cannot be read; the message says which part, and what is expected."""


class Comparison(NamedTuple):
    """An attribute, how it is compared (``=``, ``!=``, ``<``, ``<=``, ``>``, ``>=``), a value.

    The operator "exists" asks for any value, or an event of that name.
    """

    key: str
    operator: str
    value: str


class Search(NamedTuple):
    """The conditions of a search; None and empty values are no condition.

    Durations and times are nanoseconds, both ends included; ``trace_shortest`` and
    ``trace_longest`` are of the whole trace. A span has one of several statuses.
    ``follows`` is the start and the id of a trace; those that a list has after it are looked for.
    With ``any_case`` the service and the operation may be written in capitals or not.
    """

    service: str | None = None
    operation: str | None = None
    kind: int | None = None
    statuses: Sequence[int] = ()
    attributes: Sequence[Comparison] = ()
    words: Sequence[str] = ()
    shortest: int = 0
    longest: int | None = None
    trace_shortest: int = 0
    trace_longest: int | None = None
    after: int | None = None
    before: int | None = None
    trace_id: str | None = None
    follows: tuple[int, str] | None = None
    limit: int = 20
    any_case: bool = False

    def has_span_condition(self) -> bool:
        """Return whether there is a condition besides the time."""
        conditions = (self.service, self.operation, self.kind, self.longest)
        return (
            any(condition is not None for condition in conditions)
            or bool(self.attributes or self.words or self.statuses)
            or self.shortest > 0
        )


def parse_duration(text: str) -> int:
    """Return the nanoseconds of "1.5ms", "2s", "1h30m".

    Raises:
        QueryError: it is not a duration.
    """
    text = text.strip()
    if text == "0":
        return 0
    if _DURATION.fullmatch(text) is None:
        raise QueryError(f"{text[:40]!r} is not a duration; write it as 250us, 1.5ms, 2s or 1m")
    return sum(int(float(number) * _UNITS[unit]) for number, unit in re.findall(_PART, text))


def parse_query(query: str) -> Search:
    """Read a query.

    Raises:
        QueryError: a value is not one of the key's.
    """
    if len(query) > _MAX_QUERY:
        raise QueryError(f"the query is longer than {_MAX_QUERY} characters")
    fields: dict[str, Any] = {}
    attributes, words = [], []
    for matched in _CONDITION.finditer(query):
        if matched["key"] is None:
            words.append(_unquote(matched["text"]))
            continue
        key, operator, value = matched["key"], matched["operator"], _unquote(matched["value"])
        if key in _DURATIONS and operator != "!=":
            _add_duration(fields, _DURATIONS[key], operator, value)
        elif key in _READERS and operator in (":", "="):
            fields.update(_READERS[key](value))
        elif operator == ":":
            words.append(_unquote(matched[0]))
        else:
            attributes.append(Comparison(key, operator, value))
    trace_ids = [word for word in words if re.fullmatch("[0-9a-fA-F]{32}", word)]
    if trace_ids:
        fields["trace_id"] = trace_ids[0].lower()
        words = [word for word in words if word not in trace_ids]
    return Search(attributes=attributes, words=words, **fields)


def _unquote(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def _add_duration(fields: dict[str, Any], of: str, operator: str, value: str) -> None:
    nanoseconds = parse_duration(value)
    if operator in (">", ">=", "=", ":"):
        fields[f"{of}shortest"] = nanoseconds + (operator == ">")
    if operator in ("<", "<=", "=", ":"):
        fields[f"{of}longest"] = max(nanoseconds - (operator == "<"), 0)


def _choice(name: str, choices: Mapping[str, int], value: str) -> int:
    if value.casefold() not in choices:
        raise QueryError(f"{name}:{value[:40]} is not one of {', '.join(choices)}")
    return choices[value.casefold()]


_KIND_NUMBERS = {name: number for number, name in enumerate(KINDS) if name}
_READERS: Mapping[str, Any] = {
    "service": lambda value: {"service": value},
    "operation": lambda value: {"operation": value},
    "kind": lambda value: {"kind": _choice("kind", _KIND_NUMBERS, value)},
    "status": lambda value: {"statuses": [_choice("status", _STATUSES, value)]},
    "trace": lambda value: {"trace_id": value.lower()},
}
