"""The Kafka of ``deploy/compose/kafka.yaml``, on free loopback ports, with listeners for clients
that use TLS and SASL. It can be stopped and started again with its data."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import trustme
from attrs import frozen
from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    NewTopic,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives import serialization

from ..ports import free_ports
from .composed import variables
from .processes import LOOPBACK, ServerUnavailableError, environment, running, started

PARTITIONS = 3
USER = "iris"
PASSWORD = "p4ssw0rd-of-the-tests"

# A compiler that starts fast; a line in the log for each request.
_JAVA_OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.log.kafka.request.logger=debug",
)
# No consumer waits for others.
_TEST_SETTINGS = {"OFFSETS_TOPIC_NUM_PARTITIONS": "1", "GROUP_INITIAL_REBALANCE_DELAY_MS": "0"}
# What is in the image, for its own program that reads the variables.
_DEFAULT_FILES = ("server.properties", "log4j2.yaml", "tools-log4j2.yaml")
_CLUSTER = "5L6g3nShT-eMCtK--X86sw"
_MODULES = "org.apache.kafka.common.security"
_SCRAM = {"256": ScramMechanism.SCRAM_SHA_256, "512": ScramMechanism.SCRAM_SHA_512}
_SCRAM_ITERATIONS = 4096
_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_SSL", "SASL_PLAINTEXT")
_FORMAT_TIMEOUT = 60.0
_START_TIMEOUT = 90.0
_ADMIN_TIMEOUT = 30.0


@frozen
class Certificates:
    """PEM files: of the authority, of the broker with its key, and of a client and its key."""

    authority: Path
    broker: Path
    client: Path
    client_key: Path

    @classmethod
    def issue(cls, directory: Path) -> Certificates:
        """Write the files into a directory."""
        authority = trustme.CA()
        server = authority.issue_cert(LOOPBACK)
        client = authority.issue_cert("iris.test")
        made = cls(
            *(directory / f"{name}.pem" for name in ("authority", "broker", "client", "key"))
        )
        authority.cert_pem.write_to_path(made.authority)
        made.broker.write_bytes(_pkcs8(server) + server.cert_chain_pems[0].bytes())
        client.cert_chain_pems[0].write_to_path(made.client)
        client.private_key_pem.write_to_path(made.client_key)
        return made


def _pkcs8(certificate: trustme.LeafCert) -> bytes:
    """Return the key in the only format that Kafka reads."""
    key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


class Kafka:
    """One broker; ``process`` is the running one."""

    def __init__(self, jars: Path, directory: Path) -> None:
        """Prepare the directory; start nothing.

        Raises:
            ServerUnavailableError: There is no ``java``.
        """
        java = shutil.which("java")
        if java is None:
            raise ServerUnavailableError(
                "Kafka needs 'java', which is not on PATH: install Java 17"
            )
        self.port, controller, self.tls_port, self.sasl_port, self.plain_sasl_port = free_ports(5)
        self.certificates = Certificates.issue(directory)
        values = variables(
            "kafka.yaml",
            "kafka",
            kafka=self.address,
            localhost=f"{LOOPBACK}:{controller}",
        )
        heap = values.pop("KAFKA_HEAP_OPTS")
        values["KAFKA_LOG_DIRS"] = str(directory / "data")
        values["CLUSTER_ID"] = _CLUSTER
        ports = (self.port, self.tls_port, self.sasl_port, self.plain_sasl_port)
        listeners = ",".join(
            f"{protocol}://{LOOPBACK}:{port}"
            for protocol, port in zip(_PROTOCOLS, ports, strict=True)
        )
        values["KAFKA_LISTENERS"] = f"{listeners},CONTROLLER://{LOOPBACK}:{controller}"
        values["KAFKA_ADVERTISED_LISTENERS"] = listeners
        more = {**_TEST_SETTINGS, **_security(self.certificates)}
        values |= {f"KAFKA_{name}": value for name, value in more.items()}
        self._java = [java, heap, *_JAVA_OPTIONS, "-cp", f"{jars}/*"]
        self._directory = directory
        self._running = ExitStack()
        self._set_up(values)

    @property
    def address(self) -> str:
        """``host:port`` for clients without TLS."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def tls_address(self) -> str:
        """``host:port`` for clients with a certificate."""
        return f"{LOOPBACK}:{self.tls_port}"

    @property
    def sasl_address(self) -> str:
        """``host:port`` for clients with a password, over TLS."""
        return f"{LOOPBACK}:{self.sasl_port}"

    @property
    def plain_sasl_address(self) -> str:
        """``host:port`` for clients with a password, without TLS."""
        return f"{LOOPBACK}:{self.plain_sasl_port}"

    @property
    def data(self) -> Path:
        """The directory with a directory for each partition."""
        return self._directory / "data"

    @property
    def log(self) -> Path:
        """The file with the broker's log, also of each request."""
        return self._directory / "log"

    def _set_up(self, values: Mapping[str, str]) -> None:
        """Write the properties and format the storage, by the program of the image."""
        default = self._directory / "default"
        mounted = self._directory / "mounted"
        for path in (default, mounted):
            path.mkdir()
        for name in _DEFAULT_FILES:
            (default / name).touch()
        arguments = {"default": default, "mounted": mounted, "final": self._directory}
        self.run_tool(
            "kafka.docker.KafkaDockerWrapper",
            "setup",
            *(word for key, path in arguments.items() for word in (f"--{key}-configs-dir", path)),
            **values,
        )

    def run_tool(self, program: str, *arguments: object, **values: str) -> str:
        """Run a program of Kafka's to its end, and give what it prints."""
        done = subprocess.run(
            [*self._java, program, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=_FORMAT_TIMEOUT,
            env=environment(**values),
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def start(self) -> None:
        """Start the broker, and wait until it responds."""
        self.process = self._running.enter_context(
            running(
                [*self._java, "kafka.Kafka", str(self._directory / "server.properties")],
                log=self.log,
                health=self._responds,
                within=_START_TIMEOUT,
                directory=self._directory,
            )
        )

    def kill(self) -> None:
        """End the broker with SIGKILL; its data stay."""
        self.process.kill()
        self._running.close()

    def stop(self) -> None:
        """End the broker."""
        self._running.close()

    def create_topics(self, names: Iterable[str], **config: str) -> None:
        """Create topics, with underscores for the dots of their settings, and wait for them."""
        settings = {name.replace("_", "."): value for name, value in config.items()}
        topics = [NewTopic(name, PARTITIONS, 1, config=settings) for name in names]
        # The futures do not keep their client.
        admin = self.admin()
        for future in admin.create_topics(topics).values():
            future.result(_ADMIN_TIMEOUT)

    def add_user(self) -> None:
        """Let the user of the tests authenticate by SCRAM."""
        admin = self.admin()
        # A request may change a user only once.
        for mechanism in _SCRAM.values():
            info = ScramCredentialInfo(mechanism, _SCRAM_ITERATIONS)
            change = UserScramCredentialUpsertion(USER, info, PASSWORD.encode())
            (future,) = admin.alter_user_scram_credentials([change]).values()
            future.result(_ADMIN_TIMEOUT)

    def admin(self) -> AdminClient:
        """Return a client."""
        return AdminClient({"bootstrap.servers": self.address, "log_level": 0})

    def _responds(self) -> bool:
        try:
            return bool(self.admin().list_topics(timeout=1.0).brokers)
        except KafkaException:
            return False


def _security(certificates: Certificates) -> dict[str, str]:
    """Return the variables of the listeners that use TLS or SASL."""
    plain = f'{_MODULES}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
    sasl = {}
    for listener in ("LISTENER_NAME_SASL__SSL", "LISTENER_NAME_SASL__PLAINTEXT"):
        sasl[f"{listener}_PLAIN_SASL_JAAS_CONFIG"] = plain
        for size in _SCRAM:
            scram = f"{_MODULES}.scram.ScramLoginModule required;"
            sasl[f"{listener}_SCRAM___SHA___{size}_SASL_JAAS_CONFIG"] = scram
    protocols = ("CONTROLLER:PLAINTEXT", *(f"{name}:{name}" for name in _PROTOCOLS))
    return {
        "LISTENER_SECURITY_PROTOCOL_MAP": ",".join(protocols),
        "SSL_KEYSTORE_TYPE": "PEM",
        "SSL_KEYSTORE_LOCATION": str(certificates.broker),
        "SSL_TRUSTSTORE_TYPE": "PEM",
        "SSL_TRUSTSTORE_LOCATION": str(certificates.authority),
        "LISTENER_NAME_SSL_SSL_CLIENT_AUTH": "required",
        "SASL_ENABLED_MECHANISMS": ",".join(["PLAIN", *(f"SCRAM-SHA-{size}" for size in _SCRAM)]),
        **sasl,
    }


@contextmanager
def running_kafka(jars: Path, directory: Path) -> Iterator[Kafka]:
    """Run a broker."""

    @contextmanager
    def start() -> Iterator[Kafka]:
        place = directory / uuid.uuid4().hex
        place.mkdir()
        kafka = Kafka(jars, place)
        kafka.start()
        try:
            kafka.add_user()
            yield kafka
        finally:
            kafka.stop()

    with started(start) as kafka:
        yield kafka
