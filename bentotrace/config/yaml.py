"""Read: a path or a mapping becomes plain values that know their positions.

YAML 1.2 as ruamel.yaml composes it, walked here node by node, because only the nodes know where
each key and value stands.
"""

from __future__ import annotations

import math
import os
import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent, Event
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.tag import Tag

from bentotrace.config.document import Document, Fault
from bentotrace.config.report import Path, Position, Problem, dotted
from bentotrace.config.syntax import explain
from bentotrace.exceptions import ConfigError

__all__ = ["read", "resolve_scalar"]

_MAX_BYTES = 1024 * 1024
_MAX_VALUES = 5_000
_MAX_DEPTH = 100
# What is shorter cannot hold enough to be costly.
_SHORT = 8 * 1024

_STANDARD = "tag:yaml.org,2002:"
_PLAIN = Tag(suffix=f"{_STANDARD}plain")
_WORDS: Mapping[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
# Strings, which are compiled when a file needs them.
_INT = r"[-+]?[0-9]+"
_OCTAL_OR_HEX = r"0o[0-7]+|0x[0-9a-fA-F]+"
_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
_MAX_DIGITS = 400


def read(source: str | os.PathLike[str] | Mapping[str, object] | None) -> Document:
    """Read a configuration.

    Args:
        source: path of a YAML file of at most 1 MiB in UTF-8, a mapping, or None for nothing.

    Raises:
        ConfigError: when the file cannot be read or is not YAML with a mapping at its root.
    """
    if source is None:
        return Document("the environment", {})
    if isinstance(source, Mapping):
        return Document("<mapping>", _plain_copy(source))
    name = os.fspath(source)
    return _Reader(name).document(_text(name))


def resolve_scalar(text: str) -> object:
    """Give an unquoted scalar the type that YAML 1.2's core schema gives it."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789" or len(text) > _MAX_DIGITS:
        return text
    if re.fullmatch(_INT, text):
        return int(text)
    if re.fullmatch(_OCTAL_OR_HEX, text):
        return int(text, 0)
    if re.fullmatch(_FLOAT, text):
        return float(text)
    return text


def _text(name: str) -> str:
    try:
        with open(name, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise _fatal(Position(name), _absent(name)) from None
    except IsADirectoryError:
        raise _fatal(Position(name), "is a directory; name a YAML file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise _fatal(Position(name), f"cannot be read: {reason}") from None
    if len(data) > _MAX_BYTES:
        raise _fatal(Position(name), "is larger than 1 MiB; a configuration is not")
    if b"\0" in data:
        raise _fatal(Position(name), "is a binary file; YAML is text in UTF-8")
    data = data.removeprefix(BOM_UTF8)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        message = f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise _fatal(Position(name, line, column), message) from None


def _absent(name: str) -> str:
    if not name:
        return "the name of the file is empty; is the variable set that it comes from?"
    return "no such file" + ("; standard input is /dev/stdin" if name == "-" else "")


def _fatal(position: Position, message: str) -> ConfigError:
    return ConfigError([Problem(position, "", message)])


def _plain_copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain_copy(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_copy(item) for item in value]
    return value


class _PlainResolver(VersionedResolver):
    """Leaves the type of what has no quotes to :func:`resolve_scalar`, which looks at it anyway."""

    def resolve(self, kind: type[Node], value: Any, implicit: Any) -> Tag:
        if kind is ScalarNode and implicit[0]:
            return _PLAIN
        tag: Tag = super().resolve(kind, value, implicit)
        return tag


class _Reader:
    """Walks the nodes of one file."""

    def __init__(self, name: str, count: int = 0) -> None:
        self.name = name
        self.keys: dict[Path, Position] = {}
        self.values: dict[Path, Position] = {}
        self.plain: set[Path] = set()
        self.faults: list[Fault] = []
        self.count = count

    def document(self, text: str) -> Document:
        node = self._parsed(text)
        if node is None:
            raise _fatal(Position(self.name), "is empty; write a tracing: block")
        root = self._value(node, ())
        if not isinstance(root, dict):
            kind = "a list" if isinstance(root, list) else "a single value"
            message = f"{kind} stands at the root; a configuration is a mapping with tracing: in it"
            raise _fatal(self._position(node), message)
        return Document(
            self.name,
            root,
            keys=self.keys,
            values=self.values,
            plain=frozenset(self.plain),
            faults=tuple(self.faults),
            text=True,
        )

    def _check_cost(self, text: str) -> None:
        """Refuse what would take the parser seconds, and memory by the hundred megabytes."""
        depth = 0
        for count, event in enumerate(YAML(typ="safe", pure=True).parse(text)):
            if isinstance(event, CollectionStartEvent):
                depth += 1
            elif isinstance(event, CollectionEndEvent):
                depth -= 1
            # A key and a value are two.
            if count > 2 * _MAX_VALUES:
                message = f"holds more than {_MAX_VALUES} values; a configuration does not"
                raise _fatal(self._position(event), message)
            if depth > _MAX_DEPTH:
                raise _fatal(self._position(event), "is nested too deeply")

    def _parsed(self, text: str) -> Node | None:
        yaml = YAML(typ="safe", pure=True)
        yaml.Resolver = _PlainResolver
        # YAML 1.2 lets an anchor be given again, and the name may be part of a secret.
        yaml.composer.warn_double_anchors = False
        try:
            if len(text) > _SHORT:
                self._check_cost(text)
            node: Node | None = yaml.compose(text)
        except MarkedYAMLError as error:
            mark, message = explain(error, text)
            position = self._mark(mark) if mark is not None else Position(self.name)
            raise _fatal(position, message) from None
        except YAMLError as error:
            message = f"is not YAML: {str(error).splitlines()[0]}"
            raise _fatal(Position(self.name), message) from None
        except RecursionError:
            raise _fatal(Position(self.name), "is nested too deeply") from None
        return node

    def _value(self, node: Node, path: Path) -> Any:
        self.count += 1
        if self.count > _MAX_VALUES:
            message = (
                f"holds more than {_MAX_VALUES} values once its aliases are expanded; "
                "write fewer of them"
            )
            raise _fatal(Position(self.name), message)
        if len(path) > _MAX_DEPTH:
            raise _fatal(self._position(node), "is nested too deeply, or an alias holds itself")
        self.values[path] = self._position(node)
        tag = _tag(node)
        if not tag.startswith(_STANDARD):
            # The tag is not shown: it may be a password that begins with an exclamation mark.
            message = "a ! begins a tag, and none is known; remove it, or put text in quotes"
            self._fault(path, self._position(node), message)
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path, tag)

    def _scalar(self, node: Any, path: Path, tag: str) -> object:
        if node.style is None or node.style == "":
            self.plain.add(path)
            if tag != f"{_STANDARD}str":
                return resolve_scalar(node.value)
        return str(node.value)

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, object]:
        found: dict[str, object] = {}
        merged: list[Node] = []
        for key_node, value_node in node.value:
            position = self._position(key_node)
            if not isinstance(key_node, ScalarNode):
                self._fault(path, position, "a key must be a plain word")
                continue
            key = str(key_node.value)
            if key == "<<":
                many = isinstance(value_node, SequenceNode)
                merged += value_node.value if many else [value_node]
                continue
            here = (*path, key)
            if key in found:
                first = self.keys[here].line
                message = f"is given twice, first in line {first}; keep one of them"
                self._fault(here, position, message)
                continue
            self.keys[here] = position
            found[key] = self._value(value_node, here)
        for other in merged:
            if not isinstance(other, MappingNode):
                self._fault(path, self._position(other), "<< takes a mapping, or a list of them")
                continue
            # What a mapping says itself wins over what it merges, and the first merged wins.
            reader = _Reader(self.name, count=self.count)
            for key, value in reader._mapping(other, path).items():
                if key not in found:
                    found[key] = value
                    self._adopt(reader, (*path, key))
            self.count = reader.count
            self.faults += reader.faults
        return found

    def _adopt(self, other: _Reader, path: Path) -> None:
        length = len(path)
        self.keys.update({at: pos for at, pos in other.keys.items() if at[:length] == path})
        self.values.update({at: pos for at, pos in other.values.items() if at[:length] == path})
        self.plain.update(at for at in other.plain if at[:length] == path)

    def _fault(self, path: Path, position: Position, message: str) -> None:
        self.faults.append(Fault(path, Problem(position, dotted(path), message)))

    def _position(self, node: Node | Event) -> Position:
        return self._mark(node.start_mark)

    def _mark(self, mark: Any) -> Position:
        return Position(self.name, mark.line + 1, mark.column + 1)


def _tag(node: Node) -> str:
    # ruamel.yaml before 0.18 keeps a string, later ones an object that prints as one.
    return str(node.tag)
