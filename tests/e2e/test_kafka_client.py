"""What the client of ``bentotrace-kafka`` does at a real broker: TLS, SASL, options, forks."""

from __future__ import annotations

import logging
import re
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("confluent_kafka", reason="These tests read from Kafka.")

from confluent_kafka import Consumer, TopicPartition

import bentotrace
from bentotrace.testing.otlp import decode_request

from .backends import poll
from .brokers import PASSWORD, USER, Certificates, Kafka
from .processes import environment

pytestmark = pytest.mark.e2e

WRONG = "wr0ng-p4ssword"
SASL = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
READ_SECONDS = 30.0


@pytest.fixture
def topic(kafka: Kafka) -> str:
    """Return a topic of one test; a broker creates it when the first message comes."""
    return f"spans-{secrets.token_hex(4)}"


def send(count: int = 1, timeout: float = 10.0, **options: Any) -> Any:
    """Send spans, and give the status of the destination at the end."""
    tracing = bentotrace.build(
        {"exporter_type": "kafka", "sample_rate": 1, "timeout": timeout, "kafka": options}
    )
    tracer = tracing.provider.get_tracer("client")
    for number in range(count):
        tracer.start_span(f"span {number}", attributes={"text": "x" * 1000}).end()
    tracing.flush(timeout * 3)
    tracing.shutdown()
    return tracing.status().destinations[0]


def received(kafka: Kafka, topic: str, count: int) -> list[str]:
    """Read the names of that many spans from a topic."""
    settings = {"bootstrap.servers": kafka.address, "group.id": "client", "log_level": 0}
    consumer = Consumer(settings)
    try:
        partitions = consumer.list_topics(topic, READ_SECONDS).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        names: list[str] = []
        deadline = time.monotonic() + READ_SECONDS
        while len(names) < count and time.monotonic() < deadline:
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                value = message.value()
                assert isinstance(value, bytes)
                names += [span.name for span in decode_request(value)]
    finally:
        consumer.close()
    return sorted(names)


def tls(certificates: Certificates, *, client: Certificates | None = None) -> dict[str, Any]:
    """Return the section ``kafka.tls``, with a client's certificate or without."""
    section = {"enabled": True, "certificate_file": str(certificates.authority)}
    if client is not None:
        section["client_certificate_file"] = str(client.client)
        section["client_key_file"] = str(client.client_key)
    return section


def sasl(mechanism: str, password: str = PASSWORD) -> dict[str, str]:
    return {"mechanism": mechanism, "username": USER, "password": password}


def test_spans_arrive_over_tls_with_a_certificate_of_the_client(kafka: Kafka, topic: str) -> None:
    certificates = kafka.certificates

    status = send(
        brokers=kafka.tls_address, topic=topic, tls=tls(certificates, client=certificates)
    )

    assert (status.exported, status.failed) == (1, 0)
    assert received(kafka, topic, 1) == ["span 0"]


@pytest.mark.parametrize("mechanism", SASL)
def test_spans_arrive_with_a_password(mechanism: str, kafka: Kafka, topic: str) -> None:
    status = send(
        brokers=kafka.sasl_address,
        topic=topic,
        tls=tls(kafka.certificates),
        sasl=sasl(mechanism),
    )

    assert (status.exported, status.failed) == (1, 0)
    assert received(kafka, topic, 1) == ["span 0"]


@pytest.mark.parametrize("mechanism", SASL)
def test_spans_arrive_with_a_password_without_tls(
    mechanism: str, kafka: Kafka, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    status = send(brokers=kafka.plain_sasl_address, topic=topic, sasl=sasl(mechanism))

    assert (status.exported, status.failed) == (1, 0)
    assert received(kafka, topic, 1) == ["span 0"]
    # The password of PLAIN can be read on the way.
    unencrypted = "kafka.sasl.mechanism PLAIN sends the password unencrypted"
    assert (unencrypted in caplog.text) is (mechanism == "PLAIN")
    assert PASSWORD not in caplog.text + repr(status)


COMMANDS = [
    ("validate",),
    ("explain", "--all"),
    ("explain", "--format", "json"),
    ("doctor",),
    ("doctor", "--format", "json"),
]


def write_file(directory: Path, kafka: Kafka, topic: str, password: str) -> Path:
    """Write a configuration that uses the listener without TLS."""
    file = directory / "tracing.yaml"
    file.write_text(
        "tracing:\n"
        "  exporter_type: kafka\n"
        "  sample_rate: 1\n"
        "  kafka:\n"
        f"    brokers: ['{kafka.plain_sasl_address}']\n"
        f"    topic: {topic}\n"
        f"    sasl: {{mechanism: PLAIN, username: {USER}, password: {password}}}\n",
        "utf-8",
    )
    return file


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("password", [PASSWORD, WRONG])
def test_no_command_prints_the_password_of_a_listener_without_tls(
    command: tuple[str, ...], password: str, kafka: Kafka, topic: str, tmp_path: Path
) -> None:
    file = write_file(tmp_path, kafka, topic, password)
    name, *options = command

    done = subprocess.run(
        [sys.executable, "-m", "bentotrace", name, *options, str(file)],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment(),
    )

    assert (done.returncode == 0) is (password == PASSWORD or name != "doctor")
    assert "unencrypted" in done.stdout + done.stderr or name != "validate"
    assert password not in done.stdout + done.stderr


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Return the certificates of an authority that the broker does not know."""
    return Certificates.issue(tmp_path_factory.mktemp("others"))


def refused_settings(kafka: Kafka, others: Certificates) -> dict[str, dict[str, Any]]:
    """Return what a broker refuses."""
    own = kafka.certificates
    passwords = {
        f"password for {mechanism}": {
            "brokers": kafka.sasl_address,
            "tls": tls(own),
            "sasl": sasl(mechanism, WRONG),
        }
        for mechanism in SASL
    }
    passwords["password without TLS"] = {
        "brokers": kafka.plain_sasl_address,
        "sasl": sasl("PLAIN", WRONG),
    }
    at_tls = {"brokers": kafka.tls_address}
    with_password = {**sasl("PLAIN"), "password": WRONG}
    return {
        **passwords,
        "authority": {**at_tls, "tls": tls(others, client=own)},
        "no authority": {**at_tls, "tls": {"enabled": True}},
        "host": {
            "brokers": kafka.tls_address.replace("127.0.0.1", "localhost"),
            "tls": tls(own, client=own),
        },
        "no client": {**at_tls, "tls": tls(own)},
        "client": {**at_tls, "tls": tls(own, client=others)},
        "no TLS": {"brokers": kafka.address, "tls": tls(own)},
        "mechanism": {**at_tls, "tls": tls(own, client=own), "sasl": with_password},
    }


AUTHORITY = r"cannot be verified by kafka\.tls\.certificate_file; name the file"
PASSWORD_REFUSED = r"refuses kafka\.sasl\.username or its kafka\.sasl\.password: .*; correct kafka"


@pytest.mark.parametrize(
    ("what", "kind", "message"),
    [
        *((f"password for {mechanism}", "unauthorized", PASSWORD_REFUSED) for mechanism in SASL),
        ("password without TLS", "unauthorized", PASSWORD_REFUSED),
        ("mechanism", "unauthorized", r"refuses kafka\.sasl\.mechanism PLAIN: "),
        ("authority", "tls", AUTHORITY),
        ("host", "tls", AUTHORITY),
        ("no authority", "tls", r"kafka\.tls\.certificate_file is not set; name the file"),
        ("no client", "tls", r"kafka\.tls\.client_certificate_file is not set; set kafka\.tls\."),
        ("client", "tls", r"refuses the certificate of kafka\.tls\.client_certificate_file with"),
        ("no TLS", "tls", r"does not use TLS, but kafka\.tls\.enabled is true; write kafka\.tls"),
    ],
)
def test_what_a_broker_refuses_is_a_failure_that_names_the_option(
    what: str,
    kind: str,
    message: str,
    kafka: Kafka,
    others: Certificates,
    topic: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)

    # It does not wait for the timeout.
    status = send(count=3, timeout=60.0, topic=topic, **refused_settings(kafka, others)[what])

    assert (status.ended, status.exported, status.failed) == (3, 0, 3)
    assert status.last_error is not None
    assert status.last_error.kind == kind
    warnings = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    (warning,) = (each for each in warnings if "unencrypted" not in each)
    assert re.search(message, warning), warning
    assert WRONG not in caplog.text + repr(status)


def test_what_a_broker_does_not_respond_to_is_a_failure_that_names_the_options(
    kafka: Kafka, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    status = send(timeout=2.0, brokers=kafka.tls_address, topic=topic)

    assert (status.exported, status.failed) == (0, 1)
    assert status.last_error is not None
    assert status.last_error.kind == "timeout"
    assert "kafka.tls.enabled: false, kafka.sasl.mechanism: not set" in caplog.text


def test_the_broker_stores_each_batch_with_the_compression_of_the_option(kafka: Kafka) -> None:
    topics = {codec: f"{codec}-{secrets.token_hex(4)}" for codec in CODECS}
    for codec, topic in topics.items():
        status = send(count=3, brokers=kafka.address, topic=topic, compression=codec)
        assert (status.exported, status.failed) == (3, 0)

    files = {
        path: codec
        for codec, topic in topics.items()
        for path in kafka.data.glob(f"{topic}-*/*.log")
        if path.stat().st_size
    }
    dump = kafka.run_tool(
        "kafka.tools.DumpLogSegments", "--files", ",".join(str(path) for path in files)
    )
    stored: dict[str, set[str]] = {}
    for part in dump.split("Dumping ")[1:]:
        codecs = re.findall(r"compresscodec: (\w+)", part)
        stored.setdefault(files[Path(part.splitlines()[0])], set()).update(codecs)
    assert stored == {codec: {codec} for codec in CODECS}


@pytest.mark.parametrize(("acks", "code"), [("all", -1), ("leader", 1), ("none", 0)])
def test_the_broker_gets_the_acks_of_the_option(
    acks: str, code: int, kafka: Kafka, topic: str
) -> None:
    kafka.create_topics([topic])
    before = kafka.log.stat().st_size

    status = send(brokers=kafka.address, topic=topic, acks=acks)

    assert (status.exported, status.failed) == (1, 0)
    found = poll(lambda: produced(kafka.log, before), bool, within=30)
    assert found == {str(code)}


def produced(log: Path, start: int) -> set[str]:
    """Read from the broker's log the acks of the exporter's requests since a place in it."""
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode("utf-8", "replace").splitlines()
    requests = [line for line in lines if '"clientId":"bentotrace"' in line]
    return {each for line in requests for each in re.findall(r'"acks":(-?\d+)', line)}


@pytest.mark.parametrize(("acks", "counted"), [("leader", (0, 1)), ("none", (1, 0))])
def test_what_the_broker_refuses_is_counted_if_it_confirms(
    acks: str, counted: tuple[int, int], kafka: Kafka, topic: str
) -> None:
    kafka.create_topics([topic], max_message_bytes="500")

    status = send(brokers=kafka.address, topic=topic, acks=acks)

    assert (status.exported, status.failed) == counted


FORKING = """
import os
import sys

import bentotrace

tracing = bentotrace.configure(
    {
        "exporter_type": "kafka",
        "sample_rate": 1,
        "kafka": {"brokers": sys.argv[1], "topic": sys.argv[2]},
    }
)
tracer = tracing.provider.get_tracer("fork")
tracer.start_span("before").end()
assert tracing.flush(30)
child = os.fork()
tracer.start_span("parent" if child else "child").end()
if child:
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
"""


def test_a_forked_child_ends_normally_and_its_spans_arrive(
    kafka: Kafka, topic: str, tmp_path: Path
) -> None:
    program = tmp_path / "forking.py"
    program.write_text(FORKING, "utf-8")

    done = subprocess.run(
        [sys.executable, str(program), kafka.address, topic],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment(),
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert received(kafka, topic, 3) == ["before", "child", "parent"]
