"""Each rule on imports holds, and is shown to fail on a violation made on purpose."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITH_TYPE_CHECKING = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "


def contracts(root: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of import-linter on the checkout below a root."""
    command = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [command, "--no-cache"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "plugins")])},
        capture_output=True,
        text=True,
        timeout=120,
    )


def script(root: Path) -> subprocess.CompletedProcess[str]:
    """Run the other checks on the checkout below a root."""
    return subprocess.run(
        [sys.executable, root / "tests/lint/imports.py"],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the checks read."""
    for name in ("bentotrace", "plugins", "contrib", "tests/lint"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in ("pyproject.toml", "setup.cfg"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def before() -> str:
    """What the checks say of the checkout as it is."""
    return contracts(ROOT).stdout + script(ROOT).stderr


def add(checkout: Path, file: str, line: str) -> None:
    path = checkout / file
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{before}\n{line}\n", encoding="utf-8")


def test_the_contracts_hold() -> None:
    done = contracts(ROOT)

    assert done.returncode == 0, done.stdout


def test_the_other_rules_hold() -> None:
    done = script(ROOT)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("file", "line", "contract", "named"),
    [
        pytest.param(
            "bentotrace/config/locate.py",
            "import bentotrace.pipeline.sampler",
            "rooms, from top to bottom",
            "bentotrace.config.locate -> bentotrace.pipeline.sampler",
            id="upward",
        ),
        pytest.param(
            "bentotrace/transport/retry.py",
            f"{WITH_TYPE_CHECKING}from bentotrace.plugin import ExporterPlugin",
            "rooms, from top to bottom",
            "bentotrace.transport.retry -> bentotrace.plugin",
            id="upward, for types",
        ),
        pytest.param(
            "bentotrace/schema/kinds.py",
            "def late():\n    from bentotrace.discovery.registry import load",
            "rooms, from top to bottom",
            "bentotrace.schema.kinds -> bentotrace.discovery.registry",
            id="upward, within a function",
        ),
        pytest.param(
            "bentotrace/integrations/grpc.py",
            "from bentotrace.doctor import verdict",
            "rooms, from top to bottom",
            "bentotrace.integrations.grpc -> bentotrace.doctor",
            id="neighbours",
        ),
        pytest.param(
            "bentotrace/attic/__init__.py",
            "",
            "rooms, from top to bottom",
            "- bentotrace.attic",
            id="a room without a place",
        ),
        pytest.param(
            "bentotrace/testing/http_server.py",
            "import bentotrace.encoding",
            "receivers import no other room",
            "bentotrace.testing.http_server -> bentotrace.encoding",
            id="a receiver imports of ours",
        ),
        pytest.param(
            "bentotrace/ui/__init__.py",
            "import bentotrace.config.yaml",
            "rooms, from top to bottom",
            "bentotrace.ui -> bentotrace.config.yaml",
            id="ui imports from above the transport",
        ),
        pytest.param(
            "bentotrace/schema/kinds.py",
            f"{WITH_TYPE_CHECKING}from bentotrace.schema.tree import Leaf\n"
            "    import bentotrace.config.load",
            "no circle, within a room either",
            "- .schema -> .config",
            id="a circle of rooms",
        ),
        pytest.param(
            "bentotrace/schema/kinds.py",
            f"{WITH_TYPE_CHECKING}from bentotrace.schema.tree import Leaf",
            "no circle, within a room either",
            "No cycles are allowed in bentotrace.schema",
            id="a circle within a room",
        ),
        pytest.param(
            "plugins/bentotrace_otlp/encoder.py",
            f"{WITH_TYPE_CHECKING}import bentotrace_otlp.exporter",
            "no circle, within a room either",
            "No cycles are allowed in bentotrace_otlp",
            id="a circle within a plugin",
        ),
        pytest.param(
            "bentotrace/doctor/verdict.py",
            "import bentotrace.transport._http_connection",
            "a module with an underscore stays in its package",
            "bentotrace.doctor.verdict -> bentotrace.transport._http_connection",
            id="a private module of another package",
        ),
        pytest.param(
            "bentotrace/delivery/queue.py",
            f"{WITH_TYPE_CHECKING}from bentotrace.testing import ReceivedSpan",
            "only the demo imports the testing kit",
            "bentotrace.delivery.queue -> bentotrace.testing",
            id="the testing kit",
        ),
        pytest.param(
            "bentotrace/spool/codec.py",
            f"{WITH_TYPE_CHECKING}from bentotrace import Tracing",
            "only the rooms at the top import bentotrace itself",
            "bentotrace.spool.codec -> bentotrace (",
            id="the face",
        ),
    ],
)
def test_a_contract_names_what_violates_it(
    file: str, line: str, contract: str, named: str, checkout: Path, before: str
) -> None:
    assert named not in before
    add(checkout, file, line)

    done = contracts(checkout)

    assert done.returncode == 1
    assert f"{contract} BROKEN" in done.stdout
    assert named in done.stdout


@pytest.mark.parametrize(
    ("file", "line", "named"),
    [
        pytest.param(
            "bentotrace/pipeline/sampler.py",
            "import wrapt",
            "wrapt is imported outside of bentotrace.integrations",
            id="wrapt",
        ),
        pytest.param(
            "bentotrace/delivery/guard.py",
            f"{WITH_TYPE_CHECKING}from opentelemetry.instrumentation.utils import unwrap",
            "opentelemetry.instrumentation.utils.unwrap is imported outside of",
            id="opentelemetry.instrumentation",
        ),
        pytest.param(
            "bentotrace/cli/run.py",
            "def late():\n    from _bentoml_sdk import Service",
            "_bentoml_sdk.Service is imported outside of bentotrace.integrations",
            id="_bentoml_sdk",
        ),
        pytest.param(
            "bentotrace/doctor/verdict.py",
            "import bentoml",
            "bentoml is imported outside of bentotrace.integrations",
            id="bentoml",
        ),
        pytest.param(
            "bentotrace/spool/codec.py",
            "from attrs import field, frozen",
            "attrs.frozen is imported instead of bentotrace.values.frozen",
            id="a decorator that makes starting slower",
        ),
        pytest.param(
            "plugins/bentotrace_otlp/__init__.py",
            "from bentotrace.schema.kinds import Kind",
            "a plugin imports bentotrace.schema.kinds",
            id="a plugin imports a room",
        ),
        pytest.param(
            "plugins/bentotrace_otlp/__init__.py",
            "from bentotrace import configure",
            "a plugin imports bentotrace",
            id="a plugin imports bentotrace itself",
        ),
        pytest.param(
            "plugins/bentotrace_otlp/__init__.py",
            "import bentotrace.transport._http_connection",
            "a plugin imports bentotrace.transport._http_connection",
            id="a plugin imports a private module",
        ),
        pytest.param(
            "contrib/bentotrace-kafka/src/bentotrace_kafka/client.py",
            "from bentotrace.transport._http_connection import HTTPConnection",
            "a plugin imports bentotrace.transport._http_connection",
            id="a plugin of contrib imports a private module",
        ),
        pytest.param(
            "contrib/bentotrace-kafka/src/bentotrace_kafka/client.py",
            "import confluent_kafka\nfrom bentotrace.transport.splitting import explain_size",
            None,
            id="a plugin of contrib imports public ones, and what its distribution requires",
        ),
        pytest.param(
            "bentotrace/integrations/asgi.py",
            "from bentotrace import configure\nimport bentotrace.pipeline.sampler",
            None,
            id="allowed",
        ),
        pytest.param(
            "bentotrace/transport/retry.py",
            f"{WITH_TYPE_CHECKING}from bentotrace.transport import HTTPTransport",
            "a circle of imports: bentotrace.transport",
            id="a circle through __init__",
        ),
        pytest.param(
            "bentotrace/threads.py",
            "import bentotrace_console\nimport gevent",
            "gevent is imported, and setup.cfg does not declare gevent",
            id="undeclared",
        ),
    ],
)
def test_a_check_names_what_violates_it(
    file: str, line: str, named: str | None, checkout: Path, before: str
) -> None:
    add(checkout, file, line)

    done = script(checkout)

    if named is None:
        assert file not in done.stderr
        return
    assert done.returncode == 1
    assert named not in before
    assert named in done.stderr


def test_a_requirement_that_nothing_imports_is_named(checkout: Path) -> None:
    path = checkout / "setup.cfg"
    path.write_text(path.read_text().replace("    attrs>=", "    requests>=2\n    attrs>="))

    done = script(checkout)

    assert done.returncode == 1
    assert "setup.cfg: requests is required, and nothing imports it" in done.stderr
