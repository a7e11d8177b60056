"""Read: parse a file or copy a mapping into plain values with their positions.

Only the nodes that ruamel.yaml composes have positions, so they are converted here.
"""

from __future__ import annotations

import math
import os
import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent, Event
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.tag import Tag

from bentotrace._files import open_regular
from bentotrace.config.document import ENVIRONMENT, Document, Fault
from bentotrace.config.yaml_errors import BLANKS, describe_blank, explain, find_blank, lacks_space
from bentotrace.exceptions import ConfigError
from bentotrace.problems import Path, Position, Problem, dotted

__all__ = ["read", "resolve_scalar"]

_MAX_BYTES = 1024 * 1024
_MAX_VALUES = 5_000
_MAX_DEPTH = 100
# Shorter text cannot be costly to parse.
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
# Not compiled until a file needs them.
_INT = r"[-+]?[0-9]+"
_OCTAL_OR_HEX = r"0o[0-7]+|0x[0-9a-fA-F]+"
_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
_MAX_DIGITS = 400
_LATER = r"\A((?:#[^\n]*\n|[^\S\n]*\n)*)%YAML[ \t]+1\.[3-9][0-9]*"


# The beginnings of names that other programs accept for a file.
_UNREAD = {
    "~": "~ is not expanded here; write the whole path",
    "file:": "URLs are not read; write a path",
    "http:": "URLs are not read; download the file",
    "https:": "URLs are not read; download the file",
}


def read(
    source: str | os.PathLike[str] | Mapping[str, object] | None, *, variable: str = ""
) -> Document:
    """Read a configuration.

    Args:
        source: path of a YAML file of at most 1 MiB in UTF-8, a mapping, or None for nothing.
        variable: the variable that names the file, for messages.

    Raises:
        ConfigError: the file cannot be read, or is not YAML with a mapping at its top level.
    """
    if source is None:
        return Document(ENVIRONMENT, {})
    if isinstance(source, Mapping):
        return Document("<mapping>", _plain_copy(source))
    name = os.fspath(source)
    return _Reader(name).document(_text(name, variable))


def resolve_scalar(text: str) -> object:
    """Convert an unquoted scalar to its type in the core schema of YAML 1.2."""
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


def _text(name: str, variable: str) -> str:
    try:
        with open_regular(name) as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        message = "no such file" if name else "the file name is empty; set the variable it is from"
        message += "; standard input is /dev/stdin" if name == "-" else ""
        for prefix, hint in _UNREAD.items():
            message += f"; {hint}" if name.startswith(prefix) else ""
        if variable:
            message += f"; {variable} names it" + _describe_directory(name)
        raise _fatal(Position(name), message) from None
    except IsADirectoryError:
        raise _fatal(Position(name), "is a directory; name a YAML file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise _fatal(Position(name), f"cannot be read: {reason}") from None
    if len(data) > _MAX_BYTES:
        raise _fatal(Position(name), "is larger than 1 MiB, the limit for a configuration")
    if b"\0" in data:
        raise _fatal(Position(name), "is a binary file; expected YAML text in UTF-8")
    data = data.removeprefix(BOM_UTF8)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        message = f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise _fatal(Position(name, line, column), message) from None


def _describe_directory(name: str) -> str:
    """Return the directory to which a path is relative, for messages; "" for an absolute path."""
    with suppress(OSError):
        return "" if os.path.isabs(name) else f", relative to {os.getcwd()}"
    return ""


def _fatal(position: Position, message: str) -> ConfigError:
    return ConfigError([Problem(position, "", message)])


def _plain_copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain_copy(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_copy(item) for item in value]
    return value


class _PlainResolver(VersionedResolver):
    """Leaves the types of unquoted scalars to :func:`resolve_scalar`."""

    def resolve(self, kind: type[Node], value: Any, implicit: Any) -> Tag:
        if kind is ScalarNode and implicit[0]:
            return _PLAIN
        tag: Tag = super().resolve(kind, value, implicit)
        return tag


class _Reader:
    """Converts the nodes of one file to plain values."""

    def __init__(self, name: str, count: int = 0, merging: tuple[Node, ...] = ()) -> None:
        self.name = name
        self.keys: dict[Path, Position] = {}
        self.values: dict[Path, Position] = {}
        self.plain: dict[Path, str] = {}
        self.faults: list[Fault] = []
        self.count = count
        self.merging = merging

    def document(self, text: str) -> Document:
        node = self._parsed(text)
        if node is None:
            raise _fatal(Position(self.name), "is empty; write a tracing: block")
        root = self._value(node, ())
        if not isinstance(root, dict):
            kind = "a list" if isinstance(root, list) else "a single value"
            if find_blank(text) is not None:
                raise _fatal(self._place(text, find_blank(text) or 0), describe_blank(text))
            message = f"the top level is {kind}; expected a mapping with a tracing: key"
            if isinstance(root, str) and lacks_space(root):
                message += "; put a space after each colon"
            raise _fatal(self._position(node), message)
        return Document(
            self.name,
            root,
            keys=self.keys,
            values=self.values,
            plain=self.plain,
            faults=tuple(self.faults),
            text=True,
        )

    def _check_cost(self, text: str) -> None:
        """Refuse text that takes the parser seconds and hundreds of megabytes."""
        depth = 0
        for count, event in enumerate(YAML(typ="safe", pure=True).parse(text)):
            if isinstance(event, CollectionStartEvent):
                depth += 1
            elif isinstance(event, CollectionEndEvent):
                depth -= 1
            # A key and a value are two events.
            if count > 2 * _MAX_VALUES:
                message = f"has more than {_MAX_VALUES} values, the limit for a configuration"
                raise _fatal(self._position(event), message)
            if depth > _MAX_DEPTH:
                raise _fatal(self._position(event), "is nested too deeply")

    def _parsed(self, text: str) -> Node | None:
        yaml = YAML(typ="safe", pure=True)
        yaml.Resolver = _PlainResolver
        # YAML 1.2 allows a repeated anchor, and the name may be part of a secret.
        yaml.composer.warn_double_anchors = False
        try:
            if len(text) > _SHORT:
                self._check_cost(text)
            # A processor of version 1.2 reads later versions 1.x as its own.
            text = re.sub(_LATER, r"\1%YAML 1.2", text, count=1)
            node: Node | None = yaml.compose(text)
        except MarkedYAMLError as error:
            if error.problem == "but found another document" and (one := self._only(text)):
                return one
            mark, message = explain(error, text)
            position = self._mark(mark) if mark is not None else Position(self.name)
            raise _fatal(position, message) from None
        except RecursionError:
            raise _fatal(Position(self.name), "is nested too deeply") from None
        except ReaderError as error:
            character = text[error.position : error.position + 1] or "\0"
            message = f"has the control character U+{ord(character):04X}; remove it"
            raise _fatal(self._place(text, error.position), message) from None
        # ruamel.yaml raises ValueError for this escape, and may raise others.
        except Exception as error:
            escape = re.search(r"\\U(?!0010|000)", text)
            if escape is None:
                raise _fatal(Position(self.name), f"is not YAML: {type(error).__name__}") from None
            message = "no character has the number of this escape"
            raise _fatal(self._place(text, escape.start()), message) from None
        return node

    def _only(self, text: str) -> Node | None:
        """Return the only document that is not empty; None if there are several."""
        yaml = YAML(typ="safe", pure=True)
        yaml.Resolver = _PlainResolver
        yaml.composer.warn_double_anchors = False
        try:
            nodes = list(yaml.compose_all(text))
        # The error of the first document is reported.
        except Exception:
            return None
        filled = [node for node in nodes if not isinstance(node, ScalarNode) or node.value]
        return filled[0] if len(filled) == 1 else None

    def _place(self, text: str, index: int) -> Position:
        line = text.count("\n", 0, index)
        return Position(self.name, line + 1, index - text.rfind("\n", 0, index))

    def _value(self, node: Any, path: Path) -> Any:
        self.count += 1
        if self.count > _MAX_VALUES:
            message = f"has more than {_MAX_VALUES} values once its aliases are expanded"
            raise _fatal(Position(self.name), f"{message}; use fewer aliases")
        if len(path) > _MAX_DEPTH:
            raise _fatal(self._position(node), "is nested too deeply, or an alias contains itself")
        self.values[path] = self._position(node)
        # ruamel.yaml before 0.18 has a string, later ones an object that prints as one.
        tag = str(node.tag)
        if not tag.startswith(_STANDARD):
            # The tag may be a password that begins with an exclamation mark.
            message = "a ! begins a tag, which is not supported; remove it, or put text in quotes"
            self._fault(path, self._position(node), message)
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        text = self._text(node, path)
        if node.style is None or node.style == "":
            self.plain[path] = text
            if tag != f"{_STANDARD}str":
                # The parser leaves blanks other than space and tab.
                return resolve_scalar(text.strip())
        return text

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, object]:
        found: dict[str, object] = {}
        merged: list[Node] = []
        for key_node, value_node in node.value:
            position = self._position(key_node)
            if not isinstance(key_node, ScalarNode):
                template = isinstance(key_node, MappingNode) and key_node.flow_style
                more = "; {{ }} of a template is not filled in" if template else ""
                self._fault(path, position, f"a key must be plain text{more}")
                continue
            key = self._text(key_node, path)
            if key[:1] in BLANKS and key_node.style in (None, ""):
                # The user may have put the key into another block, so every block may be wrong.
                self._fault((), position, describe_blank(key))
                continue
            name, colon, _ = key.partition(":")
            if colon and node.flow_style and key_node.style in (None, "") and _is_empty(value_node):
                # What follows the colon is a value, which may be secret.
                message = "a space is missing after the colon; write name: value"
                self._fault((*path, name), position, message)
                continue
            if key == "<<":
                many = isinstance(value_node, SequenceNode)
                merged += value_node.value if many else [value_node]
                continue
            here = (*path, key)
            if key in found:
                message = f"appears twice, first on line {self.keys[here].line}; delete one of them"
                self._fault(here, position, message)
                continue
            self.keys[here] = position
            found[key] = self._value(value_node, here)
            if _is_empty(value_node):
                # Its own position is on the next line.
                self.values[here] = position
        for other in merged:
            if not isinstance(other, MappingNode):
                self._fault(path, self._position(other), "<< expects a mapping or a list of them")
                continue
            if other is node or other in self.merging:
                message = "<< merges a mapping into itself; remove it"
                self._fault(path, self._position(other), message)
                continue
            if len(self.merging) > _MAX_DEPTH:
                raise _fatal(self._position(other), "<< is nested too deeply")
            # The mapping's own keys have precedence, then those of the first merged mapping.
            reader = _Reader(self.name, self.count, (*self.merging, node))
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
        self.plain.update({at: text for at, text in other.plain.items() if at[:length] == path})

    def _text(self, node: ScalarNode, path: Path) -> str:
        """Return a scalar's text; JSON writes some characters as two escapes."""
        text = str(node.value)
        try:
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            message = "has half of a pair of escapes (\\ud83d\\ude80); write the character itself"
            self._fault(path, self._position(node), message)
            return ""

    def _fault(self, path: Path, position: Position, message: str) -> None:
        self.faults.append(Fault(path, Problem(position, dotted(path), message)))

    def _position(self, node: Node | Event) -> Position:
        return self._mark(node.start_mark)

    def _mark(self, mark: Any) -> Position:
        return Position(self.name, mark.line + 1, mark.column + 1)


def _is_empty(node: Node) -> bool:
    if not isinstance(node, ScalarNode) or node.value:
        return False
    # One with a tag may be a password that begins with an exclamation mark.
    return node.style in (None, "") and str(node.tag).startswith(_STANDARD)
