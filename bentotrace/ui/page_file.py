"""Writes a trace as one HTML file that holds the page, its code and the trace."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from pathlib import Path
from typing import Any

from bentotrace.ui.database import Reader
from bentotrace.ui.otlp_json import encode_document
from bentotrace.ui.search import read_spans, read_summary
from bentotrace.ui.shapes import full_span, short_span, summary

__all__ = ["write_page"]

_WEB = Path(__file__).parent / "web"
_STYLES = ("style.css", "views.css")
_IMPORT = re.compile(r'^import (?:(\{[^}]*\}) from )?"\./([\w-]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?:async )?(?:function|class|const) (\w+)", re.MULTILINE)


def write_page(store: Reader, trace_id: str) -> str:
    """Return the file's text; it requests nothing when it is opened.

    Raises:
        LookupError: there is no such trace.
    """
    script = _bundle("main.js")
    style = "".join((_WEB / name).read_text("utf-8") for name in _STYLES)
    content = json.dumps(_responses(store, trace_id), ensure_ascii=False, separators=(",", ":"))
    policy = f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}"
    # In JSON, < occurs in strings only; escaped, no text of a span ends the element.
    return (
        '<!doctype html>\n<html lang="en" class="saved">\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>bentotrace</title>\n<style>{style}</style>\n"
        '<main id="main" tabindex="-1"></main>\n'
        f'<script type="application/json" id="saved">{content.replace("<", chr(92) + "u003c")}'
        f'</script>\n<script type="module">{script}</script>\n</html>\n'
    )


def _responses(store: Reader, trace_id: str) -> dict[str, Any]:
    """Return the responses to every request that the page makes for a trace."""
    found = read_summary(store, trace_id)
    if found is None:
        raise LookupError(trace_id)
    trace_id = found.trace_id
    path = f"/ui/api/traces/{trace_id}"
    spans = read_spans(store, trace_id)
    responses: dict[str, Any] = {
        path: {
            "trace": summary(found),
            "spans": [short_span(number, span, found.start) for number, span in spans],
        },
        f"{path}/otlp": encode_document(span for _, span in spans),
    }
    responses |= {f"{path}/spans/{number}": full_span(span) for number, span in spans}
    return {"traceId": trace_id, "responses": responses}


def _bundle(entry: str) -> str:
    """Return a module and all that it imports as one script, each in a function of its own."""
    done: dict[str, None] = {}
    parts: list[str] = []

    def add(name: str) -> None:
        if name in done:
            return
        done[name] = None
        source = (_WEB / name).read_text("utf-8")
        for _, imported in _IMPORT.findall(source):
            add(imported)
        exported = ", ".join(_EXPORT.findall(source))
        body = _IMPORT.sub(_take, source)
        body = re.sub("^export ", "", body, flags=re.MULTILINE)
        parts.append(
            f"const {_variable(name)} = (() => {{\n{body}return {{ {exported} }};\n}})();\n"
        )

    add(entry)
    return "".join(parts)


def _take(found: re.Match[str]) -> str:
    return f"const {found[1]} = {_variable(found[2])};\n" if found[1] else ""


def _variable(name: str) -> str:
    return "module_" + re.sub(r"\W", "_", name)


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
