"""The command ``bentotrace``; one module per subcommand."""

from __future__ import annotations

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
    return run(sys.argv[1:] if arguments is None else arguments)
