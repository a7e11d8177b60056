"""A destination whose spool is damaged again and again, and the spans that it exports then."""

from __future__ import annotations

import logging
import os
import random
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bentotrace
from bentotrace.pipeline.build import build_tracing
from bentotrace.testing import ZipkinReceiver

from .damages import Damager, make_templates, unchanged

SOON = 20.0
FRESH = ("fresh 1", "fresh 2", "fresh 3")
# In memory, where a sync takes no time.
MEMORY = "/dev/shm"


def export_despite_damage(seeds: range) -> None:
    """Damage files in random ways; check that fresh spans arrive and that the account is right."""
    memory = MEMORY if os.path.isdir(MEMORY) else None
    with (
        tempfile.TemporaryDirectory(dir=memory) as scratch,
        ZipkinReceiver() as receiver,
        unchanged(Path(scratch, "victim")) as victim,
        no_thread_dies(),
    ):
        make_templates(Path(scratch, "templates"))
        damager = Damager(Path(scratch, "templates"), victim)
        service = Service(receiver, Path(scratch, "spool"))
        for seed in seeds:
            shutil.rmtree(service.path.parent)
            service.path.parent.mkdir()
            receiver.clear()
            export = service.export_during_damage if seed % 2 else service.export_after_damage
            try:
                export(damager, random.Random(seed))
            except BaseException as error:
                raise AssertionError(f"seed {seed}") from error


@contextmanager
def no_thread_dies() -> Iterator[None]:
    """Check that no thread ends by an exception; log nothing."""
    ended: list[Any] = []
    hook, threading.excepthook = threading.excepthook, ended.append
    logging.disable()
    try:
        yield
    finally:
        threading.excepthook = hook
        logging.disable(logging.NOTSET)
    assert ended == []


class Service:
    """A destination with a spool at ``path``."""

    def __init__(self, receiver: ZipkinReceiver, directory: Path) -> None:
        self._receiver = receiver
        self._config = bentotrace.load_config(
            {
                "exporter_type": "zipkin",
                "sample_rate": 1.0,
                "timeout": 5.0,
                "processor": {"max_export_batch_size": 10, "shutdown_timeout": SOON},
                "spool": {"path": str(directory)},
                "zipkin": {"endpoint": receiver.endpoint},
            }
        )
        build_tracing(self._config).shutdown()
        (self.path,) = directory.glob("*.sqlite")

    def export_after_damage(self, damager: Damager, chance: random.Random) -> None:
        """Damage what another process left."""
        done = [damager.put_example(chance, self.path)]
        done += damager.damage(chance, self.path)
        with build_tracing(self._config) as tracing:
            end_spans(tracing, *FRESH)
            tracing.flush(SOON)
            (status,) = tracing.status().destinations
        counts = (status.ended, status.exported, status.pending, status.spooled)
        assert counts == (3, 3, 0, 0), (done, status)
        self._check_arrived(done)

    def export_during_damage(self, damager: Damager, chance: random.Random) -> None:
        """Damage the file while this process has spans in it."""
        with build_tracing(self._config) as tracing:
            # More than the attempts until the damage, also on a slow machine.
            self._receiver.respond_with(401, times=1000)
            end_spans(tracing, "old 1")
            tracing.flush(SOON)
            end_spans(tracing, *[f"old {number}" for number in range(2, chance.choice([3, 20]))])
            tracing.flush(SOON)
            assert tracing.status().destinations[0].spooled > 1
            done = damager.damage(chance, self.path, live=True)
            self._receiver._scripted.clear()
            end_spans(tracing, *FRESH)
            # The first attempt may end at the damage.
            assert any(tracing.flush(SOON) for _ in range(3)) or not self.path.is_file(), done
            (status,) = tracing.status().destinations
        assert status.exported + status.dropped == status.ended, (done, status)
        assert set(status.dropped_by_reason) <= {"spool_damaged", "spool_full"}, (done, status)
        self._check_arrived(done)

    def _check_arrived(self, done: list[str]) -> None:
        assert {span.name for span in self._receiver.spans} >= {*FRESH}, done


def end_spans(tracing: bentotrace.Tracing, *names: str) -> None:
    tracer = tracing.provider.get_tracer("test")
    for name in names:
        tracer.start_span(name).end()
