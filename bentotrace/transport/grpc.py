"""Sending over gRPC: one unary method, with serialized messages and no generated code.

Importing this module needs grpcio, which the extra ``grpc`` installs.
"""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any, Literal, NamedTuple

import grpc

from bentotrace.deadline import Deadline, checked_timeout
from bentotrace.interruptions import log_safely
from bentotrace.redaction import Redaction, url_secrets, without_credentials
from bentotrace.threads import call_blocking
from bentotrace.transport._grpc_channel import OpenedChannel, ProcessChannel, guard_forks
from bentotrace.transport._grpc_failure import (
    RESPONSE_LIMIT,
    RETRIED_STATUSES,
    Failure,
    attempt_from_failure,
)
from bentotrace.transport._proxy import (
    Proxy,
    basic_authorization,
    bracketed,
    find_grpc_proxy,
    proxy_secrets,
)
from bentotrace.transport._resolution import Resolution
from bentotrace.transport._tls_files import TLSFiles
from bentotrace.transport.endpoint import absolute_socket
from bentotrace.transport.headers import GRPC, ResponseHeaders, checked_headers
from bentotrace.transport.outcome import FailureKind, Outcome
from bentotrace.transport.retry import Attempt, Backoff, ignore_retry, send_with_retries
from bentotrace.transport.tls import (
    TLSConfig,
    TLSFileError,
    make_ssl_context,
    read_authorities,
)

__all__ = ["GRPCTransport"]

# The first channel would import it in the exporting thread, see make_thread().
import_module("grpc._channel")

_logger = logging.getLogger(__name__)

_BODY_LIMIT = 64 * 1024
_LONGEST_CONNECT_MS = 20_000
# Servers end the connection of a client that sends pings more often; see gRFC A8.
_KEEPALIVE_MS = 10_000
_PING_TIMEOUT_MS = 5_000
# As over HTTP: routers drop an idle connection silently.
_IDLE_MS = 60_000
_RESOLVE_SECONDS = 1.0
_FAMILIES = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}
# The targets of one host, which may be behind a proxy.
_HOST_AND_PORT = re.compile(r"(?:dns:(?://[^/]*/)?|ipv[46]:)?\[?([^/,]+?)\]?:(\d+)")


class GRPCTransport:
    """Calls one unary method of one server.

    Nothing is opened before the first ``send``; after a fork the child opens its own channel. Any
    thread may call any method.
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
        load_balancing: Literal["pick_first", "round_robin"] | None = None,
        backoff: Backoff | None = None,
        retried_statuses: Collection[str] | None = None,
        on_retry: Callable[[Outcome], None] = ignore_retry,
        redaction: Redaction | None = None,
    ) -> None:
        """Check the options; nothing is opened but the TLS files.

        Args:
            target: ``host:port``, or any other name that gRPC resolves; credentials before
                ``host:port`` become an ``authorization`` header.
            method: ``/package.Service/Method``.
            timeout: seconds for one ``send``, retries and waiting included.
            user_agent: the client's name; gRPC appends its own.
            tls: files for TLS, ``TLSConfig()`` for the system's authorities; None for plaintext.
            headers: metadata; ``grpc-encoding: gzip`` turns on compression.
            compression: of the message.
            load_balancing: over the addresses of the target; by default ``round_robin`` for a list
                of addresses, ``pick_first`` for a name.
            backoff: the waits between attempts.
            retried_statuses: the names of the codes of a response after which the message is sent
                again; by default those of OTLP.
            on_retry: called with each failed attempt before the next one.
            redaction: the secrets of the configuration, masked in outcomes; the metadata and the
                credentials of proxies are added.

        Raises:
            ValueError: an option is invalid; the message has no header's value and no credentials.
                For a file it is a :class:`~bentotrace.transport.tls.TLSFileError`.
        """
        self._target, authorization = _checked_target(target)
        if not method.startswith("/") or method.count("/") != 2:
            raise ValueError(f"method {method!r} is not of the form /package.Service/Method")
        self._method = method
        self._timeout = checked_timeout(timeout)
        if compression not in ("gzip", "none"):
            raise ValueError(f"compression must be gzip or none, not {compression!r}")
        metadata = checked_headers(headers or {}, GRPC)
        if authorization is not None:
            metadata = {"authorization": authorization, **metadata}
        compression = "gzip" if metadata.pop("grpc-encoding", "") else compression
        self._user_agent = metadata.pop("user-agent", user_agent)
        self._metadata = tuple(metadata.items())
        self._redaction = (redaction or Redaction()).with_secrets(
            *metadata.values(), *url_secrets(target), *proxy_secrets(os.environ)
        )
        self._compression = (
            grpc.Compression.Gzip if compression == "gzip" else grpc.Compression.NoCompression
        )
        if load_balancing is None:
            is_list = target.startswith(("ipv4:", "ipv6:")) and "," in target
            load_balancing = "round_robin" if is_list else "pick_first"
        self._spreads = load_balancing == "round_robin"
        self._tls_files: TLSFiles[_Credentials] | None = None
        if tls is not None:
            tls.check()
            self._tls_files = TLSFiles(tls, _read_credentials)
            # Imported here because it would take the exporting thread of a busy process long.
            import_module("ssl")
        self._backoff = backoff or Backoff()
        self._retried = frozenset(
            RETRIED_STATUSES if retried_statuses is None else retried_statuses
        )
        for name in self._retried - set(grpc.StatusCode.__members__):
            raise ValueError(f"retried_statuses has {name!r}, not a code such as UNAVAILABLE")
        self._on_retry = on_retry
        self._by_process: dict[int, ProcessChannel] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._target!r}, {self._method!r})"

    @property
    def endpoint(self) -> str:
        """The target."""
        return self._target

    def send(self, body: bytes, *, timeout: float | None = None) -> Outcome:
        """Call the method with the bytes, with retries within the timeout.

        The codes of ``retried_statuses`` are retried, after the wait of a RetryInfo, and
        RESOURCE_EXHAUSTED with one. Failures of TLS and of the protocol are not.

        Args:
            body: the serialized message.
            timeout: seconds for this call instead of the transport's.

        Raises:
            ValueError: the timeout is not a positive number.
        """
        channel = self._channel()
        return send_with_retries(
            lambda deadline: self._attempt(channel, body, deadline),
            endpoint=self._target,
            timeout=self._timeout if timeout is None else checked_timeout(timeout),
            closed=channel.closed,
            backoff=self._backoff,
            on_retry=self._on_retry,
        )

    def close(self) -> None:
        """End every send and the channel, for good; may be called again."""
        self._channel().close()

    def _channel(self) -> ProcessChannel:
        """Return this process's channel.

        A child keeps a reference to the channel that it inherited: destroying it would wait for
        threads that exist only in the parent.
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
            credentials = None if self._tls_files is None else self._tls_files.current()
            target = self._next_target(channel.failures, deadline)
            with channel.call(
                lambda: self._open(target, credentials), deadline, credentials
            ) as opened:
                try:
                    # gRPC's core waits in C code, which blocks every greenlet of its thread.
                    response, call = call_blocking(
                        lambda: opened.method(
                            body,
                            timeout=deadline.remaining(),
                            metadata=self._metadata,
                            wait_for_ready=False,
                            compression=self._compression,
                        )
                    )
                except grpc.RpcError as error:
                    attempt = self._failed_attempt(error, opened, deadline)
                    if attempt.retryable or attempt.kind is FailureKind.TLS:
                        # Another address of the channel is another connection, unless it is silent.
                        answered = attempt.kind is FailureKind.STATUS
                        channel.fail(opened, 2 if self._spreads and answered else 1)
                    return attempt
                channel.succeed(opened)
        except TLSFileError as error:
            # Certificate and key may be replaced at this moment.
            return Attempt(ok=False, kind=FailureKind.TLS, reason=str(error), retryable=True)
        except _ProxyError as error:
            return Attempt(
                ok=False, kind=FailureKind.PROXY, reason=self._redaction.line(str(error))
            )
        except (ConnectionAbortedError, TimeoutError):
            # The retry loop notices a closed transport and the end of the timeout.
            return Attempt(
                ok=False,
                kind=FailureKind.TIMEOUT,
                reason=f"a fork blocked the call for the whole {deadline.timeout:.3g} s",
            )
        except Exception as error:
            # gRPC raises ValueError when another thread closes the channel during the call.
            if not channel.closed.is_set():
                trace = self._redaction.traceback(error)
                message = "sending to %s failed unexpectedly\n%s"
                log_safely(_logger, logging.DEBUG, message, self._target, trace)
            reason = self._redaction.line(f"{type(error).__name__}: {error}")
            return Attempt(ok=False, kind=FailureKind.UNEXPECTED, reason=reason)
        return Attempt(
            ok=True,
            status="OK",
            reason="OK",
            body=bytes(response[:_BODY_LIMIT]),
            headers=self._response_headers(call),
        )

    def _response_headers(self, call: Any) -> ResponseHeaders:
        metadata = (*(call.trailing_metadata() or ()), *(call.initial_metadata() or ()))
        return ResponseHeaders(metadata, self._redaction)

    def _failed_attempt(
        self, error: grpc.RpcError, opened: OpenedChannel, deadline: Deadline
    ) -> Attempt:
        attempt = attempt_from_failure(
            Failure(
                code=error.code().name,
                details=error.details() or "",
                trailers=[(key, value) for key, value in error.trailing_metadata() or ()],
            ),
            target=self._target,
            service=self._method.split("/")[1],
            secure=self._tls_files is not None,
            timeout=deadline.timeout,
            compressed=self._compression is grpc.Compression.Gzip,
            redaction=self._redaction,
            proxy=opened.proxy,
            retried=self._retried,
        )._replace(headers=self._response_headers(error))
        if attempt.kind is FailureKind.TLS and self._tls_files and self._tls_files.are_changing():
            return attempt._replace(retryable=True)
        return attempt

    def _next_target(self, failures: int, deadline: Deadline) -> str:
        """Return the target of a new channel: after failures, its next address comes first."""
        host_and_port = _HOST_AND_PORT.fullmatch(self._target)
        if not failures or host_and_port is None or self._spreads or self._find_proxy():
            return self._target
        if self._target.startswith("dns://") and not self._target.startswith("dns:///"):
            # Only the name server that it names may know the host.
            return self._target
        host, port = host_and_port[1], int(host_and_port[2])
        patience = Deadline.after(min(deadline.remaining(), _RESOLVE_SECONDS))
        try:
            found = Resolution(host, port, socket.SOCK_STREAM).addresses(patience)
        except OSError:
            return self._target
        addresses = [
            (_FAMILIES[family], f"{bracketed(address[0]).replace('%', '%25')}:{port}")
            for family, _, _, address in found
            if family in _FAMILIES
        ]
        if len(addresses) < 2:
            return self._target
        turn = failures % len(addresses)
        addresses = addresses[turn:] + addresses[:turn]
        scheme = addresses[0][0]
        return f"{scheme}:{','.join(name for family, name in addresses if family == scheme)}"

    def _open(self, target: str, credentials: _Credentials | None) -> OpenedChannel:
        """Return a new channel, and the method on it."""
        connect_ms = int(min(self._timeout * 1000, _LONGEST_CONNECT_MS))
        options: list[tuple[str, object]] = [
            ("grpc.primary_user_agent", self._user_agent),
            # The transport retries, within its own deadline.
            ("grpc.enable_retries", 0),
            # Without it, transports to one target share connections and their backoff.
            ("grpc.use_local_subchannel_pool", 1),
            # The next attempt finds a server that is back, not one minutes later.
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 1000),
            ("grpc.min_reconnect_backoff_ms", connect_ms),
            ("grpc.dns_min_time_between_resolutions_ms", 1000),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", RESPONSE_LIMIT),
            ("grpc.client_idle_timeout_ms", _IDLE_MS),
            # They end a silent connection while there is time for another attempt. Without the
            # last one, gRPC waits a minute for the response to a ping.
            ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
            ("grpc.keepalive_timeout_ms", _PING_TIMEOUT_MS),
            ("grpc.http2.ping_timeout_ms", _PING_TIMEOUT_MS),
        ]
        if self._spreads:
            options.append(("grpc.lb_policy_name", "round_robin"))
        if target != self._target:
            options.append(("grpc.default_authority", self._target.rpartition("/")[2]))
        proxy = self._find_proxy()
        if proxy is None:
            options.append(("grpc.enable_http_proxy", 0))
        else:
            options.append(("grpc.http_proxy", proxy[1]))
        if credentials is None:
            channel = grpc.insecure_channel(target, options=options)
        else:
            channel_credentials = grpc.ssl_channel_credentials(*credentials)
            channel = grpc.secure_channel(target, channel_credentials, options=options)
        return OpenedChannel(
            channel, channel.unary_unary(self._method).with_call, credentials, proxy and proxy[0]
        )

    def _find_proxy(self) -> tuple[Proxy, str] | None:
        host_and_port = _HOST_AND_PORT.fullmatch(self._target)
        if host_and_port is None:
            return None
        scheme = "http" if self._tls_files is None else "https"
        try:
            return find_grpc_proxy(scheme, host_and_port[1], int(host_and_port[2]), os.environ)
        except ValueError as error:
            raise _ProxyError(str(error)) from None


class _ProxyError(Exception):
    """A variable names a proxy that gRPC cannot use."""


class _Credentials(NamedTuple):
    """The arguments of ``grpc.ssl_channel_credentials``."""

    root_certificates: bytes | None
    private_key: bytes | None
    certificate_chain: bytes | None


def _read_credentials(config: TLSConfig) -> _Credentials:
    # gRPC reports neither a damaged file nor a key of another certificate.
    make_ssl_context(config)
    chain, key = config.read_client_certificate() or (None, None)
    return _Credentials(read_authorities(config), key, chain)


def _checked_target(target: str) -> tuple[str, str | None]:
    """Return the target without credentials, and the ``authorization`` that they make."""
    shown = without_credentials(target)
    if not target or any(character <= " " or character == "\x7f" for character in target):
        raise ValueError(f"target {shown!r} is not host:port")
    if target.startswith(("http://", "https://", "grpc://", "grpcs://")):
        raise ValueError(f"target {shown!r} is a URL; gRPC expects host:port")
    if target.startswith("unix:") and not target.startswith("unix://"):
        return f"unix:{absolute_socket(target.removeprefix('unix:'))}", None
    if shown == target:
        return target, None
    name, _, password = target.rpartition("@")[0].partition(":")
    return shown, basic_authorization(name, password)
