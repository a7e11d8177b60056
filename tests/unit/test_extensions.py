"""Extensions in real distributions, seen by processes of their own."""

from __future__ import annotations

from typing import Any

GROUP = "bentotrace.extensions"

REDACT = """
    from opentelemetry.sdk.trace.export import SpanExporter
    from bentotrace.hookspecs import hookimpl

    class Redactor(SpanExporter):
        def __init__(self, exporter, context):
            self._exporter, self._context = exporter, context

        def export(self, spans):
            if any(span.name == "bad" for span in spans):
                raise ValueError("cannot redact")
            kept = [span for span in spans if not span.name.startswith("secret")]
            if len(kept) < len(spans):
                self._context.drop(len(spans) - len(kept), "redacted")
            return self._exporter.export(kept)

        def shutdown(self):
            self._exporter.shutdown()

    @hookimpl
    def bentotrace_wrap_exporter(exporter, context):
        return Redactor(exporter, context)
"""

RUN = """
import io, sys
import bentotrace
from bentotrace.exceptions import BentotraceError

def run(names, extensions):
    options = {"exporter_type": "console", "sample_rate": 1, "extensions": extensions}
    out, sys.stdout = sys.stdout, io.StringIO()
    try:
        tracing = bentotrace.build(options)
        for name in names:
            tracing.provider.get_tracer("test").start_span(name).end()
        tracing.shutdown()
        printed = sys.stdout.getvalue()
    except BentotraceError as error:
        return print(" ".join(str(error).split()), file=out)
    finally:
        sys.stdout = out
    status = tracing.status().destinations[0]
    print(status.ended, status.exported, status.failed, dict(status.dropped_by_reason))
    print([name for name in ('"a"', "secret", "shout") if name in printed])

"""


def test_spans_come_to_the_exporter_through_what_is_listed(distributions: Any) -> None:
    distributions.add("acme-redact", "acme_redact", REDACT, exporter="redact", group=GROUP)
    distributions.add(
        "acme-other", "acme_other", "raise RuntimeError", exporter="other", group=GROUP
    )

    said = distributions.run(RUN + "run(['a', 'secret 1', 'secret 2', 'b'], ['redact'])")

    assert said.splitlines() == ["4 2 0 {'redacted': 2}", "['\"a\"']"]


def test_an_extension_that_raises_costs_the_batch_and_no_more(distributions: Any) -> None:
    distributions.add("acme-redact", "acme_redact", REDACT, exporter="redact", group=GROUP)

    said = distributions.run(RUN + "run(['a', 'bad'], 'redact')")

    assert said.splitlines() == ["2 0 2 {}", "[]"]


def test_spans_come_to_the_first_extension_first(distributions: Any) -> None:
    distributions.add("acme-redact", "acme_redact", REDACT, exporter="redact", group=GROUP)
    shout = REDACT.replace("kept = [", "print('shout', len(spans)); kept = [")
    distributions.add("acme-shout", "acme_shout", shout, exporter="shout", group=GROUP)

    said = distributions.run(
        RUN + "run(['a'], ['shout', 'redact'])\n" + "run(['secret'], ['redact', 'shout'])\n"
    )

    assert said.splitlines() == [
        "1 1 0 {}",
        "['\"a\"', 'shout']",
        "1 0 0 {'redacted': 1}",
        "['shout']",
    ]


def test_an_extension_that_is_not_there_is_told_with_the_closest(distributions: Any) -> None:
    distributions.add("acme-redact", "acme_redact", REDACT, exporter="redact", group=GROUP)

    said = distributions.run(RUN + "run([], ['redcat'])")

    assert "extensions: no extension named 'redcat'; did you mean redact?" in said


def test_an_extension_that_breaks_the_contract_is_told_with_its_distribution(
    distributions: Any,
) -> None:
    hook = "from bentotrace.hookspecs import hookimpl\n@hookimpl\ndef bentotrace_wrap_exporter("
    for name, source in {
        "raises": "raise RuntimeError('no')",
        "empty": "",
        "none": f"{hook}exporter, context): return None",
        "breaks": f"{hook}exporter): return 1 / 0",
        "wrong": f"{hook}exporter, provider): return exporter",
    }.items():
        distributions.add(f"acme-{name}", f"acme_{name}", source, exporter=name, group=GROUP)
    distributions.add("other-none", "other_none", "", exporter="twice", group=GROUP)
    distributions.add("other-twice", "other_twice", "", exporter="twice", group=GROUP)

    said = distributions.run(
        RUN + "for name in ('raises', 'empty', 'none', 'breaks', 'wrong', 'twice'): run([], [name])"
    )

    raises, empty, none, breaks, wrong, twice = said.splitlines()
    assert raises.startswith(
        "extension raises = acme_raises (acme-raises 1.5) is broken: importing"
    )
    assert "empty = acme_empty (acme-empty 1.5) is broken: it has no hook; decorate " in empty
    assert "bentotrace_wrap_exporter()" in empty
    assert "none = acme_none (acme-none 1.5) cannot wrap the exporter" in none
    assert "returned NoneType, not a SpanExporter" in none
    assert "breaks = acme_breaks (acme-breaks 1.5) cannot wrap the exporter: ZeroDiv" in breaks
    assert "hook does not match the specification" in wrong
    assert twice.startswith("extension 'twice' is registered by more than one distribution")
