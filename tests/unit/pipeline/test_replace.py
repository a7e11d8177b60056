"""A pipeline that is replaced: what was made with the former provider follows the new one."""

from __future__ import annotations

from typing import Any


def test_a_tracer_that_was_used_while_disabled_records_afterwards(run_python: Any) -> None:
    printed = run_python(
        """
        import bentotrace
        from opentelemetry import trace

        # At import, as every library does.
        early = trace.get_tracer("early")
        on = {"exporter_type": "console", "sample_rate": 1, "console": {"stream": "stderr"}}
        bentotrace.configure({"disabled": True})
        held = trace.get_tracer("held")

        def record():
            with early.start_as_current_span("a") as first, held.start_as_current_span("b") as second:
                return first.is_recording(), second.is_recording(), held.start_span("c").is_recording()

        print(record())
        for block in (on, {"disabled": True}, {"disabled": True}, on):
            tracing = bentotrace.configure(block, if_exists="replace")
            print(record(), sum(item.ended for item in tracing.status().destinations))
        """
    )
    assert printed.splitlines() == [
        "(False, False, False)",
        "(True, True, True) 2",
        "(False, False, False) 0",
        "(False, False, False) 0",
        "(True, True, True) 2",
    ]


def test_every_former_provider_follows_the_last_one(run_python: Any) -> None:
    printed = run_python(
        """
        import bentotrace

        def block(rate):
            return {"exporter_type": "none", "sample_rate": rate}

        former = [bentotrace.configure(block(1))]
        for rate in (0, 0.5, 0.25):
            former.append(bentotrace.configure(block(rate), if_exists="replace"))
            last = former[-1].provider
            print([each.provider.current() is last for each in former])
            print(former[0].provider.sampler is former[-2].provider.sampler is last.sampler)
        """
    )
    assert printed.splitlines() == [
        "[True, True]",
        "True",
        "[True, True, True]",
        "True",
        "[True, True, True, True]",
        "True",
    ]


def test_spans_are_exported_while_a_former_receiver_hangs(run_python: Any) -> None:
    printed = run_python(
        """
        import socket, threading, time
        import bentotrace
        from opentelemetry import trace

        hanging = socket.create_server(("127.0.0.1", 0))
        first = bentotrace.configure({
            "exporter_type": "zipkin",
            "sample_rate": 1,
            "zipkin": {"endpoint": "http://127.0.0.1:%d/" % hanging.getsockname()[1]},
            "processor": {"shutdown_timeout": 2},
        })
        tracer = trace.get_tracer("x")
        tracer.start_span("for the receiver that hangs").end()
        new = []
        replace = threading.Thread(target=lambda: new.append(bentotrace.configure(
            {"exporter_type": "console", "sample_rate": 1, "console": {"stream": "stderr"}},
            if_exists="replace",
        )))
        replace.start()
        made = 1
        while replace.is_alive():
            tracer.start_span("meanwhile").end()
            made += 1
            time.sleep(0.01)
        replace.join()
        new[0].shutdown()
        (old,), (now,) = first.status().destinations, new[0].status().destinations
        print(old.ended + now.ended == made, now.exported == now.ended, now.ended > 50)
        """
    )
    assert printed.splitlines()[-1] == "True True True"
