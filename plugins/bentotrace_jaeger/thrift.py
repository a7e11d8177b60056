"""The common part of Thrift's binary and compact protocol: tags, logs and processes.

Source: jaeger-idl, ``jaeger.thrift``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event

from bentotrace.encoding import (
    INT64_MAX,
    INT64_MIN,
    MAX_FLOAT,
    SHORT,
    Prefixes,
    dropped_count,
    read_event,
    safe_str,
    to_bytes,
)
from bentotrace_jaeger.encoder import (
    DROPPED_ATTRIBUTES,
    B,
    Encoder,
    Tags,
    process_tags,
    service_name,
    tag_value,
)

__all__ = ["STOP", "Protocol", "ThriftEncoder", "ThriftPrefixes"]

STOP = b"\x00"
"""The end of a struct."""


class Protocol(NamedTuple):
    """The encoding of numbers and of the heads of fields.

    Attributes:
        size: the length of a string.
        integer: an integer of 64 bits.
        double: a float.
        small: the integers from 0 to 1,023.
        list_field: the head of a list of structs, by the field's id and the number of structs.
        before_key: the end of the previous tag, and the head of a tag's key.
        after_key, between: the bytes after the key, and those before a value, by its type.
        name_head, process_head: the heads of a span's and a process's name.
    """

    size: Callable[[int], bytes]
    integer: Callable[[int], bytes]
    double: Callable[[float], bytes]
    small: Sequence[bytes]
    list_field: Callable[[int, int], bytes]
    before_key: bytes
    after_key: bytes
    between: Mapping[str, bytes]
    name_head: bytes
    process_head: bytes

    def string(self, data: bytes) -> bytes:
        """Return length and bytes of a string."""
        return self.size(len(data)) + data


class ThriftPrefixes(Prefixes):
    """Prefixes that begin with the end of the previous tag, which saves a piece per tag."""

    __slots__ = ("_head", "_protocol", "binary", "string")

    binary: bytes
    number: bytes
    string: bytes

    def __init__(self, protocol: Protocol, key: object) -> None:
        self._protocol = protocol
        name = protocol.string(to_bytes(safe_str(key)))
        self._head = protocol.before_key + name + protocol.after_key

    def write(self, value: Any) -> bytes:
        """Return a tag of any value, without its end."""
        value = tag_value(value)
        protocol = self._protocol
        if isinstance(value, str):
            return self.write_text(value)
        if isinstance(value, bool):
            return self.true if value else self.false
        if isinstance(value, int):
            return self.number + protocol.integer(value)
        if isinstance(value, float):
            return self.double + protocol.double(value)
        return self.binary + protocol.string(value)

    def _make(self, part: str) -> bytes:
        return self._head + self._protocol.between[part]

    def before_any_text(self, length: int) -> bytes:
        """Return key and length of a string of ``length`` bytes."""
        made: bytes = self.string + self._protocol.size(length)
        return made


class ThriftEncoder(Encoder[ThriftPrefixes, B]):
    """Encodes the spans of one resource."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        # What is read for each span and event; a named tuple's fields are slower.
        self._numbers = protocol.size, protocol.integer, protocol.double, protocol.small
        self._list_field = protocol.list_field
        super().__init__()

    def _write(self, attributes: Mapping[str, Any], out: list[bytes]) -> None:
        """Append the tags of all attributes.

        The exact types come first and are encoded in place: most spans have no others, and a call
        for each attribute would cost as much as the encoding.
        """
        keys = self._keys
        size, integer, double, small = self._numbers
        for key, value in attributes.items():
            prefixes = keys[key]
            kind = type(value)
            if kind is str:
                try:
                    data = value.encode()
                except UnicodeEncodeError:
                    data = to_bytes(value)
                length = len(data)
                if length < SHORT:
                    out += (prefixes.text[length] or prefixes.before_text(length), data)
                else:
                    out += (prefixes.string, size(length), data)
            elif kind is int and INT64_MIN <= value <= INT64_MAX:
                out += (prefixes.number, small[value] if 0 <= value < 1024 else integer(value))
            elif kind is bool:
                out.append(prefixes.true if value else prefixes.false)
            elif kind is float and -MAX_FLOAT <= value <= MAX_FLOAT:
                out += (prefixes.double, double(value))
            else:
                out.append(prefixes.write(value))

    def _log(self, event: Event, at: bytes, out: list[bytes]) -> None:
        """Append a log; ``at`` is the field of its time."""
        name, _, attributes, dropped = read_event(event)
        if dropped and DROPPED_ATTRIBUTES in attributes:
            dropped = 0
        count = len(attributes) + (1 if dropped else 0)
        name_tag = b""
        if "event" not in attributes:
            count += 1
            name_tag = self._event_names[name or ""]
        out += (at, self._list_field(2, count), name_tag)
        first = len(out)
        self._write(attributes, out)
        if dropped:
            out.append(self._generated_keys[DROPPED_ATTRIBUTES].write(dropped_count(dropped)))
        if not name_tag:
            out[first] = out[first][1:]
        out.append(STOP * 2)

    def _make_prefixes(self, key: str) -> ThriftPrefixes:
        return ThriftPrefixes(self._protocol, key)

    def _encode_name(self, name: str) -> bytes:
        return self._protocol.name_head + self._protocol.string(to_bytes(name))

    def _encode_event_name(self, name: str) -> bytes:
        # A name that is not text raises here, and must not become a tag of another type.
        return self._encode_tags([("event", name + "")]).data

    def _encode_tags(self, tags: Iterable[tuple[str, Any]]) -> Tags:
        written = [self._generated_keys[key].write(value) for key, value in tags]
        return Tags(len(written), b"".join(written)[1:])

    def _encode_process(self, resource: Resource) -> bytes:
        tags = self._encode_tags(process_tags(resource))
        name = self._protocol.process_head + self._protocol.string(to_bytes(service_name(resource)))
        if not tags.number:
            return name + STOP
        return name + self._protocol.list_field(2, tags.number) + tags.data + STOP * 2
