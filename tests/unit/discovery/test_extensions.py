"""Extensions in real distributions, seen by processes of their own."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.few_pythons

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
    assert "bentotrace_extension()" in empty
    assert "none = acme_none (acme-none 1.5) cannot wrap the exporter" in none
    assert "returned NoneType, not a SpanExporter" in none
    assert "breaks = acme_breaks (acme-breaks 1.5) cannot wrap the exporter: ZeroDiv" in breaks
    assert "hook does not match the specification" in wrong
    assert twice.startswith("extension 'twice' is registered by more than one distribution")


WITH_OPTIONS = """
    from attrs import frozen
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from bentotrace.hookspecs import hookimpl
    from bentotrace.plugin import NAMES, ExtensionPlugin, option

    @frozen
    class FilterOptions:
        names: tuple[str, ...] = option(default=(), kind=NAMES, env="ACME_NAMES", help="Spans.")
        token: str = option(default="", secret=True, help="A token.")

    class Filter(SpanExporter):
        def __init__(self, options, exporter, context):
            self._names, self._exporter, self._context = options.names, exporter, context

        def export(self, spans):
            kept = [span for span in spans if span.name not in self._names]
            reason = f"{self._context.exporter} {self._context.endpoint}"
            self._context.drop(len(spans) - len(kept), reason)
            return self._exporter.export(kept) if kept else SpanExportResult.SUCCESS

        def shutdown(self):
            self._exporter.shutdown()

    @hookimpl
    def bentotrace_extension():
        return ExtensionPlugin(
            name="filter", wrap=Filter, config=FilterOptions, summary="Withholds spans"
        )
"""
LOAD = """
import json, sys
import bentotrace
from bentotrace.config.explain import explain
from bentotrace.exceptions import BentotraceError
block = {"exporter_type": "console", "sample_rate": 1, **json.loads(sys.argv[1])}
try:
    config = bentotrace.load_config(block)
    for note in config.notes:
        print(note)
    for option in explain(config).destinations[0].options:
        if option.path.startswith("filter"):
            print(option.path, option.value, option.source)
    with bentotrace.build({**block, "console": {"stream": "stderr"}}) as tracing:
        for name in "abc":
            tracing.provider.get_tracer("test").start_span(name).end()
    print(dict(tracing.status().destinations[0].dropped_by_reason))
except BentotraceError as error:
    print(error)
"""


def load(distributions: Any, source: str = WITH_OPTIONS, **block: Any) -> list[str]:
    distributions.add("acme-filter", "acme_filter", source, exporter="filter", group=GROUP)
    said: str = distributions.run(LOAD, json.dumps(block))
    return said.splitlines()


def test_the_options_of_an_extension_are_in_a_section_of_its_name(distributions: Any) -> None:
    section = {"names": ["a", "b"], "token": "s3cr3t"}
    assert load(distributions, extensions=["filter"], filter=section) == [
        "filter.names ['a', 'b'] <mapping>",
        "filter.token *** <mapping>",
        "{'console stderr': 2}",
    ]


def test_a_wrong_option_of_an_extension_is_reported_with_its_place(distributions: Any) -> None:
    said = load(distributions, extensions=["filter"], filter={"nmaes": ["a"]})
    assert said == ["<mapping>: filter.nmaes: unknown option; did you mean names?"]


def test_a_section_of_an_extension_that_is_not_listed_is_a_note(distributions: Any) -> None:
    (note, dropped) = load(distributions, filter={"names": ["a"]})
    assert note == "<mapping>: filter is not used; write extensions: [filter]"
    assert dropped == "{}"


def test_the_former_hook_works_with_one_note(distributions: Any) -> None:
    (note, dropped) = load(distributions, REDACT, extensions=["filter"])
    assert note.startswith("extension 'filter' has the hook bentotrace_wrap_exporter, which is ")
    assert "filter = acme_filter (acme-filter 1.5)" in note
    assert dropped == "{}"


def test_a_descriptor_of_an_extension_is_checked(distributions: Any) -> None:
    wrong = WITH_OPTIONS.replace('name="filter"', 'name="other"')
    (said,) = load(distributions, wrong, extensions=["filter"])
    assert said.endswith("its name is 'other', but its entry point is 'filter'")


def test_commands_show_an_extension(distributions: Any) -> None:
    pytest.importorskip("click", reason="the command needs click")
    distributions.add("acme-filter", "acme_filter", WITH_OPTIONS, exporter="filter", group=GROUP)
    said = distributions.run(
        """
        import json
        from bentotrace.cli import main
        main(["plugins", "--format", "json"])
        print("===")
        main(["plugins", "filter", "--format", "markdown"])
        print("===")
        main(["schema"])
        """
    )
    listed, table, schema = said.split("===\n")
    row = next(each for each in json.loads(listed) if each["name"] == "filter")
    assert (row["kind"], row["summary"]) == ("extension", "Withholds spans")
    assert "| `names` |  | Spans. | `ACME_NAMES` |" in table
    tracing = json.loads(schema)["$defs"]["tracing"]
    (described,) = [
        each["then"]["properties"]["filter"]
        for each in tracing["then"]["allOf"]
        if "filter" in each["then"]["properties"]
    ]
    assert set(described["properties"]) == {"names", "token", "destinations"}
