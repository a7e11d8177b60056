"""Write the reference of the public modules, ``reference/MODULE.md``, from their docstrings.

``python docs/reference.py`` writes the pages, and the table of modules in ``promise.md``; a test
fails if they differ.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import griffe

sys.path.insert(0, str(Path(__file__).parent))
from public_api import ROOT, Entry, entries, load, members

DOCS = Path("docs")
_WIDTH = 100
_TABLE = re.compile(r"(<!-- modules -->\n).*?(<!-- end -->)", re.DOTALL)
_ROLE = re.compile(r":\w+:`([^`]+)`")
_RULE = re.compile(r"=+( +=+)+")


def pages(root: Path = ROOT) -> dict[Path, str]:
    """Return the up-to-date text of each page."""
    package = load(root)
    listed = entries(package)
    writer = _Writer(listed)
    found = {DOCS / "reference" / f"{module}.md": writer.page(package, module) for module in listed}
    promise = DOCS / "promise.md"
    text = (root / promise).read_text(encoding="utf-8")
    found[promise] = _TABLE.sub(lambda match: match[1] + writer.table(package) + match[2], text)
    return found


class _Writer:
    def __init__(self, listed: dict[str, list[Entry]]) -> None:
        self._listed = listed
        self._classes = frozenset(entry.object.path for each in listed.values() for entry in each)
        self._links: dict[str, str] = {}
        for module, each in listed.items():
            self._links[module] = f"{module}.md"
            for entry in each:
                if entry.home == entry.name:
                    link = f"{module}.md#{entry.short.lower()}"
                    self._links[entry.object.path] = self._links[entry.name] = link
                    self._links.setdefault(entry.short, link)

    def table(self, package: griffe.Module) -> str:
        """Return a table of the modules."""
        rows = ["| module | content |", "| --- | --- |"]
        for module in self._listed:
            summary = _docstring(_find_module(package, module)).split("\n\n")[0]
            text = self._text(" ".join(summary.removesuffix("::").split()), "reference/")
            rows.append(f"| [`{module}`](reference/{module}.md) | {text} |")
        return "\n".join([*rows, ""])

    def page(self, package: griffe.Module, module: str) -> str:
        """Return the reference of a module."""
        lines = [f"# {module}", "", self._text(_docstring(_find_module(package, module)))]
        moved = [entry for entry in self._listed[module] if entry.home != entry.name]
        if moved:
            names = ", ".join(f"[`{each.short}`]({self._links[each.home]})" for each in moved)
            lines += ["", f"Also here: {names}."]
        for entry in self._listed[module]:
            if entry.home == entry.name:
                lines += ["", *self._entry(entry)]
        return "\n".join([*lines, ""])

    def _entry(self, entry: Entry) -> Iterator[str]:
        yield f"## {entry.short}"
        yield ""
        found = entry.object
        inner = members(entry, self._classes)
        if isinstance(found, griffe.Attribute):
            value = str(found.value)
            call = isinstance(found.value, griffe.ExprCall)
            if call and len(f"{entry.short} = {value}") > _WIDTH:
                value = f"{found.value.function}(...)"
            yield from _code(f"{entry.short} = {value}")
            if found.docstring is not None:
                yield from ("", self._text(found.docstring.value))
            return
        if isinstance(found, griffe.Function):
            yield from _code(_function(found, entry.short))
        else:
            yield from _code(_class(entry, inner))
        described: dict[str, str] = {}
        yield from self._sections(found, described)
        for each in inner:
            if each.short == "__init__":
                yield from self._sections(each.object, described)
        fields = [each for each in inner if isinstance(each.object, griffe.Attribute)]
        is_enum = any(str(base).endswith("Enum") for base in getattr(found, "bases", ()))
        yield from self._fields(fields, described, "value" if is_enum else "default")
        for each in inner:
            if isinstance(each.object, griffe.Function) and each.short != "__init__":
                yield from ("", f"### {entry.short}.{each.short}", "")
                yield from _code(_function(each.object, each.short))
                yield from self._sections(each.object, {})

    def _sections(self, found: griffe.Object, described: dict[str, str]) -> Iterator[str]:
        """Yield the sections of a docstring; put the attributes of a class into ``described``."""
        docstring = found.docstring
        if docstring is None:
            return
        for section in docstring.parsed:
            if isinstance(section, griffe.DocstringSectionAttributes):
                described |= {each.name: each.description for each in section.value}
            elif isinstance(section, griffe.DocstringSectionText):
                yield from ("", self._text(section.value))
            elif isinstance(section, griffe.DocstringSectionParameters):
                items = [(f"`{each.name}`", each.description) for each in section.value]
                yield from self._list("Arguments", items)
            elif isinstance(
                section, (griffe.DocstringSectionReturns, griffe.DocstringSectionYields)
            ):
                title = (
                    "Yields" if isinstance(section, griffe.DocstringSectionYields) else "Returns"
                )
                text = " ".join(each.description for each in section.value)
                yield from ("", f"{title}: {self._text(text)}")
            elif isinstance(section, griffe.DocstringSectionRaises):
                items = [
                    (f":class:`{each.annotation}`", each.description) for each in section.value
                ]
                yield from self._list("Raises", items)
            else:
                raise ValueError(f"{found.path}: a section of the kind {section.kind}")

    def _fields(self, fields: list[Entry], described: dict[str, str], what: str) -> Iterator[str]:
        items = []
        for entry in fields:
            found = entry.object
            assert isinstance(found, griffe.Attribute)
            text = described.pop(entry.short, "")
            if not text and found.docstring is not None:
                text = found.docstring.value
            facts = [f"`{found.annotation}`"] if found.annotation is not None else []
            facts += [f"{what} `{default}`" for default in _default(found)]
            kind = f" ({', '.join(facts)})" if facts else ""
            text = text or _argument(found, "help")
            if text or not _overrides(found):
                items.append((f"`{entry.short}`{kind}", text))
        items += [(f"`{name}`", text) for name, text in described.items()]
        yield from self._list("Attributes", items)

    def _list(self, title: str, items: Iterable[tuple[str, str]]) -> Iterator[str]:
        lines = [
            f"- {self._text(f'{name}: {text}' if text else name)}".replace("\n", " ")
            for name, text in items
        ]
        if lines:
            yield from ("", f"{title}:", "", *lines)

    def _text(self, text: str, folder: str = "") -> str:
        """Convert reStructuredText to Markdown, as far as the docstrings use it."""

        def link(found: re.Match[str]) -> str:
            target = found[1].lstrip("~.")
            short = target if target.startswith("bentotrace.") and target in self._listed else None
            short = short or target.rpartition(".")[2]
            owner = target.rpartition(".")[0]
            url = self._links.get(target) or self._links.get(target.rpartition(".")[2])
            if url is None and owner:
                url = self._links.get(owner) or self._links.get(owner.rpartition(".")[2])
                short = ".".join(target.split(".")[-2:])
            return f"[`{short}`]({folder}{url})" if url else f"`{short}`"

        parts = []
        for is_code, part in _blocks(text):
            if is_code:
                parts.append("\n".join(_code(part)))
            elif _RULE.match(part):
                parts.append(_ROLE.sub(link, _rows(part)).replace("``", "`"))
            else:
                parts.append(_ROLE.sub(link, part).replace("``", "`"))
        return "\n\n".join(part for part in parts if part)


def _blocks(text: str) -> Iterator[tuple[bool, str]]:
    """Yield the parts of a text, and whether each is code: what is indented after ``::``."""
    code: list[str] = []
    is_code = False
    for paragraph in text.split("\n\n"):
        if is_code and paragraph.startswith((" ", "\n")):
            code.append(paragraph.rstrip("\n"))
            continue
        if code:
            yield True, textwrap.dedent("\n\n".join(code))
            code = []
        is_code = paragraph.endswith("::")
        yield (
            False,
            paragraph.removesuffix("::") + (":" if paragraph.rstrip(":") and is_code else ""),
        )
    if code:
        yield True, textwrap.dedent("\n\n".join(code))


def _rows(table: str) -> str:
    """Convert a simple table."""
    rule, *lines = table.splitlines()
    starts = [found.start() for found in re.finditer(r"=+", rule)]
    ends = [*starts[1:], None]
    rows: list[list[str]] = []
    for line in lines:
        if _RULE.match(line):
            continue
        cells = [line[start:end].strip() for start, end in zip(starts, ends, strict=True)]
        if cells[0]:
            rows.append(cells)
        else:
            rows[-1] = [" ".join(both).strip() for both in zip(rows[-1], cells, strict=True)]
    rows.insert(1, ["---"] * len(starts))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _code(text: str) -> Iterator[str]:
    try:
        # A part of a class or mapping is Python, too.
        compile(text if "->" not in text else "", "", "exec")
        language = "python"
    except SyntaxError:
        language = "python" if text.lstrip().startswith(("class ", "@", '"')) else "text"
    yield from (f"```{language}", text.rstrip(), "```")


def _function(found: griffe.Function, name: str) -> str:
    decorators = {str(each.value).rpartition(".")[2] for each in found.decorators}
    line = " ".join(found.signature(return_type=True, name=name).split())
    prefix = "@staticmethod\n" if "staticmethod" in decorators else ""
    return prefix + _wrap(line)


def _class(entry: Entry, inner: list[Entry]) -> str:
    """Return how an instance is created; for other classes their names and bases."""
    found = entry.object
    assert isinstance(found, griffe.Class)
    bases = [str(base) for base in found.bases]
    line = f"class {entry.short}" + (f"({', '.join(bases)})" if bases else "")
    for each in inner:
        if each.short == "__init__" and isinstance(each.object, griffe.Function):
            return f"{line}\n\n" + _wrap(each.object.signature(name=entry.short))
    return line


def _wrap(line: str) -> str:
    """Break a long signature, a parameter on each line."""
    if len(line) <= _WIDTH:
        return line
    head, _, rest = line.partition("(")
    depth, start, parts = 0, 0, []
    for index, character in enumerate(rest):
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        if (character == "," and depth == 0) or depth < 0:
            parts.append(rest[start:index].strip())
            start = index + 1
        if depth < 0:
            return "\n".join(
                [f"{head}(", *(f"    {part}," for part in parts), f"){rest[index + 1 :]}"]
            )
    return line


def _overrides(found: griffe.Attribute) -> bool:
    """Return whether a base class has the attribute, with its description."""
    assert isinstance(found.parent, griffe.Class)
    return any(found.name in base.all_members for base in found.parent.mro())


def _default(found: griffe.Attribute) -> Iterator[str]:
    """Yield the default of a field, if it is a plain value."""
    if isinstance(found.value, str):
        yield found.value
    elif _argument(found, "default"):
        yield _argument(found, "default")


def _argument(found: griffe.Attribute, name: str) -> str:
    """Return a plain keyword argument of ``option()`` or ``field()``, "" if there is none."""
    for argument in getattr(found.value, "arguments", ()):
        if getattr(argument, "name", "") == name:
            value = argument.value
            if name == "help" and isinstance(value, griffe.ExprName):
                value = found.module[value.name].value
            if isinstance(value, str):
                return value.strip("'\"") if name == "help" else value
    return ""


def _docstring(found: Any) -> str:
    return found.docstring.value if found.docstring is not None else ""


def _find_module(package: griffe.Module, module: str) -> griffe.Object:
    return package if module == "bentotrace" else package[module.removeprefix("bentotrace.")]


def write(root: Path = ROOT) -> None:
    """Write the pages."""
    (root / DOCS / "reference").mkdir(exist_ok=True)
    for path, text in pages(root).items():
        (root / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
