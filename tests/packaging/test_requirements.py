"""What ``install_requires`` lists is what ordinary use imports: nothing more, nothing less."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CONFIGURATION = """\
tracing:
  exporter_type: otlp
  sample_rate: 1.0
  otlp: {protocol: http, endpoint: http://127.0.0.1:PORT}
"""

# It exports a span to a real server, and prints the files of the modules that it has imported.
ORDINARY_USE = """
import sys

started_with, blocked = {*sys.modules}, {*sys.argv[2:]}

class Blocker:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker)

import json, pathlib, threading
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
file = pathlib.Path(sys.argv[1])
file.write_text(file.read_text().replace("PORT", str(server.server_port)))

import bentotrace
from opentelemetry import trace

tracing = bentotrace.configure(file)
trace.get_tracer("test").start_span("one").end()
tracing.shutdown()
(status,) = tracing.status().destinations
assert status.exported == 1, status
imported = [module for name, module in sys.modules.items() if name not in started_with]
print(json.dumps([getattr(module, "__file__", None) for module in imported]))
"""


def requirements(distribution: str) -> set[str]:
    """Name what a distribution needs without extras, here."""
    parsed = map(Requirement, metadata.requires(distribution) or ())
    return {
        canonicalize_name(requirement.name)
        for requirement in parsed
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    }


def with_dependencies(names: set[str]) -> set[str]:
    found: set[str] = set()
    while names:
        found |= names
        names = set().union(*map(requirements, names)) - found
    return found


def use(directory: Path, *blocked: str) -> subprocess.CompletedProcess[str]:
    file = directory / "tracing.yaml"
    file.write_text(CONFIGURATION)
    environ = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ORDINARY_USE, file, *blocked],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )


def modules_of(distribution: str) -> list[str]:
    return [
        ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        for path in metadata.files(distribution) or ()
        if path.suffix == ".py"
    ]


@pytest.mark.parametrize("name", sorted(requirements("bentotrace")))
def test_ordinary_use_breaks_without_a_requirement(name: str, tmp_path: Path) -> None:
    done = use(tmp_path, *modules_of(name))

    assert done.returncode == 1, f"{name} is required, and nothing ordinary needs it"
    assert "ModuleNotFoundError: No module named" in done.stderr


def test_ordinary_use_imports_what_is_required_and_nothing_else(tmp_path: Path) -> None:
    done = use(tmp_path)
    assert done.returncode == 0, done.stderr

    owners = {
        str(path.locate()): canonicalize_name(distribution.name)
        for distribution in metadata.distributions()
        for path in distribution.files or ()
    }
    used = {owners[file] for file in json.loads(done.stdout) if file in owners} - {"bentotrace"}

    required = requirements("bentotrace")
    # opentelemetry-sdk looks for psutil itself.
    assert used - with_dependencies(required) - {"psutil"} == set()
    assert required <= used
