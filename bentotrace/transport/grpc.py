"""Sending over gRPC: bytes in, bytes out, one unary method, no generated code.

Importing this module needs grpcio, which the extra ``grpc`` brings.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import Any, Literal

import grpc

from bentotrace.redaction import Redaction, without_credentials
from bentotrace.threads import call_blocking
from bentotrace.transport._grpc_channel import ProcessChannel, guard_forks
from bentotrace.transport._grpc_failure import Failure, attempt_from_failure
from bentotrace.transport.deadline import Deadline, checked_timeout
from bentotrace.transport.headers import checked_metadata
from bentotrace.transport.outcome import FailureKind, Outcome
from bentotrace.transport.proxy import proxy_secrets
from bentotrace.transport.retry import Attempt, Backoff, send_with_retries, untold
from bentotrace.transport.suppression import suppress_instrumentation
from bentotrace.transport.tls import TLSConfig, TLSFileError

__all__ = ["GRPCTransport"]

_logger = logging.getLogger(__name__)

_BODY_LIMIT = 64 * 1024
_LONGEST_CONNECT_MS = 20_000


class GRPCTransport:
    """Calls one unary method of one server.

    Nothing is opened before the first ``send``, in whichever process that happens; after a fork
    the child opens its own channel. Any thread may call any method.
    """

    def __init__(
        self,
        target: str,
        method: str,
        *,
        timeout: float,
        user_agent: str,
        tls: TLSConfig | None = None,
        headers: Mapping[str, str] | None = None,
        compression: Literal["gzip", "none"] = "none",
        backoff: Backoff | None = None,
        on_retry: Callable[[Outcome], None] = untold,
        redaction: Redaction | None = None,
    ) -> None:
        """Check the options; nothing is opened but the TLS files.

        Args:
            target: ``host:port``, or any other name that gRPC resolves.
            method: ``/package.Service/Method``.
            timeout: seconds for one ``send``, retries and waiting included.
            user_agent: who sends; gRPC puts its own after it.
            tls: files for TLS, ``TLSConfig()`` for gRPC's own authorities; None is plaintext.
            headers: metadata.
            compression: of the message.
            backoff: the waits between attempts.
            on_retry: is told of each attempt that failed and is made again.
            redaction: the secrets of the configuration, which no outcome shows; the metadata and
                the credentials of proxies are added.

        Raises:
            ValueError: an option is wrong; no message holds a header's value or credentials. A
                file that cannot be used is a :class:`~bentotrace.transport.tls.TLSFileError`.
        """
        self._target = _checked_target(target)
        if not method.startswith("/") or method.count("/") != 2:
            raise ValueError(f"method {method!r} is not of the form /package.Service/Method")
        self._method = method
        self._timeout = checked_timeout(timeout)
        if compression not in ("gzip", "none"):
            raise ValueError(f"compression must be gzip or none, not {compression!r}")
        metadata = checked_metadata(headers or {})
        self._user_agent = metadata.pop("user-agent", user_agent)
        self._metadata = tuple(metadata.items())
        self._redaction = (redaction or Redaction()).with_secrets(
            *metadata.values(), *proxy_secrets(os.environ)
        )
        self._compression = (
            grpc.Compression.Gzip if compression == "gzip" else grpc.Compression.NoCompression
        )
        self._tls = tls
        if tls is not None:
            tls.check()
        self._backoff = backoff or Backoff()
        self._on_retry = on_retry
        self._by_process: dict[int, ProcessChannel] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._target!r}, {self._method!r})"

    @property
    def endpoint(self) -> str:
        """The target."""
        return self._target

    def send(self, body: bytes, *, timeout: float | None = None) -> Outcome:
        """Call the method with the bytes, and again while that may help and there is time.

        Retried are the codes that OTLP calls retryable, after the wait that a RetryInfo asks for;
        RESOURCE_EXHAUSTED only with one. Failures of TLS and of the protocol are not.

        Args:
            body: the serialized message.
            timeout: seconds for this call instead of the transport's.

        Raises:
            ValueError: the timeout is not a positive number.
        """
        channel = self._channel()
        with suppress_instrumentation():
            return send_with_retries(
                lambda deadline: self._attempt(channel, body, deadline),
                endpoint=self._target,
                timeout=self._timeout if timeout is None else checked_timeout(timeout),
                closed=channel.closed,
                backoff=self._backoff,
                on_retry=self._on_retry,
            )

    def close(self) -> None:
        """End every send and the channel; for good, and as often as one likes."""
        self._channel().close()

    def _channel(self) -> ProcessChannel:
        """Return this process's channel.

        What a child inherits stays referenced and untouched: destroying a channel waits for
        threads that only its parent has.
        """
        pid = os.getpid()
        channel = self._by_process.get(pid)
        if channel is None:
            created = ProcessChannel()
            if any(other.closed.is_set() for other in list(self._by_process.values())):
                created.closed.set()
            channel = self._by_process.setdefault(pid, created)
            if channel is created:
                guard_forks(created)
        return channel

    def _attempt(self, channel: ProcessChannel, body: bytes, deadline: Deadline) -> Attempt:
        try:
            with channel.call(self._open, deadline) as method:
                # gRPC's core waits in C code, which holds up every greenlet of its thread.
                answer = call_blocking(
                    lambda: method(
                        body,
                        timeout=deadline.remaining(),
                        metadata=self._metadata,
                        wait_for_ready=False,
                        compression=self._compression,
                    )
                )
        except TLSFileError as error:
            return Attempt(ok=False, kind=FailureKind.TLS, reason=str(error))
        except grpc.RpcError as error:
            return attempt_from_failure(
                Failure(
                    code=error.code().name,
                    details=error.details() or "",
                    trailers=[(key, value) for key, value in error.trailing_metadata() or ()],
                ),
                target=self._target,
                service=self._method.split("/")[1],
                secure=self._tls is not None,
                timeout=deadline.timeout,
                redaction=self._redaction,
            )
        except (ConnectionAbortedError, TimeoutError):
            # The retry loop sees that the transport was closed, or that the time is over.
            return Attempt(
                ok=False,
                kind=FailureKind.TIMEOUT,
                reason=f"a fork held the call back for the whole {deadline.timeout:.3g} s",
            )
        except Exception as error:
            # To who calls while another thread closes the channel, gRPC raises ValueError.
            if not channel.closed.is_set():
                told = self._redaction.traceback(error)
                _logger.debug("sending to %s failed unexpectedly\n%s", self._target, told)
            reason = self._redaction.line(f"{type(error).__name__}: {error}")
            return Attempt(ok=False, kind=FailureKind.UNEXPECTED, reason=reason)
        return Attempt(ok=True, status="OK", reason="OK", body=bytes(answer[:_BODY_LIMIT]))

    def _open(self) -> tuple[Any, Callable[..., bytes]]:
        """Return a new channel and the method on it."""
        connect_ms = int(min(self._timeout * 1000, _LONGEST_CONNECT_MS))
        options = [
            ("grpc.primary_user_agent", self._user_agent),
            # The transport retries, within its own deadline.
            ("grpc.enable_retries", 0),
            # Else transports to one target would share connections, and each other's backoff.
            ("grpc.use_local_subchannel_pool", 1),
            # A server that comes back is found by the next attempt, not minutes later.
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 1000),
            ("grpc.min_reconnect_backoff_ms", connect_ms),
            ("grpc.dns_min_time_between_resolutions_ms", 1000),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", 4 * 1024 * 1024),
        ]
        if self._tls is None:
            channel = grpc.insecure_channel(self._target, options=options)
        else:
            chain, key = self._tls.read_client_certificate() or (None, None)
            credentials = grpc.ssl_channel_credentials(self._tls.read_ca(), key, chain)
            channel = grpc.secure_channel(self._target, credentials, options=options)
        return channel, channel.unary_unary(self._method)


def _checked_target(target: str) -> str:
    shown = without_credentials(target)
    if not target or any(character <= " " or character == "\x7f" for character in target):
        raise ValueError(f"target {shown!r} is no host:port")
    if shown != target:
        raise ValueError(f"target {shown!r}: gRPC takes no credentials in it; use a header")
    if target.startswith(("http://", "https://", "grpc://", "grpcs://")):
        raise ValueError(f"target {shown!r} is a URL; gRPC takes host:port")
    return target
