from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Callable, Iterator

import pytest

from . import golden, slow_lines

with contextlib.suppress(ImportError):
    from hypothesis import settings

    # How long one example takes is the machine's affair.
    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")

# A shell starts what runs in the background with Ctrl-C ignored, and its children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.register(golden)
    pluginmanager.register(slow_lines)
    parser.addoption(
        "--no-skips",
        action="store_true",
        help="a skipped test is an error: what these tests need is installed",
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--no-skips"):
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None and reporter.stats.get("skipped"):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session", autouse=True)
def _outside_the_checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Work in another directory, so that processes import what is installed, not the checkout."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("elsewhere"))
    yield
    os.chdir(before)


@pytest.fixture
def raising_log_handler() -> Iterator[Callable[[], int]]:
    """Add a log handler that raises; return how many warnings it has got."""

    class Raising(logging.Handler):
        count = 0

        def emit(self, record: logging.LogRecord) -> None:
            self.count += 1
            raise RuntimeError(record.getMessage())

    handler = Raising(logging.WARNING)
    logger = logging.getLogger("bentotrace")
    logger.addHandler(handler)
    yield lambda: handler.count
    logger.removeHandler(handler)
