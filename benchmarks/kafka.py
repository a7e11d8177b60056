"""Services, Kafka and Jaeger as ``deploy/compose/kafka.yaml`` has them: spans per second, memory.

Each service is a process that ends spans as fast as Kafka confirms them. Jaeger reads from the
topic meanwhile; the run is over when it has stored all. Run it as ``python benchmarks/kafka.py``
with the Python of ``.tox/e2e``; ``tests/e2e/servers/install`` installs Jaeger and Kafka.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.brokers import Kafka

ROOT = Path(__file__).parents[1]
SPANS_OF_A_TRACE = 10
# Fewer than the queue of a service takes, so that none is dropped.
MOST_PENDING = 1_500
PATIENCE = 300.0
GROUP = "jaeger"
TOPIC = "otlp_spans"


def send(broker: str, compression: str, count: int) -> None:
    """End spans in traces of ten; print the seconds until all are confirmed, and the memory."""
    import bentotrace

    options = {"brokers": broker, "compression": compression}
    tracing = bentotrace.build({"exporter_type": "kafka", "sample_rate": 1, "kafka": options})
    tracer = tracing.provider.get_tracer("benchmark")
    started = time.perf_counter()
    for number in range(count // SPANS_OF_A_TRACE):
        with tracer.start_as_current_span("POST /classify"):
            for child in range(SPANS_OF_A_TRACE - 1):
                attributes = {
                    "http.route": "/classify",
                    "url.path": f"/classify/{child}",
                    "n": number,
                }
                tracer.start_span("predict", attributes=attributes).end()
        while tracing.status().destinations[0].pending > MOST_PENDING:
            time.sleep(0.001)
    tracing.flush(PATIENCE)
    seconds = time.perf_counter() - started
    status = tracing.status().destinations[0]
    assert status.exported == status.ended == count, status
    print(seconds, memory_of("self"))
    tracing.shutdown()


def memory_of(pid: int | str) -> int:
    """Return the most memory that a process has used, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def children() -> set[str]:
    """Return the numbers of the processes that this one has started."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {number for task in tasks for number in task.read_text("ascii").split()}


def messages(kafka: Kafka) -> tuple[int, int]:
    """Return the number of messages in the topic, and how many of these Jaeger has stored."""
    from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, TopicPartition

    reader = Consumer({"bootstrap.servers": kafka.address, "group.id": "benchmark"})
    numbers = reader.list_topics(TOPIC).topics[TOPIC].partitions
    ends = [reader.get_watermark_offsets(TopicPartition(TOPIC, each))[1] for each in numbers]
    reader.close()
    admin = kafka.admin()
    request = [ConsumerGroupTopicPartitions(GROUP)]
    (future,) = admin.list_consumer_group_offsets(request).values()
    stored = sum(max(0, each.offset) for each in future.result().topic_partitions)
    return sum(ends), stored


def measure(services: int, compression: str, count: int) -> None:
    """Run all, and print a row of a table."""
    sys.path.insert(0, str(ROOT))
    from tests.e2e.brokers import running_kafka
    from tests.e2e.deployed import running_ingester
    from tests.e2e.processes import installed

    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (directory / "jaeger").mkdir()
        kafka = stack.enter_context(running_kafka(installed("kafka", print), directory))
        before = children()
        stack.enter_context(
            running_ingester(installed("jaeger", print), directory / "jaeger", kafka.address)
        )
        (jaeger,) = children() - before
        begun = time.perf_counter()
        arguments = ["--send", kafka.address, "--spans", str(count), "--compression", compression]
        command = [sys.executable, __file__, *arguments]
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(services)]
        outputs = [process.communicate()[0].split() for process in processes]
        sent = services * count / max(float(seconds) for seconds, _ in outputs)
        stored_after = 0.0
        while time.perf_counter() - begun < PATIENCE:
            total, stored = messages(kafka)
            if stored >= total:
                stored_after = time.perf_counter() - begun
                break
            time.sleep(0.2)
        assert stored_after, (total, stored)
        size = sum(path.stat().st_size for path in kafka.data.glob(f"{TOPIC}-*/*.log"))
        mebibytes = [
            f"{memory / 2**20:.0f} MiB"
            for memory in (
                max(int(memory) for _, memory in outputs),
                memory_of(kafka.process.pid),
                memory_of(jaeger),
            )
        ]
        figures = [services, compression, f"{services * count:,}", f"{sent:,.0f}"]
        figures += [f"{services * count / stored_after:,.0f}", *mebibytes]
        print("|", " | ".join(map(str, [*figures, f"{size / (services * count):.0f}"])), "|")


def main() -> None:
    """Measure, or send as one of the services."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=100_000, help="of each service")
    parser.add_argument("--services", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--compression", default="none")
    parser.add_argument("--send", metavar="BROKER", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.send is not None:
        send(arguments.send, arguments.compression, arguments.spans)
        return
    titles = "services compression spans confirmed/s stored/s service Kafka Jaeger bytes/span"
    print("|", titles.replace(" ", " | "), "|")
    print("|", " | ".join(["---"] * len(titles.split())), "|")
    for services in arguments.services:
        measure(services, arguments.compression, arguments.spans)


if __name__ == "__main__":
    main()
