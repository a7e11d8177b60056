"""However many producers a process has, a healthy receiver gets every span, at default settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .processes import run_script

# Receiver and producers are in one process: what occupies the processors delays both.
SCRIPT = """
import asyncio
from bentotrace.testing import OTLPHTTPReceiver

def produce(kind, count):
    if kind == "asyncio":
        async def task():
            for _ in range(count // 100):
                end("span")
                await asyncio.sleep(0)
        async def tasks():
            await asyncio.gather(*(task() for _ in range(100)))
        asyncio.run(tasks())
        return
    threads = [threading.Thread(target=end, args=("span", count // kind)) for _ in range(kind)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

with OTLPHTTPReceiver() as receiver:
    otlp = {"protocol": "http", "endpoint": receiver.endpoint}
    tracing = bentotrace.configure({"exporter_type": "otlp", "sample_rate": 1.0, "otlp": otlp})
    # A receiver that is not known yet is waited for 0.25 s only, which a busy machine may take.
    end("first")
    assert tracing.flush(60)
    produce(json.loads(os.environ["KIND"]), 12_000)
    assert tracing.flush(60)
    status = tracing.status().destinations[0]
    received = sum(span.name == "span" for span in receiver.spans)
    print(json.dumps([status.ended, status.exported, status.dropped, received]))
"""


@pytest.mark.parametrize("kind", [1, 4, 16, "asyncio"])
def test_a_healthy_receiver_gets_the_spans_of_all_producers(
    tmp_path: Path, kind: int | str
) -> None:
    losses = []
    # An export that takes more than a second is not waited for, which a busy machine may cause.
    while 0 not in losses and len(losses) < 3:
        done = run_script(SCRIPT, {}, tmp_path, KIND=json.dumps(kind))
        assert done.code == 0, done.log
        ended, exported, dropped, received = json.loads(done.output)
        assert (ended, exported + dropped, received) == (12_001, 12_001, exported - 1)
        losses.append(dropped)
    assert 0 in losses, losses
