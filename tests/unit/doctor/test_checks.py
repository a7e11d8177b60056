"""The plugin of somebody else: its advice, its checks, and what its server gets."""

from __future__ import annotations

import json
import logging
import threading
import types
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import bentotrace
from bentotrace.config.load import load_config
from bentotrace.doctor.examine import examine
from bentotrace.doctor.report import Diagnosis, State
from bentotrace.doctor.verdict import Verdict
from bentotrace.plugin import BuildContext, Check
from bentotrace.testing import ZipkinReceiver
from bentotrace.transport import FailureKind, Outcome

from .acme import AcmeOptions, AcmeReceiver, acme

TOKEN = "s3cr3t-token-of-acme"


@pytest.fixture
def server() -> Iterator[AcmeReceiver]:
    with AcmeReceiver() as receiver:
        yield receiver


def diagnose(
    module: types.ModuleType,
    url: str,
    folder: Path | None = None,
    *,
    timeout: float = 5.0,
    **options: Any,
) -> Diagnosis:
    name = module.bentotrace_exporter().name
    section = {"endpoint": url, **options}
    block = {"exporter_type": name, "sample_rate": 1, "timeout": timeout, name: section}
    source: Any = block
    if folder is not None:
        source = folder / "tracing.yaml"
        source.write_text(json.dumps({"tracing": block}, indent=1))
    config = load_config(source, environ={}, plugins=[module])
    (found,) = examine(config).diagnoses
    return found


def advise(options: AcmeOptions, outcome: Outcome) -> str | None:
    if outcome.kind is FailureKind.UNAUTHORIZED:
        return f"acme.token has expired, or is not {options.token}; ask the desk"
    return "create the database" if outcome.status == "404" else None


@pytest.mark.parametrize("name", ["acme", "zipkin"])
def test_no_path_of_another_vendor_is_sent_to_its_server(server: AcmeReceiver, name: str) -> None:
    found = diagnose(acme(name), f"http://{server.address}/wrong")

    assert found.verdict is Verdict.NOT_FOUND
    assert f"path in {name}.endpoint" in found.fix
    assert server.paths == ["/wrong"]


def test_the_option_with_the_credential_is_named_with_its_place(
    server: AcmeReceiver, tmp_path: Path
) -> None:
    server.respond_with(401)
    sent = diagnose(acme(), server.endpoint, tmp_path, token=TOKEN)
    server.respond_with(401)
    missing = diagnose(acme(), server.endpoint, tmp_path)

    assert sent.fix == (
        "Sent: acme.token. Correct or add the credentials that the receiver requires in "
        f"acme.token ({tmp_path}/tracing.yaml:8:13)."
    )
    assert missing.fix == (
        "No credentials were sent. Correct or add the credentials that the receiver requires in "
        "acme.token."
    )


def test_the_advice_of_the_plugin_replaces_the_general_one(server: AcmeReceiver) -> None:
    server.respond_with(403)
    rejected = diagnose(acme(advise=advise), server.endpoint, token=TOKEN)
    lost = diagnose(acme(advise=advise), f"http://{server.address}/wrong")
    server.respond_with(400)
    other = diagnose(acme(advise=advise), server.endpoint)

    assert rejected.fix == (
        "acme.token has expired, or is not ***; ask the desk Sent: acme.token (<mapping>)."
    )
    assert lost.fix == "create the database"
    assert other.fix.startswith("Check the receiver's log")


def test_the_log_of_a_service_has_the_same_advice(
    server: AcmeReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    def logged(module: types.ModuleType) -> str:
        server.respond_with(401)
        caplog.clear()
        block = {"endpoint": server.endpoint, "token": TOKEN}
        source = {"exporter_type": "acme", "sample_rate": 1, "acme": block}
        with caplog.at_level(logging.WARNING), bentotrace.build(source, plugins=[module]) as built:
            built.provider.get_tracer("test").start_span("one").end()
        return caplog.text

    assert "acme.token has expired, or is not ***; ask the desk" in logged(acme(advise=advise))
    assert "the credentials that the receiver requires in acme.token" in logged(acme())


@pytest.mark.parametrize(
    "broken",
    [
        lambda options, outcome: 1 / 0,
        lambda options, outcome: outcome,
        lambda options, outcome: "",
    ],
)
def test_advice_that_fails_is_replaced_by_the_general_one(
    server: AcmeReceiver, broken: Any
) -> None:
    server.respond_with(401)
    found = diagnose(acme(advise=broken), server.endpoint)

    assert "the credentials that the receiver requires in acme.token" in found.fix


def test_advice_that_does_not_return_is_an_exporter_that_hangs(server: AcmeReceiver) -> None:
    server.respond_with(401)
    wait: Any = lambda options, outcome: threading.Event().wait(60)  # noqa: E731
    found = diagnose(acme(advise=wait), server.endpoint, timeout=2)

    assert found.verdict is Verdict.EXPORTER_HANGS


def checks(options: AcmeOptions, context: BuildContext) -> Iterator[Check]:
    url = options.url.replace("/spans", "/table")
    request = urllib.request.Request(url, b"", method="POST")
    try:
        urllib.request.urlopen(request, timeout=context.timeout).close()
    except urllib.error.HTTPError as error:
        error.close()
        reason = f"{error}, not for {options.token}"
        yield Check("table", ok=False, message=reason, fix="Create the table.")
    else:
        yield Check("table", ok=True, message="it exists")


def test_a_check_is_a_step_with_its_result(server: AcmeReceiver) -> None:
    bad = diagnose(acme(checks=checks), server.endpoint, token=TOKEN)
    paths = server.paths
    step = bad.steps[-1]

    assert (bad.verdict, bad.verdict.exit_code, bad.fix) == (Verdict.CHECK, 53, "Create the table.")
    assert (step.label, step.state) == ("table", State.FAILED)
    assert step.message == bad.reason == "HTTP Error 404: Not Found, not for ***"
    assert step.seconds is not None
    assert paths == ["/spans", "/table"]

    server.respond_with(200)
    server.respond_with(200)
    good = diagnose(acme(checks=checks), server.endpoint)
    assert good.verdict is Verdict.GOOD
    assert (good.steps[-1].label, good.steps[-1].message) == ("table", "it exists")


def test_a_check_explains_a_rejected_span(server: AcmeReceiver) -> None:
    server.respond_with(400)
    found = diagnose(acme(checks=checks, advise=advise), server.endpoint)

    assert found.verdict is Verdict.REJECTED
    assert found.fix == "Create the table."


def test_checks_do_not_run_if_the_receiver_is_not_reached(server: AcmeReceiver) -> None:
    ran: list[int] = []
    endpoint = server.endpoint
    server.close()
    found = diagnose(acme(checks=lambda *_: ran.append(1) or []), endpoint)

    assert found.verdict is Verdict.CLOSED_PORT
    assert ran == []


def test_checks_that_fail_themselves_are_reported(server: AcmeReceiver) -> None:
    def fails(options: AcmeOptions, context: BuildContext) -> Iterator[Any]:
        yield Check("first", ok=True, message="good")
        raise KeyError(options.token)

    found = diagnose(acme(checks=fails), server.endpoint, token=TOKEN)
    wrong: Any = lambda *_: ["first"]  # noqa: E731
    other = diagnose(acme(checks=wrong), server.endpoint)

    assert [step.label for step in found.steps[-2:]] == ["first", "checks"]
    assert found.reason == "checks() of exporter 'acme' raised KeyError: '***'"
    assert found.fix == "Report this to the author of the exporter."
    assert "yielded str, not a bentotrace.plugin.Check" in other.reason


def test_a_built_in_exporter_still_finds_its_path() -> None:
    with ZipkinReceiver() as receiver:
        url = receiver.endpoint.removesuffix("/api/v2/spans")
        block = {"exporter_type": "zipkin", "zipkin": {"endpoint": f"{url}/wrong"}}
        (found,) = examine(load_config(block, environ={})).diagnoses

    assert f"write {url}/api/v2/spans in zipkin.endpoint" in found.fix
