from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

RUN = """
    import ctypes, multiprocessing

    tracing = bentotrace.configure({{**block(), "resource": {{"attributes": {configured}}}}})
    tracer = trace.get_tracer("test")

    def tell():
        with tracer.start_as_current_span("span"):
            pass
        span = tracer.start_span("span")
        write(span.resource.attributes["service.instance.id"])

    tell()
    for _ in range(2):
        {fork}
        if child == 0:
            tell()
            os._exit(0)
        os.waitpid(child, 0)
    tell()
"""
FORKS = ["child = os.fork()", "child = ctypes.PyDLL(None).fork()"]


def instances(ran: Any) -> list[str]:
    assert ran.code == 0, ran.log
    return [name for _, name in ran.book if name not in ("span", "shutdown")]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("fork", FORKS)
def test_each_process_is_an_instance_of_its_own(run_process: Callable[..., Any], fork: str) -> None:
    parent, *children, again = instances(run_process(RUN.format(configured={}, fork=fork)))
    assert again == parent
    assert len({parent, *children}) == 3


@pytest.mark.parametrize("instance", ["mine", 7])
@pytest.mark.parametrize("fork", FORKS)
def test_an_instance_that_is_configured_is_kept(
    run_process: Callable[..., Any], fork: str, instance: object
) -> None:
    configured = {"service.instance.id": instance}
    ran = run_process(RUN.format(configured=configured, fork=fork))
    assert instances(ran) == [str(instance)] * 4
