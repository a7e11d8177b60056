"""What installed plugins cost: the start of a service, and each command, beside none installed.

Every figure is the least processor time of fresh processes that take turns; none of them waits for
anything. The plugins are distributions with their own metadata, module and options, those that
``bentotrace new-exporter`` writes, in a directory on ``sys.path``. Run it as
``python benchmarks/plugins.py`` where ``bentotrace[cli]`` is installed, not a checkout.
"""

from __future__ import annotations

import argparse
import compileall
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

CONFIG = """\
tracing:
  exporter_type: otlp
  sample_rate: 0.5
  otlp: {protocol: http, endpoint: "http://localhost:4318"}
"""

MODULE = """\
from attrs import frozen
from opentelemetry.sdk.trace.export import ConsoleSpanExporter

from bentotrace.hookspecs import hookimpl
from bentotrace.plugin import URL, Address, ExporterPlugin, option
from bentotrace.transport.options import HTTPClientOptions


@frozen
class Options(HTTPClientOptions):
    endpoint: Address = option(
        default=Address("http://localhost:8123/spans"),
        kind=URL,
        env=["ACME{number}_ENDPOINT"],
        help="The receiver; /spans is added to a URL without a path.",
    )
    token: str | None = option(
        default=None,
        secret=True,
        env=["ACME{number}_TOKEN"],
        help="The token that the receiver expects.",
    )


@hookimpl
def bentotrace_exporter():
    return ExporterPlugin(
        name="acme{number}",
        config=Options,
        create=lambda options, context: ConsoleSpanExporter(),
        summary="spans for the benchmark",
        api_version=1,
    )
"""

# The time of a whole process would hide what plugins add in the start of the interpreter.
_TIMED = """\
import contextlib, io, os, sys, time
import opentelemetry.sdk.trace, opentelemetry.sdk.trace.export
started = time.process_time()
with contextlib.redirect_stdout(io.StringIO()):
    {code}
taken = time.process_time() - started
print(taken, flush=True)
os._exit(0)
"""
_MODULES = (
    "import importlib, pathlib, bentotrace.plugin, bentotrace.transport.options; "
    "folder = pathlib.Path(os.environ['PYTHONPATH']); "
    "[importlib.import_module(file.stem) for file in folder.glob('*.py')]"
)
_COMMAND = "from bentotrace.cli import main; assert main({arguments}) == 0"
ROWS = {
    "`configure()`": "import bentotrace; bentotrace.configure(sys.argv[1])",
    "`validate`": _COMMAND.format(arguments="['validate', sys.argv[1]]"),
    "`plugins`": _COMMAND.format(arguments="['plugins']"),
    "`schema`": _COMMAND.format(arguments="['schema']"),
    "only the import of the plugins' modules": _MODULES,
}


def install(directory: Path, count: int) -> None:
    """Put distributions there that each have an exporter."""
    directory.mkdir()
    for number in range(count):
        info = directory / f"bentotrace_acme_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: bentotrace-acme-{number}\nVersion: 1.0\n"
        )
        point = f"[bentotrace.exporters]\nacme{number} = bentotrace_acme_{number}\n"
        (info / "entry_points.txt").write_text(point)
        module = MODULE.replace("{number}", str(number))
        (directory / f"bentotrace_acme_{number}.py").write_text(module)
    # As pip does.
    compileall.compile_dir(directory, quiet=1)


def run_once(code: str, file: Path, environ: Mapping[str, str]) -> float:
    """Return the seconds that one fresh process takes for the code."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _TIMED.format(code=code), str(file)],
        env={**environ},
        cwd=file.parent,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--plugins", type=int, nargs="+", default=[0, 100, 200, 400])
    arguments = parser.parse_args()
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "BENTO", "PYTHON"))
    }
    counts = arguments.plugins
    seconds: dict[tuple[str, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        file = directory / "tracing.yaml"
        file.write_text(CONFIG)
        for count in counts:
            install(directory / str(count), count)
        for turn in range(arguments.rounds + 1):
            for row, code in ROWS.items():
                for count in counts:
                    environ = {**clean, "PYTHONPATH": str(directory / str(count))}
                    taken = run_once(code, file, environ)
                    # The first turn only fills the caches.
                    if turn:
                        seconds.setdefault((row, count), []).append(taken)
    heads = [f"{count} plugins, ms" for count in counts]
    print(f"| {arguments.rounds} processes each, minimum | {' | '.join(heads)} | per plugin, ms |")
    print(f"| {' | '.join(['---'] * (len(counts) + 2))} |")
    for row in ROWS:
        least = [min(seconds[row, count]) * 1e3 for count in counts]
        each = (least[-1] - least[0]) / (counts[-1] - counts[0])
        cells = " | ".join(f"{taken:.0f} ({taken / least[0]:.1f}x)" for taken in least)
        print(f"| {row} | {cells} | {each:.2f} |")


if __name__ == "__main__":
    main()
