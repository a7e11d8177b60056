"""The exporter with another client library of ``docs/first-exporter.md``, under the contract."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("httpx", reason="the exporter of the page uses it")

PAGE = (Path(__file__).parents[2] / "docs" / "first-exporter.md").read_text(encoding="utf-8")
_OPTIONS = """
from attrs import frozen
from bentotrace.plugin import option


@frozen
class AcmeOptions:
    endpoint: str = option(default="http://localhost:8123/spans", help="The URL.")
"""
_HOOK = """
from bentotrace.hookspecs import hookimpl
from bentotrace.plugin import ExporterPlugin, Stability
from bentotrace_acme.options import AcmeOptions


def create(options, context):
    from bentotrace_acme.exporter import AcmeExporter

    return AcmeExporter(options, context)


@hookimpl
def bentotrace_exporter():
    return ExporterPlugin(
        name="acme",
        config=AcmeOptions,
        create=create,
        summary="Spans over httpx",
        stability=Stability.EXPERIMENTAL,
    )
"""
_CONTRACT = """
import bentotrace_acme
from bentotrace.testing.contract import ExporterContract
from bentotrace_acme_receiver import AcmeReceiver


class TestAcme(ExporterContract):
    exporter_type = "acme"
    plugin = bentotrace_acme
    receiver = AcmeReceiver
    options = {"endpoint": lambda receiver: receiver.endpoint}
    lost_fields = frozenset({LOST})
"""


def block(before: str) -> str:
    """Return the block of the page below a comment or a line."""
    found = re.search(rf"{re.escape(before)}\n```python\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None, before
    return found[1]


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    package = tmp_path / "bentotrace_acme"
    package.mkdir()
    (package / "__init__.py").write_text(_HOOK)
    (package / "options.py").write_text(_OPTIONS)
    (package / "encoder.py").write_text(block("<!-- src/bentotrace_acme/encoder.py -->"))
    (package / "exporter.py").write_text(block("<!-- example: exporter.py -->"))
    (tmp_path / "bentotrace_acme_receiver.py").write_text(
        block("<!-- tests/bentotrace_acme_receiver.py -->")
    )
    lost = re.search(r"lost_fields = frozenset\(\n\+ *\{(.*?)\}", PAGE, re.DOTALL)
    assert lost is not None
    fields = ", ".join(re.findall(r'"\w+"', lost[1]))
    (tmp_path / "test_contract.py").write_text(_CONTRACT.replace("{LOST}", f"{{{fields}}}"))

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}"},
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 0, done.stdout
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) >= 20
