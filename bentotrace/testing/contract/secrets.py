"""The duty to show no secret."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from bentotrace.schema.tree import Leaf, section_of
from bentotrace.testing.contract.base import (
    SECRET,
    Bench,
    Duties,
    mistake_of,
    require,
    try_export,
)
from bentotrace.testing.spans import make_spans

__all__ = ["SecretDuties"]

_NEAR = 60
_MASK = (
    "pass every text of a receiver or an error through context.redaction.line(text), and raise the "
    "level of the loggers of other libraries"
)
_QUOTED = f"rejected: {SECRET}, authorization: Bearer {SECRET}, token={SECRET}"


class SecretDuties(Duties):
    """Where the secrets of a configuration may not appear."""

    def test_secrets_are_shown_nowhere(
        self,
        bench: Bench,
        caplog: pytest.LogCaptureFixture,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """No secret is in any text, even if the receiver quotes it."""
        secrets = self._secrets(bench)
        if not secrets:
            pytest.skip("no option of this exporter is a secret")
        caplog.set_level(logging.DEBUG)
        receiver = bench.receiver()
        mistake = mistake_of(lambda: bench.load(bench.configure(receiver, secrets)))
        require(
            mistake is None,
            f"the options {', '.join(secrets)} with secrets are refused: {mistake}; set secrets to "
            'options that are valid together, such as {"user": "me", "password": SECRET}',
        )
        built = bench.build(receiver, secrets)
        shown = {
            "the repr of the options": repr(built.config.options),
            "the repr of the exporter": f"{built.exporter!r} {built.exporter}",
            "the target": repr(built.config.target),
        }
        # A receiver may refuse the secrets; the reason may not show them either.
        results = [try_export(built, make_spans(1))]
        if receiver is not None and self.family() == "http":
            receiver.respond_with(400, body=_QUOTED.encode(), headers={"x-quoted": SECRET})
        elif receiver is not None and self.family() == "grpc":
            receiver.respond_with("INVALID_ARGUMENT", _QUOTED, metadata=[("x-quoted", SECRET)])
        results.append(try_export(built, make_spans(1)))
        if receiver is not None:
            away = bench.build(receiver, secrets, timeout=self.timeout)
            receiver.close()
            results.append(try_export(away, make_spans(1)))
            built.all_reports.extend(away.all_reports)
        printed = capsys.readouterr()
        shown |= {
            "a raised exception": repr(results),
            "a reported outcome": repr(built.all_reports),
            "its headers": repr([dict(outcome.headers) for outcome in built.all_reports]),
            **_messages_by_logger(caplog),
            "the output": printed.out + printed.err,
        }
        found = [f"{where}: {_around(text)}" for where, text in shown.items() if SECRET in text]
        require(not found, f"a secret is shown in {'; '.join(found)}; {_MASK}")

    def _secrets(self, bench: Bench) -> Mapping[str, Any]:
        """Return options with secrets, by dotted name."""
        found = dict(self.secrets or {})
        if self.secrets is None:
            for child in section_of(bench.plugin.config).children:
                if isinstance(child, Leaf) and child.record.secret and not child.kind.takes_mapping:
                    found[child.name] = SECRET
        if self.supports_headers:
            found.setdefault(self.headers_option, {"X-Token": SECRET})
        return found


def _messages_by_logger(caplog: pytest.LogCaptureFixture) -> Mapping[str, str]:
    """Return what each logger logged: that of another library must be silenced, not masked."""
    shown: dict[str, str] = {}
    for record in caplog.records:
        where = f"the log of {record.name}"
        text = caplog.handler.format(record)
        shown[where] = f"{shown[where]}\n{text}" if where in shown else text
    return shown


def _around(text: str) -> str:
    """Return the line with the secret, or the part of it that is near."""
    (line,) = [line for line in text.splitlines() if SECRET in line][:1]
    start = max(line.index(SECRET) - _NEAR, 0)
    return line[start : start + 2 * _NEAR].replace(SECRET, "<the secret>").strip()
