"""Real services in processes of their own, and the receiver that they export to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

TIMEOUT = 60.0
"""Seconds that nothing here takes unless it is broken."""

SERVICE = Path(__file__).with_name("service.py")


class Service:
    """A running service."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate(timeout=TIMEOUT)
        self.address = f"127.0.0.1:{line.strip()}"
        self.url = f"http://{self.address}"

    def get(self, path: str = "/", **headers: str) -> None:
        """Send a request over HTTP, and take the answer."""
        request = urllib.request.Request(self.url + path, headers=headers)
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            assert answer.read() == b"served"

    def end(self, by: int | None = None) -> None:
        """End it by its standard input, or by a signal, and wait until all it made is exported."""
        if by is not None:
            self._process.send_signal(by)
        _, written = self._process.communicate(timeout=TIMEOUT)
        assert "Traceback" not in written, written

    def kill(self) -> None:
        """End it at once, if it runs."""
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def receiver() -> Iterator[Any]:
    pytest.importorskip("opentelemetry.proto", reason="the receiver decodes with its protobuf")
    from bentotrace.testing import OTLPHTTPReceiver

    with OTLPHTTPReceiver() as listening:
        yield listening


@pytest.fixture
def start(tmp_path: Path, receiver: Any) -> Iterator[Callable[..., Service]]:
    """Starts a service: its kind, what it asks, variables in capitals, and options."""
    running: list[Service] = []

    def start(kind: str, following: str = "", **more: Any) -> Service:
        variables = {name: value for name, value in more.items() if name.isupper()}
        options = {name: value for name, value in more.items() if not name.isupper()}
        file = tmp_path / f"{kind}.yaml"
        block = {
            "exporter_type": "otlp",
            "sample_rate": 1,
            "excluded_urls": ["/healthz$", "/grpc.health"],
            "resource": {"attributes": {"service.name": kind}},
            "processor": {"schedule_delay": "1h", "shutdown_timeout": TIMEOUT},
            "otlp": {"protocol": "http", "endpoint": receiver.endpoint},
            **options,
        }
        file.write_text(json.dumps({"tracing": block}), encoding="utf-8")
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OTEL_", "BENTO")) and not name.lower().endswith("_proxy")
        }
        process = subprocess.Popen(
            [sys.executable, str(SERVICE), kind, str(file), *([following] if following else [])],
            env={**clean, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(Service(process))
        return running[-1]

    yield start
    for service in running:
        service.kill()
