from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ...golden import Golden

pytestmark = pytest.mark.one_python

pytest.importorskip("click", reason="the command needs click")
pytest.importorskip("rich", reason="the command needs rich")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def file(tmp_path: Path) -> Path:
    path = tmp_path / "f.yaml"
    path.write_text(
        "tracing:\n"
        "  exporter_type: otlp\n"
        "  excluded_urls: [/healthz, 'shop\\.test:8080', deep=1$]\n"
    )
    return path


@pytest.mark.parametrize(
    ("url", "pattern"),
    [
        ("/healthz", "/healthz"),
        ("/healthz/live?deep=2", "/healthz"),
        ("http://shop.test/healthz", "/healthz"),
        ("http://shop.test:8080/predict", "shop\\.test:8080"),
        ("/predict?deep=1", "deep=1$"),
        ("/predict?deep=1#part", "deep=1$"),
    ],
)
def test_the_pattern_that_excludes_a_url_is_told_with_its_place(
    url: str, pattern: str, run: Run
) -> None:
    done = run("match", url, "f.yaml")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"excluded by {pattern}, f.yaml:3:18\n"


@pytest.mark.parametrize("url", ["/", "/api/healthz", "http://shop.test/predict?deep=12"])
def test_a_url_that_no_pattern_matches_is_traced(url: str, run: Run) -> None:
    done = run("match", url, "f.yaml", OTEL_TRACES_SAMPLER_ARG="0.5")

    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines() == [
        "traced: none of 3 patterns matches",
        "sample rate 0.5, OTEL_TRACES_SAMPLER_ARG",
    ]


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({}, "not traced, unless a caller samples: sample_rate is 0 by default"),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, "not traced: OTEL_TRACES_SAMPLER=always_off"),
        ({"OTEL_TRACES_EXPORTER": "none"}, "not traced: OTEL_TRACES_EXPORTER=none"),
        ({"OTEL_SDK_DISABLED": "true"}, "not traced: OTEL_SDK_DISABLED=true"),
    ],
)
def test_why_nothing_is_traced_is_the_first_line(
    variables: dict[str, str], line: str, run: Run
) -> None:
    done = run("match", "/", "f.yaml", **variables)

    assert done.returncode == 1
    assert done.stdout.splitlines() == [line, "none of 3 patterns matches"]


@pytest.mark.parametrize("variable", ["BENTOTRACE_CONFIG", "BENTOML_CONFIG"])
def test_the_file_is_the_one_that_the_environment_names(variable: str, run: Run) -> None:
    done = run("match", "/healthz", **{variable: "f.yaml"})

    assert done.stdout == "excluded by /healthz, f.yaml:3:18\n"


def test_a_variable_wins_over_the_file(run: Run, golden: Golden) -> None:
    done = run("match", "/status", "f.yaml", OTEL_PYTHON_EXCLUDED_URLS="/ready,/status")
    other = run("match", "/healthz", OTEL_PYTHON_EXCLUDED_URLS="/ready")

    golden(done.stdout)
    assert (other.returncode, other.stdout) == (
        1,
        "not traced: no exporter is selected\nnone of 1 pattern matches\n",
    )


def test_a_malformed_variable_is_told_and_the_file_counts(run: Run) -> None:
    done = run("match", "/healthz", "f.yaml", OTEL_PYTHON_EXCLUDED_URLS="([")

    assert done.stdout == "excluded by /healthz, f.yaml:3:18\n"
    assert done.stderr.startswith("warning: OTEL_PYTHON_EXCLUDED_URLS is ignored")


def test_the_block_of_a_service_is_named(run: Run, file: Path) -> None:
    file.write_text(
        "services:\n"
        "  iris: {tracing: {excluded_urls: /a}}\n"
        "  rose: {tracing: {excluded_urls: /b}}\n"
    )
    assert run("match", "/a", "f.yaml", "--service", "iris").returncode == 0
    assert run("match", "/a", "f.yaml", "--service", "rose").returncode == 1
    assert run("match", "/a", "f.yaml").returncode == 2


def test_an_extension_that_is_broken_ends_with_2_as_nothing_can_be_told(
    run: Run, file: Path, tmp_path: Path, distributions: Any, golden: Golden
) -> None:
    source = "raise RuntimeError('no')"
    group = "bentotrace.extensions"
    distributions.add("acme", "acme_redact", source, exporter="redact", group=group)
    file.write_text(file.read_text() + "  extensions: redact\n")

    done = run("match", "/healthz", "f.yaml", PYTHONPATH=str(tmp_path))

    assert (done.returncode, done.stdout) == (2, "")
    golden(done.stderr)


@pytest.mark.parametrize("command", [("match", "/"), ("validate",)])
@pytest.mark.parametrize(
    ("option", "place"),
    [
        ("excluded_urls: [/ok, '/(a+)+$']", "excluded_urls[1]"),
        ("sample_rates: [{match: '/(a+)+$', rate: 1}]", "sample_rates[0]"),
    ],
)
def test_a_pattern_that_clients_can_make_slow_is_told(
    run: Run, file: Path, command: tuple[str, ...], option: str, place: str
) -> None:
    file.write_text(f"tracing:\n  exporter_type: otlp\n  sample_rate: 1\n  {option}\n")

    done = run(*command, "f.yaml")

    assert f"{place}: some URLs make /(a+)+$ slow to match" in done.stdout + done.stderr
    assert done.returncode == (1 if command[0] == "match" else 0)


def test_a_wrong_file_ends_with_2_and_its_problems(run: Run, file: Path) -> None:
    file.write_text("tracing: {excluded_urls: ['(']}\n")

    done = run("match", "/", "f.yaml")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("f.yaml:1:27: tracing.excluded_urls[0]: ")
    assert "is not a regular expression" in done.stderr


@pytest.mark.parametrize(
    ("url", "applies"),
    [
        ("/predict", "sample rate 0.5 from sample_rates[1], /predict, f.yaml:5:17"),
        ("http://shop.test/beta?user=5", "sample rate 1 from sample_rates[0], beta, f.yaml:5:17"),
        ("/", "sample rate 0.1 from sample_rate, f.yaml:4:16"),
    ],
)
def test_the_rate_of_a_traced_url_is_told_where_some_have_their_own(
    url: str, applies: str, run: Run, file: Path
) -> None:
    more = "  sample_rate: 0.1\n  sample_rates: [{match: beta, rate: 1}, {match: /predict, rate: 0.5}]\n"
    file.write_text(file.read_text() + more)

    done = run("match", url, "f.yaml")

    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == f"traced: none of 3 patterns matches\n{applies}\n"


def test_what_is_no_url_ends_with_2(run: Run) -> None:
    done = run("match", "healthz", "f.yaml")

    assert (done.returncode, done.stdout) == (2, "")
    assert "'healthz' is not a URL; write it as http://" in done.stderr


def test_no_exporter_is_imported_and_no_socket_opened(tmp_path: Path) -> None:
    script = """
        import socket, sys

        def refuse(*_):
            raise AssertionError("a socket is opened")

        socket.socket.__init__ = refuse
        from bentotrace.cli import main
        assert main(["match", "/healthz", "f.yaml"]) == 0
        for name in ("grpc", "urllib3", "requests", "bentotrace_otlp", "bentotrace.transport.http"):
            assert name not in sys.modules, name
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
