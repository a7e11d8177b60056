from __future__ import annotations

import subprocess
import sys

import pytest

import bentotrace.transport

HEAVY = {"urllib3", "ssl", "grpc", "requests", "http.client", "google.protobuf"}


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; print(*sys.modules)"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=20
        ).stdout.split()
    )


def transport(scheme: str, port: int) -> str:
    """Return code for a transport that tries once, to a port where nothing listens."""
    return (
        "import sys\n"
        "from bentotrace.transport.http import HTTPTransport\n"
        "from bentotrace.transport.retry import Backoff\n"
        f"t = HTTPTransport('{scheme}://127.0.0.1:{port}', timeout=30, content_type='a/b', "
        "user_agent='x', backoff=Backoff(first=60, longest=60, jitter=0))\n"
    )


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert not HEAVY & modules_after("import bentotrace.transport")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_sending_imports_nothing_more(free_port: int, scheme: str) -> None:
    # In a busy process an import under way takes hundreds of milliseconds, and costs spans.
    loaded = modules_after(
        f"{transport(scheme, free_port)}"
        "before = set(sys.modules)\n"
        "t.send(b'')\n"
        "sys.modules = sorted(set(sys.modules) - before)"
    )
    assert not loaded


@pytest.mark.parametrize(("scheme", "heavy"), [("http", set()), ("https", {"ssl"})])
def test_the_http_transport_imports_ssl_for_https_and_nothing_else_that_is_heavy(
    free_port: int, scheme: str, heavy: set[str]
) -> None:
    loaded = modules_after(
        f"{transport(scheme, free_port)}assert t.send(b'').kind.value == 'refused'"
    )
    # Older SDKs bring ssl with asyncio.
    brought = modules_after("import opentelemetry.sdk.trace")
    assert HEAVY & loaded - brought == heavy - brought


def test_without_grpcio_the_import_error_names_grpc() -> None:
    code = (
        "import sys; sys.modules['grpc'] = None\n"
        "try: import bentotrace.transport.grpc\n"
        "except ImportError as error: print(error.name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=20
    )
    assert done.stdout.strip() == "grpc"


@pytest.mark.parametrize("name", bentotrace.transport.__all__)
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    assert getattr(bentotrace.transport, name).__doc__
