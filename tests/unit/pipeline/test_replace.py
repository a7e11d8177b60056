"""A pipeline that is replaced: what was made with the former provider follows the new one."""

from __future__ import annotations

import os
from typing import Any

import pytest

KINDS = pytest.mark.parametrize(
    "kinds", [("lean", "lean"), ("sdk", "sdk"), ("lean", "sdk"), ("sdk", "lean")], ids="-".join
)
PRELUDE = """
import os
import bentotrace
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import Link, SpanContext

class Silent(SpanProcessor):
    \"\"\"Has nothing to shut down.\"\"\"

    def __init__(self):
        self.events = []

    def on_start(self, span, parent_context=None):
        self.events.append(f"start {span.name}")

    def on_end(self, span):
        self.events.append(f"end {span.name}")

class Own(Silent):
    def force_flush(self, timeout_millis=30000):
        self.events.append("flush")
        return True

    def shutdown(self):
        self.events.append("shutdown")

def block(**options):
    console = {"exporter_type": "console", "sample_rate": 1, "console": {"stream": "stderr"}}
    return {**console, **options}

def replace(**options):
    return bentotrace.configure(block(**options), if_exists="replace")

def exported(tracing):
    tracing.flush()
    return sum(item.exported for item in tracing.status().destinations)

"""


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


@KINDS
def test_the_processors_of_the_application_go_on(run_python: Any, kinds: tuple[str, str]) -> None:
    printed = run_python(
        PRELUDE
        + f"""
former = bentotrace.configure(block(spans={kinds[0]!r}))
own = Own()
trace.get_tracer_provider().add_span_processor(own)
held = trace.get_tracer("held")
running = held.start_span("running")
linked = held.start_span("linked", links=[Link(SpanContext(1, 2, False))])
tracing = replace(spans={kinds[1]!r})
linked.end()
running.end()
held.start_span("a").end()
trace.get_tracer("new").start_span("b").end()
print(*own.events, sep=", ")
print(exported(former), exported(tracing))
own.events.clear()
trace.get_tracer_provider().force_flush()
former.shutdown()
print(*own.events, sep=", ")
tracing.shutdown()
print(*own.events, sep=", ")
"""
    )
    assert printed.splitlines() == [
        "start running, start linked, end linked, end running, start a, end a, start b, end b",
        "0 4",
        "flush",
        "flush, shutdown",
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_they_go_on_while_tracing_is_disabled_and_in_a_child(run_python: Any) -> None:
    printed = run_python(
        PRELUDE
        + """
bentotrace.configure(block())
own = Own()
trace.get_tracer_provider().add_span_processor(own)
held = trace.get_tracer("held")
running = held.start_span("running")
replace(disabled=True)
running.end()
held.start_span("unseen").end()
replace(resource={"attributes": {"service.name": "third"}})
if not os.fork():
    span = held.start_span("child")
    span.end()
    print(*own.events, span.resource.attributes["service.name"], sep=", ", flush=True)
    os._exit(0)
os.wait()
held.start_span("parent").end()
print(*own.events, sep=", ")
"""
    )
    assert printed.splitlines() == [
        "start running, end running, start child, end child, third",
        "start running, end running, start parent, end parent",
    ]


def test_a_processor_that_was_shut_down_does_not_go_on(run_python: Any) -> None:
    printed = run_python(
        PRELUDE
        + """
tracing = bentotrace.configure(block())
own, silent = Own(), Silent()
for processor in (own, silent):
    trace.get_tracer_provider().add_span_processor(processor)
tracing.shutdown()
replace()
trace.get_tracer("new").start_span("a").end()
print(own.events, silent.events)
"""
    )
    assert printed.splitlines() == ["['shutdown'] ['start a', 'end a']"]


def test_they_are_shut_down_once_at_exit_after_the_handlers_of_the_application(
    run_python: Any,
) -> None:
    printed = run_python(
        PRELUDE
        + """
import atexit

class Printing(Own):
    def shutdown(self):
        print("shutdown")

bentotrace.configure(block())

@atexit.register
def end_last():
    trace.get_tracer("last").start_span("a").end()
    print("last span")

# Without destinations, it has a handler of its own.
replace(exporter_type="none")
trace.get_tracer_provider().add_span_processor(Printing())
replace()
"""
    )
    assert printed.splitlines() == ["last span", "shutdown"]


@KINDS
def test_former_tracers_have_the_limits_and_ids_of_the_new_pipeline(
    run_python: Any, kinds: tuple[str, str]
) -> None:
    printed = run_python(
        PRELUDE
        + f"""
import logging
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

logging.disable()
bentotrace.configure(block(spans={kinds[0]!r}))
held = trace.get_tracer("held")
running = held.start_span("running", attributes={{"a": "long", "b": 1, "c": 2}})
limits = {{"attribute_count": 2, "event_count": 1}}
tracing = replace(spans={kinds[1]!r}, max_tag_value_length=3, limits=limits)
span = held.start_span("a", attributes={{"a": "long"}})
span.add_event("first")
span.add_event("last")
print(span.attributes["a"], [event.name for event in span.events])
print(held.id_generator is tracing.provider.id_generator)
running.end()
span.end()
print(exported(tracing))
"""
    )
    assert printed.splitlines() == ["lon ['last']", "True", "2"]


def test_a_former_pipeline_flushes_the_new_one_and_changes_its_rate(run_python: Any) -> None:
    printed = run_python(
        PRELUDE
        + """
ended = bentotrace.configure(block())
ended.shutdown()
former = [ended, replace(), replace()]
held = trace.get_tracer("held")
last = replace(processor={"schedule_delay": 3600})
for each in former:
    held.start_span("a").end()
    print(each.flush(), last.status().destinations[0].exported, each.status().destinations[0].ended)
for each in former:
    each.set_sample_rate(0)
    print(held.start_span("a").is_recording(), last.provider.sampler.rate)
    each.set_sample_rate(1)
replace(disabled=True)
for each in (*former, last):
    try:
        each.set_sample_rate(0)
    except bentotrace.SampleRateError as error:
        print(error)
"""
    )
    assert printed.splitlines() == [
        "True 1 0",
        "True 2 0",
        "True 3 0",
        *3 * ["False 0.0"],
        *4 * ["the sample rate cannot be changed: tracing is disabled; enable it and start again"],
    ]


def test_a_pipeline_may_be_replaced_any_number_of_times(run_python: Any) -> None:
    printed = run_python(
        PRELUDE
        + """
bentotrace.configure(block(exporter_type="none"))
second = replace(exporter_type="none")
tracer = second.provider.get_tracer("held")
for _ in range(1100):
    replace(exporter_type="none")
tracing = replace()
tracer.start_span("a").end()
second.provider.get_tracer("new").start_span("b").end()
print(second.flush(), exported(tracing))
"""
    )
    assert printed.splitlines() == ["True 2"]


@pytest.mark.parametrize("spans", ["lean", "sdk"])
def test_a_span_ends_in_the_last_pipeline_however_many_there_were(
    run_python: Any, spans: str
) -> None:
    printed = run_python(
        PRELUDE
        + f"""
first = bentotrace.configure(block(spans={spans!r}))
span = first.provider.get_tracer("held").start_span("long")
for _ in range(1100):
    replace(exporter_type="none")
last = replace(spans={spans!r})
span.end()
print(last.flush(), exported(last))
"""
    )
    assert printed.splitlines() == ["True 1"]


def test_a_pipeline_that_was_replaced_twice_is_not_kept_in_memory(run_python: Any) -> None:
    printed = run_python(
        PRELUDE
        + """
import gc
from weakref import ref

first = bentotrace.configure(block())
former = []
for _ in range(3):
    tracing = replace()
    tracing.provider.get_tracer("held").start_span("a").end()
    former += [ref(tracing), ref(tracing.provider)]
del tracing
gc.collect()
print([each() is None for each in former], first.flush())
"""
    )
    assert printed.splitlines() == ["[True, True, True, True, False, False] True"]
