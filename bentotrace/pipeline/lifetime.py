"""The forks and the end of the process, for every pipeline that runs in it.

The hooks of ``os.register_at_fork`` can never be taken back, so there is one for all pipelines,
and it refers to them weakly.
"""

from __future__ import annotations

import atexit
import os
import sys
import weakref
from typing import Protocol

from bentotrace.pipeline.status import Status
from bentotrace.transport.deadline import Deadline

__all__ = ["close_at_end_of_child", "end_all", "flush_all", "forget", "pipelines", "watch"]


class Pipeline(Protocol):
    """What is told of forks and of the end."""

    @property
    def shutdown_timeout(self) -> float:
        """Seconds that its shutdown may take."""

    @property
    def sdk_metrics(self) -> bool:
        """Whether its counts are metrics too."""

    def after_fork(self) -> None:
        """Start afresh in a forked child."""

    def status(self) -> Status:
        """Count the spans of every destination."""

    def flush(self, timeout: float) -> bool:
        """Export what is queued, within seconds."""

    def begin_shutdown(self) -> None:
        """Begin what :meth:`end_shutdown` waits for."""

    def end_shutdown(self, deadline: Deadline) -> bool:
        """Wait for it, no longer than the deadline."""


class _Process:
    def __init__(self) -> None:
        # In the order in which they were built, with whether each still runs.
        self.pipelines: weakref.WeakKeyDictionary[Pipeline, bool] = weakref.WeakKeyDictionary()
        self.child = 0

    def running(self) -> list[Pipeline]:
        return [pipeline for pipeline, runs in list(self.pipelines.items()) if runs]

    def after_fork(self) -> None:
        for pipeline in self.running():
            pipeline.after_fork()

    def end(self) -> None:
        """Shut all down at the same time, each within its own bound."""
        begun = []
        for pipeline in self.running():
            pipeline.begin_shutdown()
            begun.append((pipeline, Deadline.after(pipeline.shutdown_timeout)))
        for pipeline, deadline in begun:
            pipeline.end_shutdown(deadline)

    def flush(self) -> None:
        """Have all export what is queued, together no longer than the most patient of them."""
        pipelines = self.running()
        longest = max((pipeline.shutdown_timeout for pipeline in pipelines), default=0.0)
        deadline = Deadline.after(longest)
        for pipeline in pipelines:
            pipeline.flush(deadline.remaining())

    def close_at_end_of_child(self) -> None:
        if self.child == os.getpid():
            return
        self.child = os.getpid()
        process = sys.modules.get("multiprocessing.process")
        # Another thread may just be importing it.
        parent_process = getattr(process, "parent_process", None)
        if parent_process is not None and parent_process() is not None:
            from multiprocessing.util import Finalize

            # After the queues and managers of multiprocessing, whose priorities are higher.
            Finalize(None, self.end, exitpriority=-100)


_PROCESS = _Process()

atexit.register(_PROCESS.end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_PROCESS.after_fork)


def watch(pipeline: Pipeline) -> None:
    """Tell a pipeline of forks, and shut it down when the process ends; keeps it not alive."""
    _PROCESS.pipelines[pipeline] = True


def forget(pipeline: Pipeline) -> None:
    """Leave a pipeline alone that has ended."""
    _PROCESS.pipelines[pipeline] = False


def pipelines() -> tuple[Pipeline, ...]:
    """List the pipelines of this process, also those that have ended, in the order of building."""
    return tuple(_PROCESS.pipelines)


def flush_all() -> None:
    """Have all pipelines export what is queued, within their ``processor.shutdown_timeout``."""
    _PROCESS.flush()


def end_all() -> None:
    """Shut all pipelines down, as the end of the process does."""
    _PROCESS.end()


def close_at_end_of_child() -> None:
    """See to it that the pipelines are shut down when a child of ``multiprocessing`` ends.

    Such a child leaves without what was registered with ``atexit``: all of it before Python 3.13,
    and from then on what its parent registered.
    """
    _PROCESS.close_at_end_of_child()
