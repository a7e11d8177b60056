"""The child processes of libraries that end without Python's exit, and their own hooks for it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["call_after_jobs", "call_at_end_of_child"]

_MARK = "__bentotrace__"


def call_at_end_of_child(function: Callable[[], object]) -> None:
    """Call a function at the end of this process if it is one of multiprocessing or billiard.

    Such a child does not run ``atexit`` hooks before Python 3.13, and from then on not those that
    its parent registered. One of a pool of billiard, as Celery's are, ends by ``os._exit``.
    """
    process: Any = None
    # Another thread may be importing these modules.
    parent_process = getattr(sys.modules.get("multiprocessing.process"), "parent_process", None)
    is_child = parent_process is not None and parent_process() is not None
    current_process = getattr(sys.modules.get("billiard.process"), "current_process", None)
    if current_process is not None:
        process = current_process()
        is_child = is_child or process.name != "MainProcess"
    # Celery's signal worker_process_shutdown is for its own pools only.
    worker: Any = getattr(process, "_target", None)
    kind: Any = getattr(sys.modules.get("billiard.pool"), "Worker", ())
    if isinstance(worker, kind):
        before = worker.on_exit

        def on_exit(*arguments: object) -> None:
            try:
                if before is not None:
                    before(*arguments)
            finally:
                function()

        worker.on_exit = on_exit
    elif is_child:
        from multiprocessing.util import Finalize

        # Runs after the queues and managers of multiprocessing, which have higher priorities.
        # The finalizers of billiard are the same.
        Finalize(None, function, exitpriority=-100)


def call_after_jobs(function: Callable[[], object]) -> None:
    """Call a function after each job of RQ in a forked child, which then ends by ``os._exit``."""
    worker: Any = getattr(sys.modules.get("rq.worker"), "Worker", None)
    perform_job = getattr(worker, "perform_job", None)
    if perform_job is None or hasattr(perform_job, _MARK):
        return

    @functools.wraps(perform_job)
    def perform_and_call(*args: Any, **kwargs: Any) -> Any:
        try:
            return perform_job(*args, **kwargs)
        finally:
            function()

    setattr(perform_and_call, _MARK, True)
    worker.perform_job = perform_and_call
