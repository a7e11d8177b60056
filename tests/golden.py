"""Golden texts: what users read, word for word, in files that ``--update-golden`` rewrites.

The texts of ``tests/ROOM/test_X.py`` are in ``tests/data/golden/ROOM/test_X.txt``, one entry for
each test, or for each name that a test gives.
"""

from __future__ import annotations

import difflib
import fcntl
import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Golden", "find_stale", "golden"]

SWITCH = "--update-golden"
FOLDER = Path("data", "golden")
_HEAD = re.compile(r"^=== (.+)\n", re.MULTILINE)
_collected = pytest.StashKey[dict[Path, set[str]]]()
_passed = pytest.StashKey[bool]()


class Golden:
    """Compares texts with those in files, or writes them there.

    Args:
        test: the id of the test in its module.
        file: where its texts are.
        update: whether they are written.
        known: values that differ between runs, and what stands for each in the files.
    """

    def __init__(self, test: str, file: Path, update: bool, known: Mapping[str, str]) -> None:
        self.test = test
        self.file = file
        self.update = update
        self.known = known
        self.used: set[str] = set()

    def __call__(self, text: str | Sequence[str], name: str = "", **values: object) -> None:
        """Compare a text, or lines of one, with its entry.

        Args:
            text: the text.
            name: tells the texts of one test apart.
            values: what differs between runs, by the name that stands for it in the file.

        Raises:
            AssertionError: it is another text; the message is a diff.
        """
        __tracebackhide__ = True
        text = self._masked(text, values)
        key = f"{self.test} / {name}" if name else self.test
        assert key not in self.used, f"two golden texts are called {key!r}; name them apart"
        assert not _HEAD.search(text), f"a line of the text begins as an entry does:\n{text}"
        self.used.add(key)
        if not self.update:
            _compare(text, read(self.file).get(key), f"{self.file}: {key}")
            return
        with _changing(self.file) as entries:
            entries[key] = text

    def file_is(self, path: Path, text: str | Sequence[str], **values: object) -> None:
        """Compare a text with a whole file."""
        __tracebackhide__ = True
        text = self._masked(text, values) + "\n"
        if self.update:
            path.write_text(text, encoding="utf-8")
        _compare(text, path.read_text(encoding="utf-8") if path.exists() else None, str(path))

    def _masked(self, text: str | Sequence[str], values: Mapping[str, object]) -> str:
        text = text if isinstance(text, str) else "\n".join(text)
        known = {str(value): name for name, value in values.items()} | self.known
        for value in sorted(known, key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", f"<{known[value]}>", text)
        # Git takes a file with such characters for no text.
        return re.sub(r"[\0-\x08\x0b-\x1f]", lambda found: f"<{ord(found[0]):02X}>", text)

    def finish(self) -> None:
        """Find entries of this test that it did not ask for; an update deletes them."""
        entries = read(self.file)
        unused = sorted(key for key in entries if _is_of(key, self.test) and key not in self.used)
        if self.update and unused:
            with _changing(self.file) as entries:
                for key in unused:
                    del entries[key]
        elif unused:
            pytest.fail(f"{self.file}: not asked for: {unused}; {SWITCH} deletes them", False)


@pytest.fixture
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Golden]:
    """Compare texts with golden ones; see :class:`Golden`."""
    item = request.node
    known = {
        str(tmp_path): "TMP",
        version("bentotrace"): "VERSION",
        platform.python_version(): "PYTHON",
    }
    made = Golden(
        item.nodeid.partition("::")[2], _file_of(item), item.config.getoption(SWITCH), known
    )
    yield made
    if request.node.stash.get(_passed, False):
        made.finish()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Remember for ``golden`` that a test passed."""
    report = yield
    if report.when == "call":
        item.stash[_passed] = report.passed
    return report


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switch."""
    parser.addoption(SWITCH, action="store_true", help="rewrite the golden texts that differ")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse the switch where nobody would see the diff."""
    if config.getoption(SWITCH) and os.environ.get("CI"):
        raise pytest.UsageError(f"{SWITCH} is not for CI: look at the diff, and commit it")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the ids of every test before some are deselected; an update deletes stale entries."""
    found: dict[Path, set[str]] = {}
    for item in items:
        found.setdefault(_file_of(item), set()).add(item.nodeid.partition("::")[2])
    config.stash[_collected] = found
    if config.getoption(SWITCH):
        for file, keys in find_stale(config).items():
            if keys:
                with _changing(file) as entries:
                    for key in keys:
                        entries.pop(key, None)
            else:
                file.unlink(missing_ok=True)


def find_stale(config: pytest.Config) -> dict[Path, list[str]]:
    """Find golden files without a test module, and entries without a test.

    Entries are looked at where all tests of their module were collected.

    Returns:
        The files, and of each the entries: none where it is the file that is stale.
    """
    tests = config.rootpath / "tests"
    stale: dict[Path, list[str]] = {}
    part = any("::" in argument for argument in config.args)
    for file in sorted((tests / FOLDER).rglob("*.txt")):
        module = tests / file.relative_to(tests / FOLDER).with_suffix(".py")
        known = config.stash[_collected].get(file)
        if not module.exists():
            stale[file] = []
        elif known is not None and not part:
            keys = [key for key in read(file) if not any(_is_of(key, test) for test in known)]
            stale |= {file: keys} if keys else {}
    return stale


def read(file: Path) -> dict[str, str]:
    """Read the entries of a golden file."""
    try:
        content = file.read_text(encoding="utf-8")
    except FileNotFoundError:  # another process of the update may delete it at any moment
        return {}
    _, *parts = _HEAD.split(content)
    texts = (text.removesuffix("\n\n") for text in parts[1::2])
    return dict(zip(parts[::2], texts, strict=True))


@contextmanager
def _changing(file: Path) -> Iterator[dict[str, str]]:
    """Read entries, and write them when the block has changed them; one process at a time."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(file.parent, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = read(file)
        entries = dict(before)
        yield entries
        if entries == before:
            return
        written = "".join(f"=== {key}\n{text}\n\n" for key, text in sorted(entries.items()))
        if written:
            file.write_text(written, encoding="utf-8")
        else:
            file.unlink()
    finally:
        os.close(lock)


def _is_of(key: str, test: str) -> bool:
    return key == test or key.startswith(f"{test} / ")


def _file_of(item: pytest.Item) -> Path:
    tests = item.config.rootpath / "tests"
    if tests not in item.path.parents:
        return item.path.with_suffix(".txt")
    return tests / FOLDER / item.path.relative_to(tests).with_suffix(".txt")


def _compare(text: str, golden: str | None, where: str) -> None:
    __tracebackhide__ = True
    if text == golden:
        return
    if golden is None:
        raise AssertionError(f"{where}: there is no golden text; {SWITCH} writes it:\n{text}")
    lines = difflib.unified_diff(
        golden.splitlines(), text.splitlines(), "golden", "now", lineterm=""
    )
    # Where only the ends of the texts differ, their lines are the same.
    diff = "\n".join(lines) or f"{golden!r}\n{text!r}"
    raise AssertionError(f"{where}: another text; {SWITCH} writes it:\n{diff}")
