from __future__ import annotations

import gc
import json
from collections.abc import Callable

import bentotrace
from bentotrace.delivery.status import DestinationStatus, ErrorStatus, Status


def test_a_status_can_be_written_as_json() -> None:
    error = ErrorStatus("refused", "nothing listens there", "http://here", 1.5)
    destination = DestinationStatus(
        exporter="otlp",
        endpoint="http://here",
        ended=10,
        exported=4,
        failed=3,
        dropped=2,
        dropped_by_reason={"queue_full": 2},
        pending=1,
        last_error=error,
        consecutive_failures=3,
    )
    plain = json.loads(Status((destination,)).as_json())
    (written,) = plain["destinations"]
    assert written["dropped_by_reason"] == {"queue_full": 2}
    assert written["last_error"]["reason"] == "nothing listens there"
    assert written["last_success"] is None


def test_a_pipeline_without_destinations_has_an_empty_status() -> None:
    assert Status().as_dict() == {"destinations": (), "spans": ""}


def test_the_status_of_a_process_has_all_its_pipelines_also_those_that_have_ended() -> None:
    def exporters() -> list[str]:
        return [destination.exporter for destination in bentotrace.status().destinations]

    before = exporters()
    with bentotrace.build({"exporter_type": "console"}) as first:
        with bentotrace.build({"exporter_type": "zipkin"}) as second:
            assert exporters() == [*before, "console", "zipkin"]
        assert exporters() == [*before, "console", "zipkin"]
    assert bentotrace.status().destinations[-1] == second.status().destinations[0]
    del first
    gc.collect()
    assert exporters() == [*before, "zipkin"]


def test_the_status_of_a_process_may_be_read_while_others_build(
    run_python: Callable[[str], str],
) -> None:
    printed = run_python(
        """
        import sys, threading
        import bentotrace

        sys.setswitchinterval(1e-6)
        done = threading.Event()
        failures = []

        def read():
            try:
                while not done.is_set():
                    bentotrace.status()
            except RuntimeError as error:
                failures.append(error)

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        kept = [bentotrace.build({"exporter_type": "none"}) for _ in range(60)]
        done.set()
        for reader in readers:
            reader.join()
        print(failures)
        """
    )
    assert printed == "[]\n"
