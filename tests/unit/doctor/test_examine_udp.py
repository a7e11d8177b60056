"""The verdicts on what is sent over UDP."""

from __future__ import annotations

import socket
from typing import Any

from bentotrace.doctor.verdict import StepName, Verdict

from .diagnoses import (
    Diagnose,
    failed,
)


class TestUDP:
    def section(self, port: int, host: str = "127.0.0.1") -> dict[str, Any]:
        return {"thrift": {"agent_host_name": host, "agent_port": port}}

    def test_a_datagram_that_leaves_is_sent_and_no_more_is_claimed(
        self, diagnose: Diagnose
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as agent:
            agent.bind(("127.0.0.1", 0))
            found = diagnose("jaeger", self.section(agent.getsockname()[1]))
            agent.settimeout(10)
            datagrams = [agent.recv(65_536), agent.recv(65_536)]

        assert found.verdict is Verdict.SENT
        assert found.verdict.good
        assert [step.name for step in found.steps] == [
            StepName.CONFIGURATION,
            StepName.RESOLUTION,
            StepName.CONNECTION,
            StepName.RESPONSE,
        ]
        assert "does not confirm that a span arrived" in found.fix
        assert found.trace_id in found.fix
        # The second hears of it when nobody listened to the first.
        assert all(b"bentotrace doctor" in datagram for datagram in datagrams)

    def test_a_closed_port_is_told_where_icmp_tells_it(
        self, diagnose: Diagnose, free_port: int
    ) -> None:
        found = diagnose("jaeger", self.section(free_port))

        assert found.verdict is Verdict.CLOSED_PORT
        assert failed(found) is StepName.CONNECTION
        assert "jaeger.thrift.agent_host_name" in found.fix

    def test_a_name_that_does_not_resolve(self, diagnose: Diagnose) -> None:
        found = diagnose("jaeger", self.section(6831, "no..such..host"))

        assert found.verdict is Verdict.NAME
