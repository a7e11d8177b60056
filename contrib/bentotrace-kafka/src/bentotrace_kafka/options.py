"""The options of the section ``kafka``, and their ``BENTOTRACE_KAFKA_*`` variables."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from attrs import frozen
from bentotrace.exceptions import OptionError
from bentotrace.plugin import Kind, Range, Variable, option
from bentotrace.transport.endpoint import bracketed
from bentotrace.transport.options import ClientCertificateOptions, with_variables

__all__ = ["Encoding", "KafkaOptions", "SASLOptions", "TLSOptions"]

Encoding = Literal["otlp_proto", "jaeger_proto", "zipkin_json"]

_PORT = 9092
# The topics that the Collector, Jaeger and Zipkin read by default.
_TOPICS: dict[Encoding, str] = {
    "otlp_proto": "otlp_spans",
    "jaeger_proto": "jaeger-spans",
    "zipkin_json": "zipkin",
}
# Source: org.apache.kafka.common.internals.Topic.
_TOPIC_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def _broker(text: object) -> str:
    if not isinstance(text, str) or not text.strip():
        raise ValueError("expected host:port, or a list of them")
    text = text.strip()
    if "://" in text:
        raise ValueError(f"has a scheme; write host:port, such as localhost:{_PORT}")
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.netloc != text or "@" in text or any(map(str.isspace, text)):
        raise ValueError(f"is not a broker; write host:port, such as localhost:{_PORT}")
    return f"{bracketed(host)}:{port or _PORT}"


def _brokers(value: object) -> tuple[str, ...]:
    parts = _split(value) if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not parts:
        raise ValueError("expected host:port, or a list of them")
    return tuple(dict.fromkeys(map(_broker, parts)))


def _topic(value: object) -> str:
    if not isinstance(value, str) or not _TOPIC_NAME.fullmatch(value) or value in {".", ".."}:
        raise ValueError(
            "is not a topic; write at most 249 letters, digits, dots, dashes and underscores"
        )
    return value


_BROKER_SCHEMA = {"type": "string", "pattern": r"\S"}
_BROKERS = Kind(
    "a list of brokers",
    _brokers,
    _split,
    json_schema={"anyOf": [_BROKER_SCHEMA, {"type": "array", "items": _BROKER_SCHEMA}]},
)
_TOPIC = Kind("a topic", _topic, json_schema={"type": "string", "pattern": r"^[A-Za-z0-9._-]+$"})


@frozen(field_transformer=with_variables())
class TLSOptions(ClientCertificateOptions):
    """The section ``kafka.tls``."""

    enabled: bool = option(default=False, help="Whether connections to the brokers use TLS.")


@frozen
class SASLOptions:
    """The section ``kafka.sasl``."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = option(
        default=None, help="How the client authenticates; by default it does not."
    )
    username: str | None = option(
        default=None, env=["BENTOTRACE_KAFKA_SASL_USERNAME"], help="The name of the user."
    )
    password: str | None = option(
        default=None,
        secret=True,
        env=["BENTOTRACE_KAFKA_SASL_PASSWORD"],
        help="The password of that user.",
    )

    def __attrs_post_init__(self) -> None:
        if self.mechanism is None:
            return
        for name in ("username", "password"):
            if not getattr(self, name):
                raise OptionError(name, f"is missing; mechanism {self.mechanism} needs it")


@frozen
class KafkaOptions:
    """The section ``kafka``."""

    brokers: tuple[str, ...] = option(
        default=(f"localhost:{_PORT}",),
        kind=_BROKERS,
        env=[Variable("BENTOTRACE_KAFKA_BROKERS", _split)],
        help="One or more brokers, as host:port; they report all others of the cluster.",
    )
    topic: str | None = option(
        default=None,
        kind=_TOPIC,
        env=["BENTOTRACE_KAFKA_TOPIC"],
        help="The topic; by default otlp_spans, jaeger-spans or zipkin, by the encoding.",
    )
    encoding: Encoding = option(
        default="otlp_proto",
        env=["BENTOTRACE_KAFKA_ENCODING"],
        help="The format of a message, by the Collector's name for it.",
    )
    acks: Literal["all", "leader", "none"] = option(
        default="all",
        help="Which replicas confirm a message: all in sync, the leader, or none.",
    )
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = option(
        default="none", help="How batches of messages are compressed."
    )
    max_message_bytes: int = option(
        default=1_000_000,
        validator=Range(1_000, 100_000_000),
        unit="bytes",
        help="The largest message; the topic's max.message.bytes must allow it.",
    )
    tls: TLSOptions = option(factory=TLSOptions, help="Encryption.")
    sasl: SASLOptions = option(factory=SASLOptions, help="Authentication.")

    def __attrs_post_init__(self) -> None:
        if self.tls.enabled:
            self.tls.check_tls("tls")

    @property
    def topic_name(self) -> str:
        """The topic, also if it is the default of the encoding."""
        return self.topic or _TOPICS[self.encoding]

    @property
    def endpoint(self) -> str:
        """``broker,broker/topic``, for outcomes and the startup log."""
        return f"{','.join(self.brokers)}/{self.topic_name}"

    def warnings(self) -> tuple[str, ...]:
        """Return likely mistakes and their fixes."""
        if self.sasl.mechanism == "PLAIN" and not self.tls.enabled:
            return (
                "kafka.sasl.mechanism PLAIN sends the password unencrypted; "
                "write kafka.tls.enabled: true",
            )
        return ()

    def notes(self) -> tuple[str, ...]:
        """Return the settings that have no effect."""
        notes = []
        if not self.tls.enabled:
            files = ("certificate_file", "client_certificate_file", "client_key_file")
            notes += [
                f"kafka.tls.{name} is not used; write kafka.tls.enabled: true"
                for name in files
                if getattr(self.tls, name) is not None
            ]
        if self.sasl.mechanism is None and self.sasl.username is not None:
            notes.append("kafka.sasl.username is not used; set kafka.sasl.mechanism")
        return tuple(notes)
