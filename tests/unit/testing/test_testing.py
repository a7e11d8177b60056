"""The package ``bentotrace.testing`` itself."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

import bentotrace.testing

pytestmark = pytest.mark.few_pythons

LIBRARIES = {
    "GRPCReceiver": ["grpc"],
    "OTLPHTTPReceiver": ["opentelemetry.proto"],
    "OTLPGRPCReceiver": ["opentelemetry.proto", "grpc"],
    "JaegerUDPReceiver": ["thrift"],
    "JaegerHTTPReceiver": ["thrift"],
    "JaegerGRPCReceiver": ["google.protobuf", "grpc"],
}


@pytest.fixture
def run(tmp_path: Path) -> Callable[[str], str]:
    """Run code in an interpreter of its own, and give what it prints."""

    def run(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            cwd=tmp_path,  # the current folder comes first in the search for modules
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


def require_libraries_of(name: str) -> None:
    for library in LIBRARIES.get(name, ()):
        pytest.importorskip(library, reason=f"{name} decodes with {library}")


def test_importing_it_imports_no_library_to_decode_with(run: Callable[[str], str]) -> None:
    loaded = run(
        """
        import sys
        import bentotrace.testing
        heavy = ("grpc", "thrift", "google.protobuf", "opentelemetry.proto", "ssl")
        print([name for name in heavy if name in sys.modules])
        """
    )
    assert loaded == "[]"


@pytest.mark.parametrize(
    ("receiver", "absent"),
    [
        ("OTLPHTTPReceiver", ("grpc", "thrift")),
        ("OTLPGRPCReceiver", ("thrift",)),
        ("JaegerUDPReceiver", ("grpc", "google.protobuf")),
        ("JaegerHTTPReceiver", ("grpc", "google.protobuf")),
        ("JaegerGRPCReceiver", ("thrift", "opentelemetry.proto")),
        ("ZipkinReceiver", ("grpc", "thrift", "google.protobuf")),
    ],
)
def test_a_receiver_imports_only_what_it_decodes_with(
    run: Callable[[str], str], receiver: str, absent: tuple[str, ...]
) -> None:
    require_libraries_of(receiver)
    loaded = run(
        f"""
        import sys
        from bentotrace.testing import {receiver}
        print([name for name in {absent!r} if name in sys.modules])
        """
    )
    assert loaded == "[]"


@pytest.mark.parametrize(
    ("receiver", "missing"),
    [
        ("OTLPHTTPReceiver", "opentelemetry.proto"),
        ("OTLPHTTPReceiver", "google.protobuf"),
        ("OTLPGRPCReceiver", "grpc"),
        ("JaegerUDPReceiver", "thrift"),
        ("JaegerGRPCReceiver", "google"),
    ],
)
def test_a_missing_library_is_named_with_the_extra_that_brings_it(
    run: Callable[[str], str], receiver: str, missing: str
) -> None:
    require_libraries_of(receiver)
    message = run(
        f"""
        import sys

        class Hide:
            def find_spec(self, name, path=None, target=None):
                if name == {missing!r}:
                    raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

        sys.meta_path.insert(0, Hide())
        sys.modules.pop({missing!r}, None)  # old protobuf has its namespace made at start
        import bentotrace.testing
        try:
            bentotrace.testing.{receiver}
        except ImportError as error:
            assert not isinstance(error, ModuleNotFoundError)
            print(error.name, "|", error)
        """
    )
    assert message.startswith(f"{missing} | {receiver}")
    assert "pip install 'bentotrace[testing]'" in message


def test_a_module_missing_for_another_reason_is_not_blamed_on_the_extra(
    run: Callable[[str], str],
) -> None:
    message = run(
        """
        import sys
        import bentotrace.testing
        sys.modules["socketserver"] = None
        try:
            bentotrace.testing.ZipkinReceiver
        except ModuleNotFoundError as error:
            print(error)
        """
    )
    assert "socketserver" in message
    assert "pip install" not in message


def test_all_names_are_there_and_no_other() -> None:
    for name in bentotrace.testing.__all__:
        require_libraries_of(name)
        assert getattr(bentotrace.testing, name).__name__ == name
    assert set(bentotrace.testing.__all__) <= set(dir(bentotrace.testing))
    with pytest.raises(AttributeError, match="Receivr"):
        bentotrace.testing.Receivr  # noqa: B018
