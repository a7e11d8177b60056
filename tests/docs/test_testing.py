"""The code in ``docs/testing.md`` runs, and its table has every attribute of the contract."""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trustme", reason="it creates the certificates of the page")

from bentotrace.testing.contract.base import Duties

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"(?<!-->\n)```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in PYTHON:
        exec(compile(block, "testing.md", "exec"), names)
    assert (tmp_path / "certificates" / "ca_file").exists()


def test_the_receiver_of_lines_keeps_and_rejects(tmp_path: Path) -> None:
    from bentotrace.testing.certificates import make_certificates

    (block,) = (block for block in PYTHON if "class LinesReceiver" in block)
    names: dict[str, Any] = {}
    exec(compile(block, "testing.md", "exec"), names)
    certificates = make_certificates(tmp_path)
    trusting = ssl.create_default_context(cafile=certificates.ca_file)
    span = {"trace_id": "1" * 32, "span_id": "2" * 16, "name": "a", "start_ns": 1, "end_ns": 2}
    line = json.dumps({**span, "attributes": {}, "events": [], "links": []})
    for context in (None, certificates.server_context()):
        with names["LinesReceiver"](ssl_context=context) as receiver:
            for text, response in ((line, b"ok\n"), ("{}", b"malformed\n")):
                with socket.create_connection((receiver.host, receiver.port), 30) as plain:
                    name = "127.0.0.1"
                    stream = trusting.wrap_socket(plain, server_hostname=name) if context else plain
                    with stream:
                        stream.sendall(f"{text}\n\n".encode())
                        assert stream.recv(100) == response
            assert [span.name for span in receiver.spans] == ["a"]
            assert len(receiver.errors) == 1


def test_every_attribute_of_the_contract_is_in_the_table() -> None:
    table = PAGE.partition("<!-- attributes -->")[2].partition("<!-- end -->")[0]
    listed = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.M))))
    assert listed == set(Duties.__annotations__)


def test_the_test_of_an_application_passes(tmp_path: Path) -> None:
    for name, block in re.findall(r"<!-- (\S+\.py) -->\n```python\n(.*?)```", PAGE, re.DOTALL):
        (tmp_path / name).write_text(block)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert "1 passed" in done.stdout, done.stdout
