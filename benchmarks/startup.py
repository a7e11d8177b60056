"""What starting costs: from a file to a running provider, ours beside OpenTelemetry's own.

Every figure is the median of fresh processes that take turns. The SDK is imported before the clock
starts, since a service has it anyway. Both configure OTLP over HTTP. Run it as
``python benchmarks/startup.py`` where ``opentelemetry-configuration`` and
``opentelemetry-exporter-otlp-proto-http`` are installed; without them it shows ours alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

OURS = """\
tracing:
  exporter_type: otlp
  sample_rate: 0.5
  resource: {attributes: {service.name: iris}}
  otlp:
    protocol: http
    endpoint: http://localhost:4318
"""

THEIRS = """\
file_format: "1.0"
resource:
  attributes:
    - {name: service.name, value: iris}
tracer_provider:
  sampler:
    parent_based:
      root: {trace_id_ratio_based: {ratio: 0.5}}
  processors:
    - batch:
        exporter:
          otlp_http: {endpoint: "http://localhost:4318/v1/traces"}
"""

_TIMED = """\
import sys, time
import opentelemetry.sdk.trace, opentelemetry.sdk.trace.export
started = time.perf_counter()
{start}
print(time.perf_counter() - started)
sys.stdout.flush()
import os
os._exit(0)
"""
_START_OURS = "import bentotrace; bentotrace.configure(sys.argv[1])"
_START_THEIRS = (
    "from opentelemetry.configuration import configure_sdk, load_config_file; "
    "configure_sdk(load_config_file(sys.argv[1]))"
)


def start_once(start: str, file: Path, environ: Mapping[str, str]) -> float:
    """Give the seconds that one fresh process takes; it runs what is installed, not a checkout."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _TIMED.format(start=start), str(file)],
        env={**environ},
        cwd=file.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return float(done.stdout)


def install_plugins(directory: Path, count: int) -> None:
    """Put distributions there that each register an exporter."""
    for number in range(count):
        info = directory / f"acme_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: acme-{number}\nVersion: 1.0\n"
        )
        point = f"[bentotrace.exporters]\nacme{number} = acme_{number}\n"
        (info / "entry_points.txt").write_text(point)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--plugins", type=int, default=200)
    arguments = parser.parse_args()
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "BENTO"))
    }
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        ours, theirs, plugins = directory / "ours.yaml", directory / "theirs.yaml", directory / "p"
        ours.write_text(OURS)
        theirs.write_text(THEIRS)
        plugins.mkdir()
        install_plugins(plugins, arguments.plugins)
        crowded = f"bentotrace, {arguments.plugins} plugins installed"
        rows = {
            "bentotrace": (_START_OURS, ours, clean),
            crowded: (_START_OURS, ours, {**clean, "PYTHONPATH": str(plugins)}),
        }
        if find_spec("opentelemetry.configuration") is not None:
            rows["OpenTelemetry's file"] = (_START_THEIRS, theirs, clean)
        seconds: dict[str, list[float]] = {row: [] for row in rows}
        for turn in range(arguments.rounds + 1):
            for row, (start, file, environ) in rows.items():
                taken = start_once(start, file, environ)
                # The first turn only fills the caches.
                if turn:
                    seconds[row].append(taken)
    base = statistics.median(seconds["bentotrace"])
    print(f"| from a file to a provider, {arguments.rounds} processes | min / median, ms | ratio |")
    print("| --- | --- | --- |")
    for row, taken in seconds.items():
        median = statistics.median(taken)
        print(f"| {row} | {min(taken) * 1e3:.0f} / {median * 1e3:.0f} | {median / base:.1f}x |")


if __name__ == "__main__":
    main()
