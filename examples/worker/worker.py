"""A pool of processes that are replaced after three tasks each, as Celery's prefork pool does."""

import multiprocessing
from collections.abc import Mapping

from opentelemetry import propagate, trace

import bentotrace

tracer = trace.get_tracer("resize")


def resize(message: tuple[str, Mapping[str, str]]) -> str:
    """Process one task, in the trace of the span that sent it."""
    name, carrier = message
    with tracer.start_as_current_span("resize", propagate.extract(carrier)) as span:
        span.set_attribute("process.pid", multiprocessing.current_process().pid or 0)
        return name.upper()


def main() -> None:
    """Send ten tasks."""
    bentotrace.configure("tracing.yaml")
    with tracer.start_as_current_span("order"):
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=3) as pool:
            print(*pool.map(resize, [(name, carrier) for name in "abcdefghij"], chunksize=1))
            # Leaving the block without this would terminate the processes.
            pool.close()
            pool.join()


if __name__ == "__main__":
    main()
