"""``python -m bentotrace``: the command, where its script is not on PATH."""

import sys

from bentotrace.cli import main

if __name__ == "__main__":
    sys.exit(main())
