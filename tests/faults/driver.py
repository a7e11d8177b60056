"""A service of one thread in a process of its own, which traces and tells how that went.

``python driver.py SETTINGS``, with a JSON object of

- ``block``: the tracing block;
- ``spans``: how many spans end in a row;
- ``dies``: whether they end three times, before, while and after the receiver is away; the process
  prints a line when it is to go, and when it is to come back, and waits for one each time;
- ``broken``: the promise to break first, a function of ``broken.py``.

The last line of its output is a JSON object with ``pause``, the seconds that the longest ``end()``
took, ``left_at``, when the script's last line was reached on the machine's monotonic clock, and
``status`` after everything has ended.
"""

from __future__ import annotations

import atexit
import importlib
import json
import logging
import sys
import time
from typing import Any

_FLUSH_SECONDS = 30.0
_MOST_TRIES = 20


def main() -> None:
    settings = json.loads(sys.argv[1])
    told: dict[str, Any] = {"pause": 0.0}
    # What is registered before bentotrace registers its own is called after it.
    atexit.register(_tell, told)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    if settings.get("broken"):
        getattr(importlib.import_module("broken"), settings["broken"])()
    import bentotrace

    tracing = told["tracing"] = bentotrace.build(settings["block"])
    tracer = tracing.provider.get_tracer("faults")

    def end(count: int) -> None:
        for number in range(count):
            span = tracer.start_span("work", attributes={"number": number, "text": "x" * 40})
            begin = time.perf_counter()
            span.end()
            told["pause"] = max(told["pause"], time.perf_counter() - begin)

    end(settings["spans"])
    if settings.get("dies"):
        tracing.flush(_FLUSH_SECONDS)
        _ask("may go")
        end(settings["spans"])
        tracing.flush(_FLUSH_SECONDS)
        _ask("may come back")
        for _ in range(_MOST_TRIES):
            end(1)
            if tracing.flush(_FLUSH_SECONDS):
                break
    told["left_at"] = time.monotonic()


def _ask(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()
    sys.stdin.readline()


def _tell(told: dict[str, Any]) -> None:
    tracing = told.pop("tracing")
    (destination,) = tracing.status().as_dict()["destinations"]
    sys.stdout.write(json.dumps({**told, "status": destination}) + "\n")


if __name__ == "__main__":
    main()
