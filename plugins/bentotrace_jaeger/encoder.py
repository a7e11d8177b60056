"""What Jaeger's three encodings have in common: the parts that are the same from span to span."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Generic, NamedTuple, TypeVar

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanKind

from bentotrace.encoding import Known
from bentotrace_jaeger.tags import constant_tags

__all__ = ["NO_CONSTANTS", "SHORT", "Constants", "Encoder", "Prefixes", "Tags"]

SHORT = 128
"""Strings below this length find all that stands before them in a table."""

_MAX_SCOPES = 256


class Tags(NamedTuple):
    """Encoded tags, and how many they are."""

    number: int
    data: bytes


class Constants:
    """The constant tags of a scope, by ``id()`` of the span's kind.

    An enum member's own hash is a call into Python, and members live forever.
    """

    __slots__ = ("by_kind", "scope")

    def __init__(self, scope: InstrumentationScope | None) -> None:
        self.scope = scope
        self.by_kind: dict[int, Tags] = {}


NO_CONSTANTS = Constants(None)
"""What a scope that is not known yet has."""


class Prefixes(ABC):
    """For one key, all the bytes that stand before a tag's value, by type.

    Each is made when a value of its type first occurs: most keys see one type only.
    """

    __slots__ = ("binary", "double", "false", "number", "string", "text", "true")

    binary: bytes
    double: bytes
    false: bytes
    string: bytes
    true: bytes
    text: list[bytes | None]

    def __getattr__(self, part: str) -> Any:
        made = [None] * SHORT if part == "text" else self._make(part)
        setattr(self, part, made)
        return made

    @abstractmethod
    def _make(self, part: str) -> Any:
        """Make what stands before a type's values."""

    @abstractmethod
    def write(self, value: Any) -> bytes:
        """Write a tag of any value."""


P = TypeVar("P", bound=Prefixes)


class Encoder(ABC, Generic[P]):
    """Keeps what comes again and again, in bounds; used by one thread at a time.

    A subclass writes one encoding. ``P`` is what it keeps for an attribute key. Resources and
    scopes are known by identity and held, because a resource's hash is that of its JSON.
    """

    def __init__(self) -> None:
        self._keys: Known[str, P] = Known(self._make_prefixes)
        self._names: Known[str, bytes] = Known(self._encode_name)
        self._event_names: Known[str, bytes] = Known(self._encode_event_name)
        self._scopes: dict[int, Constants] = {}
        self._resource: Resource | None = None
        self._process = b""

    @abstractmethod
    def _make_prefixes(self, key: str) -> P:
        """Make what is kept for a key."""

    @abstractmethod
    def _encode_name(self, name: str) -> bytes:
        """Encode the field of a span's name."""

    @abstractmethod
    def _encode_event_name(self, name: str) -> bytes:
        """Encode the tag ``event`` of a log, as the first of its fields."""

    @abstractmethod
    def _encode_tags(self, tags: Iterable[tuple[str, Any]]) -> Tags:
        """Encode tags of any values, as the first of a struct."""

    @abstractmethod
    def _encode_process(self, resource: Resource) -> bytes:
        """Encode the process that a resource is."""

    def _constant_tags(self, scope: InstrumentationScope | None, kind: SpanKind) -> Tags:
        """Give the tags of a scope and a kind; looked up in place first, which spares a call."""
        constants = self._scopes.get(id(scope))
        if constants is None:
            if len(self._scopes) >= _MAX_SCOPES:
                self._scopes.clear()
            constants = self._scopes[id(scope)] = Constants(scope)
        made = constants.by_kind[id(kind)] = self._encode_tags(constant_tags(scope, kind))
        return made

    def _process_of(self, resource: Resource) -> bytes:
        if resource is not self._resource:
            self._process = self._encode_process(resource)
            self._resource = resource
        return self._process
