"""The fixtures, in a process of pytest that opts in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.few_pythons

CONFTEST = 'pytest_plugins = ["bentotrace.testing.fixtures"]\n'
SERVICE = """
import bentotrace
from opentelemetry import trace

tracing = bentotrace.configure({"exporter_type": "none", "sample_rate": 1})
tracer = trace.get_tracer("shop")

def order(item):
    with tracer.start_as_current_span("order", kind=trace.SpanKind.SERVER) as span:
        span.set_attribute("item", item)
        with tracer.start_as_current_span("load"):
            pass
        with tracer.start_as_current_span("pay"):
            raise ValueError("no money")
"""
PLAIN_SERVICE = SERVICE.replace("tracing = bentotrace", "# tracing = bentotrace")
TESTS = """
import threading
import pytest
import service

late = []

def order(item):
    with pytest.raises(ValueError):
        service.order(item)

@pytest.mark.parametrize("item", ["bread", "milk", "tea"])
def test_the_tree(spans, item):
    order(item)
    assert spans.tree("item") == f'''
        order (server) item={item} error: ValueError: no money
          load
          pay error: ValueError: no money
    '''
    assert spans.names == ["load", "pay", "order"]
    assert spans.find("load").parent.span_id == spans.find("order").context.span_id

def test_a_span_of_another_test_is_not_collected(spans):
    late.append(service.tracer.start_span("late"))

def test_its_end_neither(spans):
    for span in late:
        span.end()
    assert len(spans) == 0
    assert spans.tree() == ""

def test_a_span_of_a_thread(spans):
    thread = threading.Thread(target=lambda: service.tracer.start_span("work").end())
    thread.start()
    assert [span.name for span in spans.wait(1)] == ["work"]
    with pytest.raises(LookupError, match="all are: .'work'."):
        spans.find("rest")

def test_the_tree_of_a_file(spans):
    order("bread")
    spans.tree_is("order.txt")
"""
REPLACING = """
import pytest
import bentotrace
import service

def replace():
    return bentotrace.configure({"exporter_type": "none", "sample_rate": 1}, if_exists="replace")

@pytest.mark.parametrize("number", [1, 2])
def test_a_pipeline_that_is_replaced(spans, number):
    running = service.tracer.start_span("running")
    replace()
    running.end()
    service.tracer.start_span("a").end()
    assert spans.names == ["running", "a"]

@pytest.mark.parametrize("number", [1, 2])
def test_a_pipeline_that_is_shut_down_and_replaced(spans, number):
    replace().shutdown()
    replace().provider.get_tracer("new").start_span("a").end()
    service.tracer.start_span("b").end()
    assert spans.names == ["a", "b"]
"""
RECEIVERS = """
import pytest
from bentotrace.testing import ZipkinReceiver

received = []

@pytest.mark.parametrize("number", [1, 2])
def test_receivers(receive, certificates, number):
    for each in received:
        assert each.address and each._closing.is_set()
    plain = receive(ZipkinReceiver)
    secure = receive(ZipkinReceiver, ssl_context=certificates.server_context())
    assert (plain.endpoint[:5], secure.endpoint[:5]) == ("http:", "https")
    received.extend([plain, secure])
"""


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name != "CI"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env={**environ, **variables, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def write(folder: Path, service: str = SERVICE) -> None:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "service.py").write_text(service)
    (folder / "test_service.py").write_text(TESTS)
    (folder / "order.txt").write_text(
        "order (server) error: ValueError: no money\n  load\n  pay error: ValueError: no money\n"
    )


@pytest.mark.parametrize("service", [SERVICE, PLAIN_SERVICE], ids=["configured", "unconfigured"])
def test_the_spans_of_a_test_are_collected(tmp_path: Path, service: str) -> None:
    write(tmp_path, service)
    done = run(tmp_path)
    assert "7 passed" in done.stdout, done.stdout


def test_they_are_collected_when_the_application_replaces_its_pipeline(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "service.py").write_text(SERVICE)
    (tmp_path / "test_replacing.py").write_text(REPLACING)
    done = run(tmp_path)
    assert "4 passed" in done.stdout, done.stdout


def test_they_are_in_any_order_and_in_several_processes(tmp_path: Path) -> None:
    pytest.importorskip("xdist", reason="it starts the processes")
    write(tmp_path)
    (tmp_path / "conftest.py").write_text(
        CONFTEST + "def pytest_collection_modifyitems(items):\n    items.reverse()\n"
    )
    done = run(tmp_path, "-n", "2")
    assert "7 passed" in done.stdout, done.stdout


def test_another_tree_than_the_file_s_is_a_diff_and_the_switch_writes_it(tmp_path: Path) -> None:
    write(tmp_path)
    file = tmp_path / "order.txt"
    good = file.read_text()
    file.write_text(good.replace("load", "look up"))

    done = run(tmp_path, "-k", "file")
    assert "1 failed" in done.stdout
    assert "-  look up" in done.stdout
    assert "+  load" in done.stdout
    assert "1 passed" in run(tmp_path, "-k", "file", "--update-golden").stdout
    assert file.read_text() == good
    refused = run(tmp_path, "-k", "file", "--update-golden", CI="true")
    assert "--update-golden is not for CI" in refused.stderr


def test_receivers_are_closed_after_the_test(tmp_path: Path) -> None:
    pytest.importorskip("trustme", reason="it creates the certificates")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_receivers.py").write_text(RECEIVERS)
    done = run(tmp_path)
    assert "2 passed" in done.stdout, done.stdout
