"""The rules for headers, one set per transport; no message has a header's value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import islice
from types import MappingProxyType
from typing import NamedTuple

from bentotrace.redaction import Redaction
from bentotrace.schema.kinds import strict_str
from bentotrace.values import frozen

__all__ = [
    "ANY",
    "GRPC",
    "HTTP",
    "HeaderProblem",
    "HeaderRules",
    "ResponseHeaders",
    "check_headers",
    "checked_headers",
]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_METADATA_KEY = re.compile(r"[0-9A-Za-z_.-]+")
_ONE_LINE = re.compile(r"[^\r\n\0]*")
_LATIN = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_PRINTABLE_ASCII = re.compile(r"[\x20-\x7e]*")
_MOST_HEADERS = 100
_LONGEST_VALUE = 1000
_COOKIES = ("set-cookie", "set-cookie2")
_NO_SECRETS = Redaction()


class HeaderRules(NamedTuple):
    """The headers that a transport can send.

    Attributes:
        name: pattern of a name.
        value: pattern of a value without the blanks around it.
        values: the problem of another value, for messages.
        reserved: the headers that the transport sets itself, each with the fix.
        is_grpc: whether gRPC's own names are reserved too.
    """

    name: re.Pattern[str]
    value: re.Pattern[str]
    values: str
    reserved: Mapping[str, str] = MappingProxyType({})
    is_grpc: bool = False

    def fix_of_reserved(self, name: str) -> str | None:
        """Return what to do instead of setting a reserved header, None for any other."""
        if self.is_grpc and name.startswith("grpc-"):
            return self.reserved.get(name, _OMIT)
        return self.reserved.get(name)


_OMIT = "leave it out"
_LINE_BREAK = "its value contains a line break; write it in one line, in quotes"
# A second value of a header that frames a request would let one request pass as two.
_FRAMING = {
    **dict.fromkeys(("connection", "content-length", "content-type", "expect"), _OMIT),
    **dict.fromkeys(("te", "trailer", "transfer-encoding", "upgrade"), _OMIT),
    "content-encoding": "use the option compression, or leave it out",
}

ANY = HeaderRules(_TOKEN, _ONE_LINE, _LINE_BREAK)
"""The rules common to all transports."""

HTTP = HeaderRules(
    _TOKEN,
    _LATIN,
    "its value contains a character that HTTP cannot send; use Latin-1, or percent-encode it",
    reserved={
        **_FRAMING,
        "accept-encoding": _OMIT,
        "proxy-authorization": "write the credentials into the URL in https_proxy or http_proxy",
    },
)
"""The rules of HTTP/1.1; ``Host``, ``User-Agent`` and ``Authorization`` may be set."""

GRPC = HeaderRules(
    _METADATA_KEY,
    _PRINTABLE_ASCII,
    "its value contains a character that gRPC cannot send; use printable ASCII",
    reserved={
        **_FRAMING,
        "grpc-encoding": "use the option compression, with gzip or none",
        "grpc-timeout": "use the option timeout",
        "host": "use the option endpoint",
        "keep-alive": _OMIT,
    },
    is_grpc=True,
)
"""The rules of gRPC; ``grpc-encoding: gzip`` may be set, and turns on compression."""


@frozen
class HeaderProblem:
    """A problem of one header.

    Attributes:
        index: of the header.
        name: the part of its name that is safe to show.
        reason: the problem and the fix.
    """

    index: int
    name: str
    reason: str

    def __str__(self) -> str:
        return f"header {self.name}: {self.reason}" if self.name else self.reason


def check_headers(
    headers: Iterable[tuple[object, object]], rules: HeaderRules
) -> tuple[dict[str, str], list[HeaderProblem]]:
    """Return the valid headers, with stripped values, and the problems of the others."""
    good: dict[str, str] = {}
    problems = []
    seen: set[str] = set()
    for index, (name, value) in enumerate(headers):
        if not isinstance(name, str):
            problems.append(HeaderProblem(index, "", "a header's name must be text, in quotes"))
            continue
        shown = name
        try:
            if rules.name.fullmatch(name) is None:
                shown = _safe_name(name)
                raise ValueError(_bad_name(name))
            text = _checked_value(name.lower(), value, rules)
            if name.lower() in seen:
                raise ValueError("is set twice (names ignore case); keep one")
            seen.add(name.lower())
            good[name] = text
        except ValueError as error:
            problems.append(HeaderProblem(index, shown, str(error)))
    return good, problems


def checked_headers(headers: Mapping[str, str], rules: HeaderRules) -> dict[str, str]:
    """Return headers as a transport sends them; raise ValueError if some are not valid."""
    good, problems = check_headers(headers.items(), rules)
    if problems:
        raise ValueError("; ".join(map(str, problems)))
    return {name.lower(): value for name, value in good.items()} if rules.is_grpc else good


def _checked_value(name: str, value: object, rules: HeaderRules) -> str:
    instead = rules.fix_of_reserved(name)
    encodes = name == "grpc-encoding" and instead is not None
    if instead is not None and not (encodes and value == "gzip"):
        raise ValueError(f"is set by the transport; {instead}")
    if rules.is_grpc and name.endswith("-bin"):
        raise ValueError("binary metadata (-bin) is not supported")
    if value is None:
        raise ValueError("has no value; write one, or leave the header out")
    text = strict_str(value).strip(" \t")
    if rules.value.fullmatch(text) is None:
        raise ValueError(rules.values if _ONE_LINE.fullmatch(text) else _LINE_BREAK)
    return text


def _safe_name(name: str) -> str:
    """Return the valid start of a name: the part after a colon may be a secret."""
    good = _TOKEN.match(name)
    return good[0] if good is not None else ""


def _bad_name(name: str) -> str:
    good = _safe_name(name)
    if good and name[len(good) :].startswith(":"):
        return "its colon is part of the name; write the name, a colon, a space, the value"
    change = f"; change what follows {good!r}" if good and good != name else ""
    return f"a header's name has only letters, digits, '-', '_' and '.'{change}"


class ResponseHeaders(Mapping[str, str]):
    """The headers of a response, by name in any case; read once they are needed.

    A value is cut after 1000 characters, and the secrets of the configuration are masked in it.
    Binary metadata, cookies, and headers after the first hundred are left out.
    """

    def __init__(
        self, headers: Iterable[tuple[str, str | bytes]] = (), redaction: Redaction = _NO_SECRETS
    ) -> None:
        """Keep headers in their order; the first of each name has precedence."""
        self._headers = headers
        self._redaction = redaction

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)})"

    def __getitem__(self, name: str) -> str:
        return self._redaction.line(self._texts[name.lower()], _LONGEST_VALUE)

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    @cached_property
    def _texts(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for name, value in islice(self._headers, _MOST_HEADERS):
            name = self._redaction.redact(name.lower()[:_LONGEST_VALUE])
            if isinstance(value, str) and name not in _COOKIES:
                found.setdefault(name, value)
        return found
