"""The command ``bentotrace``; one module per subcommand."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: without the program's name; None for those of the process.

    Returns:
        The exit code: 0 on success, 1 for a problem, 2 for invalid arguments; a subcommand may
        have more.
    """
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except OSError:
        # Also from an import: rich 12 asks for the directory.
        reason = _missing_directory()
        if reason is None:
            raise
        sys.stderr.write(
            f"the working directory cannot be read: {reason}; change to another directory\n"
        )
        return 1


def _missing_directory() -> str | None:
    """Return why no relative path can be used, such as a deleted directory; None if it can."""
    try:
        os.getcwd()
    except OSError as error:
        return error.strerror
    return None


def _run(arguments: Sequence[str]) -> int:
    try:
        # Some commands import rich late; click may be there alone, as a dependency of others.
        import click  # noqa: F401
        import rich  # noqa: F401

        from bentotrace.cli.app import run
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] not in {"click", "rich"}:
            raise
        sys.stderr.write(
            f"the command bentotrace needs {error.name}; pip install 'bentotrace[cli]'\n"
        )
        return 2
    return run(arguments)
