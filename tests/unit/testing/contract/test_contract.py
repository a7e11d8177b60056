"""Every duty of the kit is shown to fail, by an exporter that breaks this one only."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jinja2", reason="the extra authors brings it")

import bentotrace_console

from bentotrace.cli.new_exporter import render_exporter
from bentotrace.testing.contract import ExporterContract
from bentotrace.testing.contract.failing import FailingDuties

from ....golden import Golden
from .broken import ROWS
from .changes import OPTIONS, Change, Row

DUTIES = {name for name in dir(ExporterContract) if name.startswith("test_")}
_FAILED = re.compile(r"^(?:FAILED|ERROR) \S*::(test_\w+)", re.MULTILINE)
_MESSAGE = re.compile(r"^E   (?:Failed|bentotrace\S+InvalidPluginError): (.+)", re.MULTILINE)
_OWN = re.compile(r"(?<=127\.0\.0\.1):\d+|(?<=\.py):\d+|(?<=Error): [^;]*(?=; )")
# The tests of failures wait; a row of another duty leaves them out.
_QUICK = "not (forked or counted or keeps_its_timeout or comes_back or tls)"
_FAST = "    supports_headers = True\n    timeout = 0.15\n"


def write(folder: Path, row: Row) -> None:
    """Write the broken exporter, its tests, and the metadata of its distributions."""
    changed = 0
    for name, text in render_exporter("acme", "http", extension=False):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for change in row.changes:
            if path.name == change.file and path.parent.name == "bentotrace_acme":
                assert text.count(change.old) == 1, change
                text = text.replace(change.old, change.new)
                changed += 1
        if path.name == "__init__.py":
            head, hook = text.split("\n\n@hookimpl")
            text = f"{head}\n{row.code}\n\n@hookimpl{hook}"
        path.write_text(text.replace("    supports_headers = True\n", _FAST))
    assert changed == len(row.changes)
    for number in range(row.claims):
        info = folder / "src" / f"acme_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: acme-{number}\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text("[bentotrace.exporters]\nacme = bentotrace_acme\n")


def failed_duties(folder: Path, *arguments: str) -> tuple[set[str], str]:
    """Run the tests of an exporter in a process of their own, and return those that failed."""
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "--tb=line", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "tests/test_contract.py", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return set(_FAILED.findall(done.stdout)), done.stdout


def messages(output: str) -> list[str]:
    """Return what the failed tests tell an author, without ports, lines and Python's own texts."""
    found = [_OWN.sub("", line) for line in dict.fromkeys(_MESSAGE.findall(output))]
    assert found, output
    return found


def test_every_duty_has_a_broken_exporter() -> None:
    assert {f"test_{row.duty}" for row in ROWS} == DUTIES


def test_the_good_exporter_keeps_every_duty(tmp_path: Path) -> None:
    write(tmp_path, Row("good", ""))
    failed, output = failed_duties(tmp_path)
    assert not failed, output
    assert "skipped" not in output


def test_a_library_may_try_out_a_socket_when_it_is_imported(tmp_path: Path) -> None:
    body = """
    def change(self, options, context):
        import socket
        with socket.socket() as tried:
            tried.bind(("127.0.0.1", 0))
        return super().change(options, context)
"""
    write(tmp_path, Row("a library", "", body=body))
    failed, output = failed_duties(tmp_path, "-k", "create")
    assert not failed, output


def test_a_module_whose_exporter_has_another_name_fails() -> None:
    class Wrong(ExporterContract):
        exporter_type = "acne"
        plugin = bentotrace_console

    with pytest.raises(pytest.fail.Exception, match="no exporter named 'acne'"):
        Wrong().test_the_descriptor_keeps_the_contract()


@pytest.mark.one_python
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name.replace(" ", "-"))
def test_a_broken_exporter_fails_in_its_duty_only(tmp_path: Path, row: Row, golden: Golden) -> None:
    write(tmp_path, row)
    selected = "not forked" if f"test_{row.duty}" in vars(FailingDuties) else _QUICK
    arguments = () if "fork" in row.duty else ("-k", selected)
    failed, output = failed_duties(tmp_path, *arguments)
    assert failed == {f"test_{row.duty}"}, output
    golden(messages(output))


def test_secrets_that_need_another_option_are_to_be_set_in_the_class(tmp_path: Path) -> None:
    row = Row(
        "token needs a user",
        "secrets_are_shown_nowhere",
        (
            Change(
                OPTIONS,
                "        if self.resolved().tls:",
                "        if self.token is not None and self.user is None:\n"
                '            raise ValueError("token needs user")\n'
                "        if self.resolved().tls:",
            ),
            Change(
                OPTIONS,
                "    token: str",
                '    user: str | None = option(default=None, help="Name.")\n    token: str',
            ),
        ),
    )
    write(tmp_path, row)
    failed, output = failed_duties(tmp_path, "-k", "secrets")
    assert failed == {"test_secrets_are_shown_nowhere"}
    assert "the options token, headers with secrets are refused: " in output
    assert "token needs user; set secrets to options that are valid together" in output

    tests = tmp_path / "tests" / "test_contract.py"
    text = tests.read_text().replace(
        _FAST, f'{_FAST}    secrets = {{"user": "me", "token": "hunter2-contract-secret"}}\n'
    )
    tests.write_text(text)
    assert failed_duties(tmp_path, "-k", "secrets")[0] == set()
