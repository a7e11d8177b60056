"""The verdicts on the configuration, and on exporters that are not ours."""

from __future__ import annotations

import logging
import threading
from typing import Any

import attrs
import pytest
from attrs import frozen
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from bentotrace.config.load import ExporterConfig, load_config
from bentotrace.delivery.advice import advice_on
from bentotrace.doctor.examine import examine
from bentotrace.doctor.report import Diagnosis
from bentotrace.doctor.verdict import StepName, Verdict
from bentotrace.plugin import ExporterPlugin, Target, option
from bentotrace.transport import FailureKind, Outcome, TLSConfig

from .diagnoses import (
    Diagnose,
    failed,
)

# The doctor knows whether a connection was made, and its export is neither late nor interrupted.
ONLY_IN_THE_LOG = {FailureKind.TIMEOUT, FailureKind.CLOSED, FailureKind.UNEXPECTED}


class TestOtherExporters:
    def test_the_console_takes_the_span_and_prints_nothing(
        self, diagnose: Diagnose, capsys: pytest.CaptureFixture[str]
    ) -> None:
        found = diagnose("console")

        assert found.verdict is Verdict.GOOD
        assert capsys.readouterr().out == ""

    def test_none_and_disabled_send_nothing_as_configured(self) -> None:
        for block in ({"exporter_type": "none"}, {"exporter_type": "otlp", "disabled": True}):
            assert examine(load_config(block, environ={})).verdict is Verdict.NOTHING

    def test_no_exporter_at_all_is_a_mistake(self) -> None:
        found = examine(load_config({"sample_rate": 1}, environ={}))

        assert found.verdict is Verdict.NO_EXPORTER
        assert found.notes[-1].message.startswith("no exporter is selected")

    def test_a_rate_of_zero_is_noted_and_hinders_nothing(self) -> None:
        found = examine(load_config({"exporter_type": "console"}, environ={}))

        assert found.verdict is Verdict.GOOD
        assert found.notes[-1].message.startswith(
            "sample_rate is 0 by default, so no trace starts here"
        )

    def test_the_first_verdict_that_is_not_good_is_that_of_all(self, free_port: int) -> None:
        block = {
            "exporter_type": ["console", "zipkin"],
            "timeout": 0.5,
            "zipkin": {"endpoint": f"http://127.0.0.1:{free_port}"},
        }
        found = examine(load_config(block, environ={}))

        assert [each.verdict for each in found.diagnoses] == [Verdict.GOOD, Verdict.CLOSED_PORT]
        assert found.verdict is Verdict.CLOSED_PORT

    @pytest.mark.parametrize(
        ("behaviour", "reason"),
        [
            ("fail", "it reported a failure without a reason"),
            ("raise", "it raised RuntimeError: no http://here/ for ***"),
        ],
    )
    def test_an_exporter_that_reports_nothing_is_judged_by_its_result(
        self, behaviour: str, reason: str
    ) -> None:
        found = foreign(behaviour)

        assert found.verdict is Verdict.EXPORTER
        assert found.reason.startswith(reason)
        assert failed(found) is StepName.EXPORT

    def test_what_an_exporter_logs_meanwhile_is_told_without_secrets(self) -> None:
        found = foreign("log")

        assert found.fix == "It logged: acme: http://here/ answered 418 to ***"
        assert "s3cr" not in foreign("log much").fix

    def test_a_log_call_that_is_wrong_is_no_failure_of_the_export(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # pytest's own handler raises.
        monkeypatch.setattr(logging.getLogger(), "handlers", [])

        assert "raised" not in foreign("log wrong").reason

    def test_an_exporter_that_does_not_return_is_left(self) -> None:
        found = foreign("hang", timeout=0.2)

        assert found.verdict is Verdict.EXPORTER_HANGS
        assert found.reason == "the exporter did not return within 2.2 s and was abandoned"
        assert failed(found) is StepName.EXPORT

    def test_an_exporter_that_does_not_close_is_left(self) -> None:
        found = foreign("stay open", timeout=0.2)

        assert found.verdict is Verdict.EXPORTER_HANGS
        assert found.reason.startswith(
            "creating and closing the exporter did not return within 2.2 s"
        )
        assert failed(found) is StepName.CONFIGURATION

    def test_an_exporter_that_reports_outcomes_gets_their_verdict(self) -> None:
        found = foreign("report", outcome=failure(FailureKind.STATUS, "502"))

        assert found.verdict is Verdict.SERVER_ERROR
        assert (failed(found), found.reason) == (StepName.EXPORT, "so it says")

    @pytest.mark.parametrize(
        "kind", sorted(set(FailureKind) - ONLY_IN_THE_LOG, key=str), ids=lambda kind: kind.value
    )
    def test_the_advice_is_that_of_the_log_with_names(self, kind: FailureKind) -> None:
        advice = advice_on(
            kind.value,
            endpoint="its endpoint",
            receiver="the receiver on somewhere",
            host="the host",
            proxy="http_proxy or https_proxy",
            headers="its headers",
            exporter="acme",
        )

        assert advice[1:] in foreign("report", outcome=failure(kind)).fix

    def test_a_probe_says_what_an_export_had_no_time_for(self, free_port: int) -> None:
        target = Target("http", f"http://127.0.0.1:{free_port}/")
        found = foreign("report", target=target, outcome=failure(FailureKind.TIMEOUT))

        assert found.verdict is Verdict.CLOSED_PORT
        assert "nothing listens on" in found.reason

    def test_a_port_that_is_open_is_not_called_closed(self, serve: Any) -> None:
        server = serve(lambda connection: None)
        target = Target("grpc", server.netloc)
        found = foreign("report", target=target, outcome=failure(FailureKind.REFUSED))

        assert found.verdict is Verdict.DISCONNECTED
        assert found.reason == f"{server.netloc} accepts the connection and closes it; so it says"

    def test_a_refusal_of_another_address_does_not_hide_a_failure_of_tls(
        self, serve: Any, receiver: Any, expired_certificates: Any
    ) -> None:
        port = serve(receiver(), context=expired_certificates.server_context()).port
        files = TLSConfig(ca_file=expired_certificates.ca_file)
        target = Target("grpc", f"localhost:{port}", tls=files)
        found = foreign("report", target=target, outcome=failure(FailureKind.REFUSED))

        assert found.verdict is Verdict.CERTIFICATE_TIME

    def test_an_exporter_that_cannot_be_made_is_a_mistake_of_the_configuration(self) -> None:
        found = foreign("absent")

        assert found.verdict is Verdict.CONFIGURATION
        assert found.reason == "cannot create exporter 'acme': ValueError: not today"
        assert len(found.steps) == 1


NOWHERE = Target("ink", "somewhere")


def failure(kind: FailureKind, status: str | None = None) -> Outcome:
    return Outcome(ok=False, endpoint="x", kind=kind, status=status, reason="so it says")


@frozen
class AcmeOptions:
    behaviour: str = option(help="What it does.")
    token: str = option(default="s3cr3t-marker", secret=True, help="Who it is.")
    outcome: Outcome | None = None


class AcmeExporter(SpanExporter):
    def __init__(self, options: AcmeOptions, context: Any) -> None:
        if options.behaviour == "absent":
            raise ValueError("not today")
        self._options = options
        self._context = context

    def export(self, spans: Any) -> SpanExportResult:
        behaviour, token = self._options.behaviour, self._options.token
        if behaviour == "hang":
            threading.Event().wait(30)
            # A failure would be logged, in the midst of another test.
            return SpanExportResult.SUCCESS
        if behaviour == "raise":
            raise RuntimeError(f"no http://user:{token}@here/ for {token}")
        if behaviour == "log":
            logging.getLogger("acme").warning("http://u:p@here/ answered 418 to %s", token)
        if behaviour == "log much":
            logging.getLogger("acme").warning("%s%s", "x" * 285, token)
        if behaviour == "log wrong":
            logging.getLogger("acme").warning("%d spans", "some")
        if behaviour == "report":
            self._context.report(self._options.outcome, len(spans))
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        if self._options.behaviour == "stay open":
            threading.Event().wait(30)


def foreign(
    behaviour: str,
    timeout: float = 5.0,
    *,
    target: Target = NOWHERE,
    outcome: Outcome | None = None,
) -> Diagnosis:
    plugin = ExporterPlugin(name="acme", config=AcmeOptions, create=AcmeExporter, summary="Acme")
    options = AcmeOptions(behaviour=behaviour, outcome=outcome)
    config = load_config({"exporter_type": "none"}, environ={})
    exporter = ExporterConfig(plugin, options, timeout, target, ())
    (found,) = examine(attrs.evolve(config, exporters=(exporter,))).diagnoses
    return found
