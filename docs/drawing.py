"""Draw the rooms of ``ARCHITECTURE.md`` from what the modules import.

``python docs/drawing.py`` rewrites the text between ``<!-- rooms -->`` and ``<!-- end -->``;
with ``--check`` it only reports whether it would change anything. It needs import-linter's grimp.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "ARCHITECTURE.md"
PLUGINS = "plugins"

_DRAWING = re.compile(r"(<!-- rooms -->\n).*?(<!-- end -->)", re.DOTALL)


def read_rooms() -> dict[str, set[str]]:
    """Map every room to the rooms that it imports."""
    sys.path[:0] = [str(ROOT), str(ROOT / PLUGINS)]
    plugins = sorted(path.name for path in (ROOT / PLUGINS).glob("bentotrace_*"))
    graph = grimp.build_graph("bentotrace", *plugins, cache_dir=None)
    rooms: dict[str, set[str]] = {}
    for module in sorted(graph.modules):
        room = rooms.setdefault(_room_of(module), set())
        room |= {_room_of(other) for other in graph.find_modules_directly_imported_by(module)}
    return {room: imported - {room} for room, imported in sorted(rooms.items())}


def _room_of(module: str) -> str:
    top, *below = module.split(".")
    return PLUGINS if top != "bentotrace" else below[0] if below else top


def page_of(text: str, rooms: Mapping[str, set[str]]) -> str:
    """Return the page with the drawing as it must be."""
    lines = "".join(f"    {room} --> {below}\n" for room, below in _arrows(rooms))
    drawing = f"```mermaid\nflowchart TD\n{lines}```\n"
    return _DRAWING.sub(lambda found: f"{found[1]}{drawing}{found[2]}", text)


def _arrows(rooms: Mapping[str, set[str]]) -> Iterator[tuple[str, str]]:
    """List the imports that others do not imply."""
    left = {room: set(imported) for room, imported in rooms.items()}
    for room, imported in rooms.items():
        for below in sorted(imported):
            left[room].remove(below)
            if below not in _reachable(left, room, set()):
                left[room].add(below)
                yield room, below


def _reachable(rooms: Mapping[str, set[str]], room: str, seen: set[str]) -> set[str]:
    if room not in seen:
        seen.add(room)
        for below in rooms[room]:
            _reachable(rooms, below, seen)
    return seen


def main() -> None:
    """Rewrite the page, or with ``--check`` exit with a message where it is not current."""
    before = PAGE.read_text(encoding="utf-8")
    after = page_of(before, read_rooms())
    if "--check" not in sys.argv:
        PAGE.write_text(after, encoding="utf-8")
    elif after != before:
        sys.exit(f"the drawing in {PAGE.name} is not current; run python docs/drawing.py")


if __name__ == "__main__":
    main()
