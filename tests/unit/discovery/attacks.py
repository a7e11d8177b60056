"""Plugins that break the contract, one row each: what is changed in one that keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

GOOD = """
import asyncio, json
from attrs import field, frozen
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from bentotrace.exceptions import ConfigError, OptionError, PluginError
from bentotrace.hookspecs import hookimpl
from bentotrace.plugin import (
    ExporterPlugin, Kind, Stability, Target, Variable, BuildContext, Range, option
)
from bentotrace.transport.outcome import FailureKind, Outcome

class OwnError(BaseException):
    pass

class NoText(Exception):
    def __str__(self):
        raise RuntimeError("no text")

class NoTextAtAll(BaseException):
    def __str__(self):
        raise SystemExit("no text")

def fail():
    raise RuntimeError("broken")

def check(instance, attribute, value):
    pass

def convert(value):
    return value

@frozen
class Inner:
    pin: str = option(default="", secret=True, help="Secret.")

@frozen
class Options:
    path: str = option(default="spans", help="Where.", validator=check)
    kind: str = option(default="", help="Any.", kind=Kind("a kind", convert))
    pin: str = option(default="", secret=True, help="Secret.")
    inner: list[Inner] = option(factory=list, help="Sections.")

    def __attrs_post_init__(self):
        pass

def accepted(spans):
    return Outcome(ok=True, endpoint="there"), spans

def rejected(spans, **more):
    return Outcome(ok=False, endpoint="there", reason="refused", **more), spans

class Exporter(SpanExporter):
    def __init__(self, options, context):
        self.options, self.context = options, context

    def export(self, spans):
        return SpanExportResult.SUCCESS

    def shutdown(self):
        pass

    def force_flush(self, timeout_millis=30000):
        return True

def create(options, context):
    return Exporter(options, context)

def target(options):
    return Target("", "there")

@hookimpl
def bentotrace_exporter():
    return ExporterPlugin(
        name="acme",
        config=Options,
        create=create,
        summary="Acme's spans",
        stability=Stability.BETA,
        target=target,
    )
"""

EXTENSION = """
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from bentotrace.hookspecs import hookimpl
from bentotrace.plugin import ExtensionPlugin

class Wrapper(SpanExporter):
    def __init__(self, exporter, context):
        self.exporter, self.context = exporter, context

    def export(self, spans):
        return self.exporter.export(spans)

    def shutdown(self):
        self.exporter.shutdown()

    def force_flush(self, timeout_millis=30000):
        return self.exporter.force_flush(timeout_millis)

def wrap(options, exporter, context):
    return Wrapper(exporter, context)

@hookimpl
def bentotrace_extension():
    return ExtensionPlugin(name="acme_extension", wrap=wrap, summary="Wraps")
"""


class Attack(NamedTuple):
    """A plugin that breaks the contract.

    Attributes:
        name: of the row.
        changes: texts of the good plugin, and what replaces each.
        section: the exporter's section in the file.
        extension: whether the changes are to the extension.
    """

    name: str
    changes: tuple[tuple[str, str], ...]
    section: str = "{path: p, kind: k, pin: hush-hush, inner: [{pin: quiet-one}]}"
    extension: bool = False


RAISED = {
    "RuntimeError": 'RuntimeError("broken")',
    "without text": "RuntimeError()",
    "SystemExit": "SystemExit(3)",
    "KeyboardInterrupt": "KeyboardInterrupt",
    "GeneratorExit": 'GeneratorExit("over")',
    "CancelledError": 'asyncio.CancelledError("over")',
    "its own BaseException": 'OwnError("mine")',
    "without a readable text": "NoText()",
    "that ends while it is read": "NoTextAtAll()",
    "StopIteration": 'StopIteration("next")',
    "RecursionError": 'RecursionError("too deep")',
    "MemoryError": "MemoryError()",
    "KeyError": 'KeyError("gone")',
    "ImportError": """ImportError("No module named 'ink'", name="ink")""",
    "OSError": 'OSError(28, "No space left on device")',
    "PluginError": 'PluginError("as the core")',
    "several lines": 'RuntimeError("one\\ntwo\\nthree\\nfour")',
    "a long text": 'RuntimeError("long " * 1000)',
    "with a secret": 'RuntimeError("the pin is hush-hush, the other quiet-one")',
}

PLACES = {
    "the hook": "def bentotrace_exporter():\n    raise {}",
    "target": "def target(options):\n    raise {}",
    "a validator": "def check(instance, attribute, value):\n    raise {}",
    "a kind": "def convert(value):\n    raise {}",
    "the class": "    def __attrs_post_init__(self):\n        raise {}",
    "create": "def create(options, context):\n    raise {}",
    "the constructor": "    def __init__(self, options, context):\n        raise {}",
    "export": "    def export(self, spans):\n        raise {}",
    "shutdown": "    def shutdown(self):\n        raise {}",
    "force_flush": "    def force_flush(self, timeout_millis=30000):\n        raise {}",
}

EXTENSION_PLACES = {
    "an extension": "def wrap(options, exporter, context):\n    raise {}",
    "its export": "    def export(self, spans):\n        raise {}",
}


def _raising() -> Iterator[Attack]:
    for place, code in PLACES.items():
        head = code.partition("\n")[0]
        for name, error in RAISED.items():
            # The hook is called before the file's options are read.
            error = error.replace("hush-hush", "here") if place == "the hook" else error
            error = error.replace("quiet-one", "there") if place == "the hook" else error
            yield Attack(f"{place} raises: {name}", ((head, code.format(error)),))
    plain = (
        "RuntimeError",
        "SystemExit",
        "KeyboardInterrupt",
        "GeneratorExit",
        "RecursionError",
        "several lines",
        "with a secret",
    )
    for place, code in EXTENSION_PLACES.items():
        head = code.partition("\n")[0]
        for name in plain:
            change = ((head, code.format(RAISED[name])),)
            yield Attack(f"{place} raises: {name}", change, extension=True)


VALUES = ("None", "5", "True", '"text"', "[]", "{}", "object", "fail", 'b"bytes"')


def _descriptors() -> Iterator[Attack]:
    good = {
        "name": 'name="acme"',
        "config": "config=Options",
        "create": "create=create",
        "summary": 'summary="Acme\'s spans"',
        "stability": "stability=Stability.BETA",
        "target": "target=target",
    }
    for field, text in good.items():
        for value in VALUES:
            if field == "name" and value == '"text"':
                continue
            yield Attack(f"{field} is {value}", ((text, f"{field}={value}"),))
    for value in ("0", "-1", "2", "99", "None", "True", '"1"', "1.5", "[]"):
        change = ("target=target", f"target=target, api_version={value}")
        yield Attack(f"api_version is {value}", (change,))
    for value in VALUES:
        yield Attack(f"extra is {value}", (("target=target", f"target=target, extra={value}"),))
        change = ("target=target", f"target=target, timeout_env={value}")
        yield Attack(f"timeout_env is {value}", (change,))
        change = ("return ExporterPlugin(", f"return {value}\n    return ExporterPlugin(")
        yield Attack(f"the hook returns {value}", (change,))
    names = ("none", "processor", "resource", "timeout", "type", "a,b", "", " ", "spool")
    for name in (*names, "a\nb", "a\u202eb"):
        yield Attack(f"the name {name!r}", (('name="acme"', f"name={name!r}"),))
    never_equal = (
        'name=type("Name", (str,), {"__eq__": lambda *_: fail(), "__hash__": None})("acme")'
    )
    yield Attack("the name is text of its own class", (('name="acme"', never_equal),))
    yield Attack("it is deprecated", (("Stability.BETA", "Stability.DEPRECATED"),))


def _options() -> Iterator[Attack]:
    path = 'path: str = option(default="spans", help="Where.", validator=check)'
    for argument in ("env", "old_names"):
        for value in ("5", "None", "[5]", "[None]", "{}", '[b"x"]', "fail"):
            change = (path, path.replace("help=", f"{argument}={value}, help="))
            yield Attack(f"{argument} is {value}", (change,))
    for value in ("'A=B'", r"'A\0'", "'A B'", "['']", "Variable('A=B')"):
        change = (path, path.replace("help=", f"env={value}, help="))
        yield Attack(f"env is {value}", (change,))
    for value in ("5", "[]", "[5]", "lambda value: None"):
        change = (path, path.replace("validator=check", f"validator={value}"))
        yield Attack(f"validator is {value}", (change,))
    kind = 'option(default="", help="Any.", kind=Kind("a kind", convert))'
    for value in ("None", "convert, 5"):
        yield Attack(f"a kind of {value}", ((kind, kind.replace("convert", value)),))
    empty = (
        "@frozen\nclass Inner:",
        "import enum\nclass Empty(enum.Enum): pass\n@frozen\nclass Inner:",
    )
    yield Attack(
        "the annotation of an enum without values", (empty, (path, path.replace("str", "Empty")))
    )
    yield Attack("an option that cannot be printed", (), r'{"pa\u202eth": p}')
    change = (path, path.replace("help=", 'env="ACME_PATH", help='))
    yield Attack("env is one name, given as text", (change,), "{}")
    change = (path, path.replace("help=", 'old_names="where", help='))
    yield Attack("old_names is one name, given as text", (change,), "{where: elsewhere}")
    for value in VALUES[1:]:
        change = (path, path.replace("help=", f"kind={value}, help="))
        yield Attack(f"kind is {value}", (change,))
    for hint in ("object", "bytes", "complex", "list[bytes]", "Inner | bytes", '"Missing"', "type"):
        yield Attack(f"the annotation {hint}", ((path, path.replace("str =", f"{hint} =")),))
    for default in ("fail", "object()", "5", "None", "float('nan')", "[1]"):
        change = (path, path.replace('"spans"', default))
        yield Attack(f"the default {default}", (change,), "{}")
    change = (path, path.replace('default="spans"', "factory=fail"))
    yield Attack("a factory that raises", (change,), "{}")
    change = (path, path.replace('default="spans"', "factory=lambda: exit(4)"))
    yield Attack("a factory that ends the process", (change,), "{}")
    for value in ("[]", "5", "text", "{paht: x}", "{path: 5}", "{inner: [{pin: 5}]}"):
        yield Attack(f"the section {value}", (), value)
    for target in VALUES:
        change = ('return Target("", "there")', f"return {target}")
        yield Attack(f"target returns {target}", (change,))
    for field in ("warnings", "notes", "headers"):
        for value in ('"one text"', "5", "[5]", "None"):
            change = ('Target("", "there")', f'Target("", "there", {field}={value})')
            yield Attack(f"the {field} of target are {value}", (change,))
    for value in VALUES:
        for target in (f'Target("", {value})', f'Target({value}, "there")'):
            yield Attack(f"target is {target}", (('Target("", "there")', target),))
    change = ('Target("", "there")', 'Target("", "there", warnings=[options.pin])')
    yield Attack("a warning of target quotes a secret", (change,))


def _created() -> Iterator[Attack]:
    for value in (*VALUES, "Exporter", "SpanExporter", "context", "options", "create"):
        change = ("return Exporter(options, context)", f"return {value}")
        yield Attack(f"create returns {value}", (change,))
    for name in ("__getattribute__", "__class__", "export", "force_flush"):
        code = f"    @property\n    def {name}(self): fail()\n"
        if name == "__getattribute__":
            code = f"    def {name}(self, name): fail()\n"
        own = f"class Evil(Exporter):\n{code}"
        change = ("def create(options", f"{own}\ndef create(options")
        use = ("return Exporter(options, context)", "return object.__new__(Evil)")
        yield Attack(f"create returns an object whose {name} raises", (change, use))
    base = ("class Exporter(SpanExporter):", "class Exporter:")
    for method in ("export", "shutdown", "force_flush"):
        change = (f"    def {method}(", f"    def not_{method}(")
        yield Attack(f"an exporter without {method}", (base, change))
        yield Attack(
            f"{method} is a coroutine", ((f"    def {method}(", f"    async def {method}("),)
        )
        change = ("    def force_flush", f"    {method} = 5\n\n    def and_force_flush")
        yield Attack(f"{method} is a number", (base, change))


def _results() -> Iterator[Attack]:
    success = "        return SpanExportResult.SUCCESS"
    for value in (*VALUES, "SpanExportResult.FAILURE", "SpanExportResult", "0", '"SUCCESS"'):
        yield Attack(f"export returns {value}", ((success, f"        return {value}"),))
    reports = {
        "accepted, and FAILURE": (("accepted(2)",), "FAILURE"),
        "rejected, and SUCCESS": (("rejected(2)",), "SUCCESS"),
        "one accepted, one rejected, and SUCCESS": (("accepted(1)", "rejected(1)"), "SUCCESS"),
        "one accepted, and SUCCESS": (("accepted(1)",), "SUCCESS"),
        "one accepted, and FAILURE": (("accepted(1)",), "FAILURE"),
        "one rejected, and FAILURE": (("rejected(1)",), "FAILURE"),
        "more accepted than there were": (("accepted(9)",), "SUCCESS"),
        "more rejected than there were": (("rejected(9)",), "FAILURE"),
        "more of each than there were": (("accepted(9)", "rejected(9)"), "FAILURE"),
        "none, and SUCCESS": (("accepted(0)",), "SUCCESS"),
        "fewer than none": (("accepted(-5)",), "SUCCESS"),
        "fewer rejected than none": (("rejected(-5)",), "FAILURE"),
        "text for a number": (('accepted("2")',), "SUCCESS"),
        "a fraction": (("accepted(1.5)",), "SUCCESS"),
        "no Outcome": (('("ok", 2)',), "SUCCESS"),
        "rejected in part": (("rejected(2, rejected=1)",), "FAILURE"),
        "rejected in part, more than there were": (("rejected(2, rejected=7)",), "FAILURE"),
    }
    for name, (calls, result) in reports.items():
        lines = "".join(f"        self.context.report(*{call})\n" for call in calls)
        change = (success, f"{lines}        return SpanExportResult.{result}")
        yield Attack(f"it reports {name}", (change,))
    for field, value in {
        "endpoint": "None",
        "kind": "'weird'",
        "status": "503",
        "reason": "5",
        "attempts": "None",
        "elapsed": "'1 s'",
        "rejected": "'1'",
        "detail": "'tls'",
    }.items():
        arguments = {"ok": "False", "endpoint": "'there'", field: value}
        made = ", ".join(f"{name}={each}" for name, each in arguments.items())
        code = f"        self.context.report(Outcome({made}), 2)\n{success}"
        yield Attack(f"the {field} of an Outcome is {value}", ((success, code),))
    for name, call in {
        "one span": '(1, "too old")',
        "all spans": '(2, "too old")',
        "more spans than there were": '(9, "too old")',
        "fewer spans than none": '(-3, "too old")',
        "text for a number": '("2", "too old")',
        "a number for a reason": "(1, 2)",
        "a secret as the reason": "(1, self.context_pin)",
    }.items():
        code = f"        self.context.drop{call}\n{success}"
        code = code.replace("self.context_pin", "self.options.pin")
        yield Attack(f"it drops {name}", ((success, code),))
    for value in ("False", "None", "5"):
        flush = "timeout_millis=30000):\n        return True"
        yield Attack(f"force_flush returns {value}", ((flush, flush.replace("True", value)),))


def _extensions() -> Iterator[Attack]:
    wrap = "return Wrapper(exporter, context)"
    for value in (*VALUES, "Wrapper", "exporter", "type(exporter)"):
        value = value.replace("fail", "print")
        yield Attack(f"an extension returns {value}", ((wrap, f"return {value}"),), extension=True)
    passed = "return self.exporter.export(spans)"
    for name, code in {
        "keeps every span": "return SpanExportResult.SUCCESS",
        "drops every span": 'self.context.drop(len(spans), "all"); return SpanExportResult.SUCCESS',
        "returns nothing": "self.exporter.export(spans)",
        "passes no list": "return self.exporter.export(None)",
        "passes each span twice": "return self.exporter.export(list(spans) * 2)",
        "passes other objects": "return self.exporter.export([1, 'two'])",
        "passes them in a thread": (
            "import threading; thread = threading.Thread(target=self.exporter.export, "
            "args=(spans,)); thread.start(); thread.join(); return SpanExportResult.SUCCESS"
        ),
        "calls itself": "return self.export(spans)",
        "drops what it has passed": (
            "result = self.exporter.export(spans); "
            "self.context.drop(len(spans), 'late'); return result"
        ),
        "empties the batch": "spans.clear(); return self.exporter.export(spans)",
    }.items():
        yield Attack(f"an extension {name}", ((passed, code),), extension=True)


ATTACKS = [*_raising(), *_descriptors(), *_options(), *_created(), *_results(), *_extensions()]
