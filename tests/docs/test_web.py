"""What the page on web services says is true."""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path

import pytest

import bentotrace
from bentotrace.pipeline.urls import URLPatterns

PAGE = (Path(__file__).parents[2] / "docs" / "web.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", blocks("yaml"))
def test_a_configuration_in_the_page_is_good(text: str, tmp_path: Path) -> None:
    file = tmp_path / "tracing.yaml"
    file.write_text(text, encoding="utf-8")

    config = bentotrace.load_config(file)

    assert config.exporters
    assert not config.notes


def test_the_python_in_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("asgi", "wsgi", "grpc"):
        reason = "the extras asgi, wsgi and grpc-instrumentation are not all installed"
        pytest.importorskip(f"opentelemetry.instrumentation.{package}", reason=reason)
    structlog = pytest.importorskip("structlog", reason="the page shows structlog, too")
    (tmp_path / "tracing.yaml").write_text(blocks("yaml")[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bentotrace, "configure", bentotrace.build)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    names: dict[str, object] = {}
    try:
        for block in blocks("python"):
            exec(compile(block, "docs/web.md", "exec"), names)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()

    tracing, channel = names["tracing"], names["channel"]
    assert isinstance(tracing, bentotrace.Tracing)
    tracing.shutdown()
    channel.close()  # type: ignore[attr-defined]
    assert "bentotrace.integrations.logs" in sys.modules


@pytest.mark.parametrize("row", re.findall(r"^\| `(.+)` \| (.*) \| (.*) ?\|$", PAGE, re.MULTILINE))
def test_the_table_of_patterns_is_true(row: tuple[str, str, str]) -> None:
    pattern, matching, others = row
    patterns = URLPatterns([pattern])

    for text, matches in ((matching, True), (others, False)):
        urls = re.findall("`((?:http:/)?/[^`]+)`", text)
        assert urls or not matches
        for url in urls:
            name = "url.path" if url.startswith("/") else "url.full"
            assert (patterns.find({name: url}) is not None) is matches, url
