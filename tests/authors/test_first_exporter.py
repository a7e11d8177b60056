"""Every step of ``docs/first-exporter.md``, in the order of the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

Run = Callable[..., str]

PAGE = (Path(__file__).parents[2] / "docs" / "first-exporter.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"(?:<!-- (.*?) -->\n)?```(\w+)\n(.*?)```", re.DOTALL)
# pip would look in the package index for bentotrace and its dependencies, which are installed.
_NOT_HERE = ("pip install 'bentotrace[authors]'", "pip install build")


class Block(NamedTuple):
    """A block of the page: what the comment above it says, its language and its text."""

    action: str
    language: str
    text: str


class Author:
    """Does what the page says, in a directory that becomes the distribution's."""

    def __init__(self, folder: Path, run: Run) -> None:
        self.folder = folder
        self.installed = folder / "installed"
        self.here = folder
        self.run = run
        self.failed_tests: list[set[str]] = []
        self.printed = ""
        self.server: subprocess.Popen[str] | None = None
        self.port = 8123

    def do(self, block: Block) -> None:
        if block.action.startswith("example") or (not block.action and block.language != "sh"):
            return
        if block.language == "sh":
            if block.text.startswith("python -c"):
                self.start(block.text)
                return
            for line in block.text.splitlines():
                self.command(line)
        elif block.language == "diff":
            self.change(self.here / block.action, block.text.splitlines(keepends=True))
        else:
            (self.here / block.action).write_text(block.text)

    def change(self, file: Path, lines: list[str]) -> None:
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        text = file.read_text()
        assert text.count(old) == 1, (file, old)
        file.write_text(text.replace(old, new))

    def command(self, line: str) -> None:
        if line in _NOT_HERE:
            return
        if line.startswith("cd "):
            self.here /= line.removeprefix("cd ")
        elif line.startswith("pip install -e"):
            self.install_wheel(self.build("editable"))
        elif line == "pytest":
            self.test()
        elif line == "python -m build --wheel":
            self.build("dist")
        elif line == "pip install dist/*.whl":
            (wheel,) = (self.here / "dist").glob("*.whl")
            self.install_wheel(wheel)
        elif line.endswith("--format markdown"):
            self.paste(self.run(*line.split(), cwd=self.here, path=self.sources))
        else:
            self.printed += self.run(*line.split(), cwd=self.here, path=self.installed)

    @property
    def sources(self) -> str:
        """The path on which an editable installation would be found."""
        return f"{self.here / 'src'}{os.pathsep}{self.installed}"

    def build(self, output: str) -> Path:
        build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", output)
        self.run(*build, cwd=self.here)
        (wheel,) = (self.here / output).glob("*.whl")
        return wheel

    def install_wheel(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as file:
            file.extractall(self.installed)

    def test(self) -> None:
        """Run the tests with the sources of this moment, as an editable installation does."""
        command = [sys.executable, "-m", "pytest", "-q", "--tb=line", "-p", "no:cacheprovider"]
        done = subprocess.run(
            command,
            cwd=self.here,
            env={**os.environ, "PYTHONPATH": self.sources},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert " passed" in done.stdout, done.stdout
        self.failed_tests.append(set(re.findall(r"^FAILED \S*::(\w+)", done.stdout, re.M)))

    def paste(self, table: str) -> None:
        """Replace the table of the README."""
        file = self.here / "README.md"
        text, count = re.subn(r"(?m)^\| option \|(.*\n\|)*.*\n", lambda _: table, file.read_text())
        assert count == 1
        file.write_text(text)

    def start(self, text: str) -> None:
        """Start the receiver of the page, on a free port."""
        script = text.removeprefix("python -c '").rstrip("\n").removesuffix("'")
        assert "port=8123" in script
        script = script.replace("port=8123", "port=0")
        script = script.replace(
            "as receiver:", "as receiver:\n    print(receiver.port, flush=True)"
        )
        self.server = subprocess.Popen(
            [sys.executable, "-c", script], cwd=self.here, stdout=subprocess.PIPE, text=True
        )
        assert self.server.stdout is not None
        self.port = int(self.server.stdout.readline())


def test_every_step_of_the_page_works(tmp_path: Path, run: Run) -> None:
    author = Author(tmp_path, run)
    try:
        for action, language, text in _BLOCK.findall(PAGE):
            author.do(Block(action, language, text.replace(":8123", f":{author.port}")))
        assert author.server is not None
        printed, _ = author.server.communicate(timeout=60)
    finally:
        if author.server is not None:
            author.server.kill()
            author.server.wait(10)

    assert author.failed_tests == [set(), {"test_every_field_arrives"}, set(), set()]
    assert printed == "GET /orders {'order': 7}\n"
    assert (
        "/spans?table=orders: 1 ended = 1 exported, 0 failed, 0 dropped, 0 pending"
        in author.printed
    )
    for command in (("ruff", "check", "src", "tests"), ("mypy",)):
        run(*command, cwd=author.here)
