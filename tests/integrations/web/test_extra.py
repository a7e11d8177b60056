from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.few_pythons


@pytest.mark.parametrize(
    ("module", "extra"),
    [("asgi", "asgi"), ("wsgi", "wsgi"), ("grpc", "grpc-instrumentation")],
)
def test_a_missing_instrumentation_is_told_with_the_extra_that_brings_it(
    module: str, extra: str
) -> None:
    missing = f"opentelemetry.instrumentation.{module}"
    script = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        f"try:\n    import bentotrace.integrations.{module}\n"
        f"except ImportError as error:\n    print(error.name, error, sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )

    name, said = done.stdout.splitlines()
    assert said == f"{name} is not installed; pip install 'bentotrace[{extra}]'"
    # Where nothing at all is installed, the package around it is the first that is missing.
    assert missing.startswith(name)


def test_the_package_of_integrations_imports_none_of_them() -> None:
    script = (
        "import sys, bentotrace.integrations\n"
        "print([name for name in sys.modules if name.startswith('bentotrace.integrations.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )

    assert done.stdout == "[]\n", done.stderr
