"""The complete plugin in the documentation of the hooks is complete."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import bentotrace
from bentotrace import hookspecs

SCRIPT = """
import bentotrace
with bentotrace.build({"exporter_type": "acme", "sample_rate": 1}) as tracing:
    with tracing.provider.get_tracer("test").start_as_current_span("hello"):
        pass
assert tracing.status().destinations[0].exported == 1
"""


def _examples() -> list[str]:
    """The indented blocks after a line that ends in ``::``."""
    _, module, setup, extension = (hookspecs.__doc__ or "").split("::\n\n")
    return [
        textwrap.dedent(module.partition("\n\nand in")[0]),
        textwrap.dedent(setup.partition("\n\nOnly")[0]),
        textwrap.dedent(extension),
    ]


def test_the_example_plugin_exports_spans(tmp_path: Path) -> None:
    module, setup, _ = _examples()
    (tmp_path / "acme_tracing.py").write_text(module)
    info = tmp_path / "acme_tracing-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-tracing\nVersion: 1.0\n")
    section, line = "[bentotrace.exporters]", setup.strip().splitlines()[-1].strip()
    (info / "entry_points.txt").write_text(f"{section}\n{line}\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "ACME_TRACES_PATH": "from-env.txt"}

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    (line,) = (tmp_path / "from-env.txt").read_text().splitlines()
    assert json.loads(line)["name"] == "hello"


def test_the_example_extension_withholds_spans() -> None:
    module = types.ModuleType("acme_filter")
    exec(compile(_examples()[-1], "acme_filter.py", "exec"), vars(module))
    block = {
        "exporter_type": "console",
        "sample_rate": 1,
        "extensions": ["acme_filter"],
        "acme_filter": {"names": ["GET /healthz"]},
    }
    with bentotrace.build(block, plugins=[module]) as tracing:
        for name in ("GET /healthz", "GET /orders"):
            tracing.provider.get_tracer("test").start_span(name).end()
    status = tracing.status().destinations[0]
    assert (status.exported, status.dropped_by_reason) == (1, {"filtered": 1})


def test_every_hook_of_the_specification_is_documented() -> None:
    hooks = [name for name in hookspecs.__all__ if name.startswith("bentotrace_")]

    assert hooks == ["bentotrace_exporter", "bentotrace_extension", "bentotrace_wrap_exporter"]
    for name in hooks:
        assert getattr(hookspecs, name).__doc__
