"""Exporters that break the contract, one row each.

The good one is what ``bentotrace new-exporter acme`` writes.
"""

from __future__ import annotations

from .changes import ENCODER, OPTIONS, PLUGIN, Change, Row, add_option, add_to_descriptor

ROWS = (
    Row(
        "a later api_version",
        "the_descriptor_keeps_the_contract",
        (Change(PLUGIN, "api_version=1", "api_version=99"),),
    ),
    Row(
        "no summary",
        "the_descriptor_keeps_the_contract",
        (Change(PLUGIN, 'summary="Spans as JSON over HTTP"', 'summary=" "'),),
    ),
    Row(
        "another name than the entry point's",
        "the_descriptor_keeps_the_contract",
        (Change(PLUGIN, 'name="acme"', 'name="acne"'),),
    ),
    Row("registered twice", "one_entry_point_registers_the_name", claims=2),
    Row("not registered", "one_entry_point_registers_the_name", claims=0),
    Row(
        "a section that is not frozen",
        "options_are_frozen",
        add_option(
            'inner: Inner = option(factory=Inner, help="Inner.")',
            "import attrs\n\n@attrs.define\nclass Inner:\n"
            '    size: int = option(default=1, help="Size.")\n\n\n',
        ),
    ),
    Row("a field without option()", "every_option_is_described", add_option("plain: int = 3")),
    Row(
        "a default that can be changed",
        "no_default_is_mutable",
        add_option('names: list[str] = option(default=[], help="Names.")'),
    ),
    Row(
        "defaults that are not valid",
        "defaults_are_valid_or_the_missing_option_is_named",
        (Change(OPTIONS, "default=Address(_EXAMPLE)", 'default=Address("localhost:8123")'),),
    ),
    Row(
        "any option is accepted",
        "an_unknown_option_is_refused",
        (
            Change(
                PLUGIN,
                "    return ExporterPlugin(",
                "    class Open(ExporterPlugin):\n"
                "        def with_options(self, names):\n"
                "            known = {field.name for field in self.config.__attrs_attrs__}\n"
                "            fields = {n: option(default=None, help='?') for n in names}\n"
                "            more = {n: fields[n] for n in fields if n not in known}\n"
                "            cls = make_class('More', more, bases=(self.config,), frozen=True)\n"
                "            return evolve(self, config=cls)\n\n"
                "    return Open(",
            ),
        ),
        "    pass",
    ),
    Row(
        "a token that is not secret",
        "options_that_look_secret_are_secret",
        (Change(OPTIONS, "secret=True,\n", "\n"),),
    ),
    Row(
        "a look at the receiver",
        "create_opens_no_socket",
        body="""
    def change(self, options, context):
        import socket
        socket.getaddrinfo("127.0.0.1", 80)
        return super().change(options, context)
""",
    ),
    Row(
        "a socket for later",
        "create_opens_no_socket",
        body="""
    def change(self, options, context):
        import socket
        socket.socket().detach()
        return super().change(options, context)
""",
    ),
    Row(
        "a thread at once",
        "create_starts_no_thread",
        body="""
    def change(self, options, context):
        threading.Thread(target=time.sleep, args=[1], daemon=True).start()
        return super().change(options, context)
""",
    ),
    Row(
        "a thread in the first exporter of a process",
        "create_starts_no_thread",
        body="""
    started = False
    def change(self, options, context):
        if not Broken.started:
            Broken.started = True
            threading.Thread(target=time.sleep, args=[1], daemon=True).start()
        return super().change(options, context)
""",
    ),
    Row(
        "one exporter for equal options",
        "two_builds_are_independent",
        body="""
    made = {}
    def __new__(cls, options, context):
        return cls.made.setdefault((repr(options), context.timeout), super().__new__(cls))

    def __init__(self, options, context):
        if not hasattr(self, "exporter"):
            super().__init__(options, context)
""",
    ),
    Row(
        "the third span is left out",
        "export_returns_success",
        body="""
    def export(self, spans):
        if len(spans) != 3:
            return self.exporter.export(spans)
        result = self.exporter.export(spans[:2])
        self.report(self.outcomes[-1], 1)
        return result
""",
    ),
    Row(
        "an empty batch raises",
        "an_empty_batch_is_accepted",
        body="""
    def export(self, spans):
        spans[0]
        return self.exporter.export(spans)
""",
    ),
    Row(
        "the list is sorted",
        "the_batch_is_left_untouched",
        body="""
    def export(self, spans):
        result = self.exporter.export(spans)
        spans.reverse()
        return result
""",
    ),
    Row(
        "an attribute is removed",
        "the_batch_is_left_untouched",
        body="""
    def export(self, spans):
        result = self.exporter.export(spans)
        for span in spans:
            span.events and span.events[0].attributes.clear()
        return result
""",
    ),
    Row(
        "three spans are reported twice",
        "the_result_agrees_with_the_reports",
        body="""
    def report(self, outcome, number):
        for _ in range(2 if outcome.ok and number == 3 else 1):
            self.context.report(outcome, number)
""",
    ),
    Row(
        "the trace state is left out",
        "every_field_arrives",
        (Change(ENCODER, "context.trace_state.to_header()", '""'),),
    ),
    Row(
        "NaN is not written",
        "odd_values_lose_no_other_span",
        (
            Change(
                ENCODER,
                "json_text(_fields(span))",
                "__import__('json').dumps(_fields(span), allow_nan=False, default=dict)",
            ),
        ),
    ),
    Row(
        "one thread at a time",
        "two_threads_export_at_once",
        body="""
    busy = False
    def export(self, spans):
        if self.busy:
            return SpanExportResult.FAILURE
        self.busy = True
        time.sleep(0.05)
        result = self.exporter.export(spans)
        self.busy = False
        return result
""",
    ),
    Row(
        "one process",
        "a_forked_child_exports",
        body="""
    home = None
    def export(self, spans):
        self.home = self.home or os.getpid()
        if self.home != os.getpid():
            return SpanExportResult.FAILURE
        return self.exporter.export(spans)
""",
    ),
    Row(
        "404 is a success",
        "a_failure_is_counted",
        body="""
    def export(self, spans):
        result = self.exporter.export(spans)
        lost = any(outcome.status == "404" for outcome in self.outcomes)
        return SpanExportResult.SUCCESS if lost else result
""",
    ),
    Row(
        "a refused connection raises",
        "a_failure_is_counted",
        body="""
    def export(self, spans):
        result = self.exporter.export(spans)
        if len(spans) == 3 and any(o.kind is FailureKind.REFUSED for o in self.outcomes):
            raise ConnectionError("refused")
        return result
""",
    ),
    Row(
        "500 is not reported",
        "a_failure_is_counted",
        body="""
    def report(self, outcome, number):
        if outcome.status != "500":
            self.context.report(outcome, number)
""",
    ),
    Row(
        "a silent receiver is waited for",
        "an_export_keeps_its_timeout",
        body="""
    def export(self, spans):
        result = self.exporter.export(spans)
        if any("did not respond" in o.reason or "response was not complete" in o.reason
               for o in self.outcomes):
            time.sleep(4)
        return result
""",
    ),
    Row(
        "parts are not reported",
        "a_batch_that_is_too_large_is_counted",
        body="""
    def report(self, outcome, number):
        if number != 2:
            self.context.report(outcome, number)
""",
    ),
    Row(
        "a failure is for good",
        "a_receiver_that_comes_back_is_used",
        body="""
    failed = False
    def export(self, spans):
        if self.failed:
            return SpanExportResult.FAILURE
        result = self.exporter.export(spans)
        self.failed = result is SpanExportResult.FAILURE
        return result
""",
    ),
    Row(
        "any certificate is trusted",
        "tls_trusts_the_named_authority_only",
        body="""
    def export(self, spans):
        result = self.exporter.export(spans)
        if any(o.kind is FailureKind.TLS for o in self.outcomes):
            import ssl, urllib.request
            from bentotrace_acme.encoder import encode
            context = ssl._create_unverified_context()
            request = urllib.request.Request(
                self.options.resolved().address, encode(spans), {"Content-Type": "application/json"}
            )
            urllib.request.urlopen(request, context=context, timeout=5).close()
        return result
""",
    ),
    Row(
        "headers are not sent",
        "headers_are_sent",
        body="""
    def change(self, options, context):
        return evolve(options, headers={}), context
""",
    ),
    Row(
        "advice that is not text",
        "advice_is_a_line_for_every_failure",
        add_to_descriptor("advise=lambda options, outcome: outcome.kind"),
    ),
    Row(
        "advice on responses only",
        "advice_is_a_line_for_every_failure",
        add_to_descriptor("advise=lambda options, outcome: 'status ' + outcome.status"),
    ),
    Row(
        "a check without a name",
        "checks_are_steps_of_the_doctor",
        add_to_descriptor('checks=lambda options, context: [Check(" ", True, "there")]'),
    ),
    Row(
        "a check that raises when the receiver is away",
        "checks_are_steps_of_the_doctor",
        add_to_descriptor(
            "checks=lambda options, context: [Check('port', True, str("
            "__import__('socket').create_connection(('localhost', int("
            "options.endpoint.split(':')[2].split('/')[0])), 1).close()))]"
        ),
    ),
    Row(
        "the token is logged",
        "secrets_are_shown_nowhere",
        body="""
    def change(self, options, context):
        context.logger.debug("token %s", options.token)
        return super().change(options, context)
""",
    ),
    Row(
        "a response is quoted",
        "secrets_are_shown_nowhere",
        body="""
    def report(self, outcome, number):
        self.context.report(evolve(outcome, reason=outcome.body.decode()), number)
""",
    ),
    Row(
        "a flush without end",
        "force_flush_ends_within_its_timeout",
        body="""
    def force_flush(self, timeout_millis=30000):
        time.sleep(10)
        return True
""",
    ),
    Row(
        "a flush without a result",
        "force_flush_ends_within_its_timeout",
        body="""
    def force_flush(self, timeout_millis=30000):
        pass
""",
    ),
    Row(
        "a shutdown of what was never used",
        "shutdown_before_use_is_safe",
        body="""
    def shutdown(self):
        self.outcomes[0]
        self.exporter.shutdown()
""",
    ),
    Row(
        "a second shutdown raises",
        "shutdown_twice_is_safe",
        body="""
    def shutdown(self):
        self.exporter.shutdown()
        del self.options
""",
    ),
    Row(
        "shutdown does nothing",
        "export_after_shutdown_fails",
        body="""
    def shutdown(self):
        self.exporter.shutdown()
        self.exporter = _create_good(*self.change(self.options, self.context))
""",
    ),
)
