"""What errors of the client and of the brokers mean: a kind, a reason, and advice."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bentotrace.transport import FailureKind, Outcome
from confluent_kafka import KafkaError

from bentotrace_kafka.options import KafkaOptions

__all__ = ["advise", "failure_kind", "reason_of"]

_KINDS: Mapping[int, FailureKind] = {
    KafkaError._RESOLVE: FailureKind.NAME_RESOLUTION,
    KafkaError._SSL: FailureKind.TLS,
    KafkaError._TIMED_OUT: FailureKind.TIMEOUT,
    KafkaError._TIMED_OUT_QUEUE: FailureKind.TIMEOUT,
    KafkaError._MSG_TIMED_OUT: FailureKind.TIMEOUT,
    KafkaError.REQUEST_TIMED_OUT: FailureKind.TIMEOUT,
    KafkaError._AUTHENTICATION: FailureKind.UNAUTHORIZED,
    KafkaError.SASL_AUTHENTICATION_FAILED: FailureKind.UNAUTHORIZED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED: FailureKind.UNAUTHORIZED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: FailureKind.UNAUTHORIZED,
    KafkaError._UNKNOWN_TOPIC: FailureKind.NOT_SERVED,
    KafkaError._UNKNOWN_PARTITION: FailureKind.NOT_SERVED,
    KafkaError.UNKNOWN_TOPIC_OR_PART: FailureKind.NOT_SERVED,
    KafkaError.MSG_SIZE_TOO_LARGE: FailureKind.TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE: FailureKind.TOO_LARGE,
}


# In librdkafka's messages.
_TLS = ("SSL handshake", "SSL routines")
_NOT_VERIFIED = "certificate verify failed"
_NO_TLS = "PLAINTEXT broker listener"
_ALERT = re.compile(r"alert ([a-z ]+)")
_STATE = re.compile(r" \(after \d+ms in state \w+\).*")
_MECHANISM = "mechanism handshake failed"
_AUTHORIZATION = ("TOPIC_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED")


def failure_kind(error: KafkaError) -> FailureKind:
    """Return the kind of an error; negative codes are the client's own, others a broker's."""
    code = error.code()
    if code == KafkaError._TRANSPORT:
        text = error.str()
        if any(sign in text for sign in _TLS):
            return FailureKind.TLS
        if "refused" in text:
            return FailureKind.REFUSED
        return FailureKind.UNREACHABLE if "Connect to" in text else FailureKind.DISCONNECTED
    return _KINDS.get(code, FailureKind.UNEXPECTED if code < 0 else FailureKind.STATUS)


def reason_of(error: KafkaError, options: KafkaOptions) -> str:
    """Return what happened; of a refusal, with the option that the broker refuses."""
    text = _STATE.sub("", error.str())
    kind = failure_kind(error)
    broker, _, detail = text.partition(": ")
    if kind is FailureKind.TLS:
        return f"{broker}: {_reason_of_tls(detail, options)}"
    if kind is FailureKind.NOT_SERVED:
        return f"the topic {options.topic_name} does not exist: {text}"
    if kind is not FailureKind.UNAUTHORIZED or error.name() in _AUTHORIZATION:
        return text
    refused = "kafka.sasl.username or its kafka.sasl.password"
    if _MECHANISM in detail:
        refused = f"kafka.sasl.mechanism {options.sasl.mechanism}"
    return f"{broker}: the broker refuses {refused}: {detail}"


def _reason_of_tls(detail: str, options: KafkaOptions) -> str:
    if _NO_TLS in detail:
        return "this listener does not use TLS, but kafka.tls.enabled is true"
    if _NOT_VERIFIED in detail:
        known = "the authorities of this system, and kafka.tls.certificate_file is not set"
        if options.tls.certificate_file is not None:
            known = "kafka.tls.certificate_file"
        return f"the broker's certificate cannot be verified by {known}"
    alert = _ALERT.search(detail)
    if alert is None:
        return detail
    if options.tls.client_certificate_file is None:
        return (
            f"the broker ends the handshake with TLS alert '{alert[1]}', and "
            "kafka.tls.client_certificate_file is not set"
        )
    return (
        "the broker refuses the certificate of kafka.tls.client_certificate_file with TLS alert "
        f"'{alert[1]}'"
    )


def advise(options: KafkaOptions, outcome: Outcome) -> str | None:
    """Return what to do about a failure; None for the general advice."""
    kind, reason = outcome.kind, outcome.reason or ""
    if kind is FailureKind.UNAUTHORIZED:
        if outcome.status in _AUTHORIZATION:
            return f"allow this user to write to the topic {options.topic_name}"
        return "correct kafka.sasl.mechanism, kafka.sasl.username and kafka.sasl.password"
    if kind is FailureKind.TLS:
        return _advise_on_tls(reason)
    if kind is FailureKind.NOT_SERVED:
        return "create the topic, or correct kafka.topic"
    if kind is FailureKind.TOO_LARGE:
        return (
            "raise kafka.max_message_bytes and the topic's max.message.bytes, or lower "
            "max_tag_value_length"
        )
    if kind is FailureKind.TIMEOUT:
        tls = "true" if options.tls.enabled else "false"
        mechanism = options.sasl.mechanism or "not set"
        return (
            "check that kafka.brokers names a listener for these clients (kafka.tls.enabled: "
            f"{tls}, kafka.sasl.mechanism: {mechanism}) and that the brokers keep up"
        )
    if kind in (FailureKind.REFUSED, FailureKind.UNREACHABLE, FailureKind.NAME_RESOLUTION):
        return "start the brokers, or correct kafka.brokers and the brokers' advertised.listeners"
    return None


def _advise_on_tls(reason: str) -> str:
    if "kafka.tls.enabled" in reason:
        return "write kafka.tls.enabled: false, or the port of a listener with TLS"
    if "verified" in reason:
        return (
            "name the file of the authority that signed it in kafka.tls.certificate_file, and in "
            "kafka.brokers a host that it is for"
        )
    return (
        "set kafka.tls.client_certificate_file and kafka.tls.client_key_file to a certificate that "
        "the brokers trust"
    )
