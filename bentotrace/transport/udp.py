"""Sending over UDP: pieces packed into datagrams, at a rate that a receiver can follow.

UDP confirms nothing. The system reports a datagram that is too large, and ICMP that nothing listens
on the port; everything else counts as sent.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from attrs import define, field

from bentotrace.deadline import Deadline, checked_timeout
from bentotrace.interruptions import log_safely
from bentotrace.threads import home, started_before_patch
from bentotrace.transport._descriptors import Identity, close_own, identify, is_own
from bentotrace.transport._proxy import bracketed
from bentotrace.transport._resolution import Resolution, SocketAddress
from bentotrace.transport.outcome import FailureKind, Outcome
from bentotrace.transport.retry import suppress_instrumentation
from bentotrace.values import frozen

__all__ = ["MAX_DATAGRAM", "MIN_DATAGRAM", "Packing", "UDPTransport"]

MAX_DATAGRAM = 65_507
"""The maximum size in bytes of an IPv4 datagram's data."""

MIN_DATAGRAM = 512
"""The minimum of ``max_packet_size``."""

# A receiver that moves gets another address, and nothing reports datagrams to the former one.
_RESOLVE_INTERVAL = 30.0
_RESOLVE_SECONDS = 1.0

# The limit of macOS, unless net.inet.udp.maxdgram is raised.
_SMALL_DATAGRAM = 9_216

# A receive buffer of Linux's default size (208 KiB) holds three datagrams of 65 kB. Two may arrive
# at once, and a receiver that waits for a processor has 4 ms until the buffer is full.
_BURST_BYTES = 133_000
_BYTES_PER_SECOND = 16_000_000
# Linux counts the memory that a datagram takes: its description, and its data with a header in a
# block whose size is a power of 2, or in pages. Drivers of network cards use whole pages.
_DESCRIPTION_BYTES = 256
_HEADER_BYTES = 384
_SMALLEST_BLOCK = 4_096
_LARGEST_BLOCK = 16_384


@frozen
class Packing:
    """How pieces become one datagram.

    Attributes:
        overhead: the maximum number of bytes that ``assemble`` adds.
        assemble: joins pieces into a datagram.
    """

    overhead: int
    assemble: Callable[[Sequence[bytes]], bytes]


@define(eq=False)
class _Socket:
    """One process's socket, connected to the address of the last datagram.

    Attributes:
        lock: held by the thread that sends.
        addresses: the name's addresses, the current one first; empty before the first send.
        resolved_at: the time of ``addresses``, on :func:`time.monotonic`'s clock.
        resolution: the current or last look-up of the name.
        allowance: bytes of a receiver's buffer that may be used at once; grows with time.
        counted_at: the time of ``allowance``, on :func:`time.monotonic`'s clock.
    """

    lock: threading.Lock = field(factory=threading.Lock)
    addresses: list[SocketAddress] = field(factory=list)
    resolved_at: float = 0.0
    resolution: Resolution | None = None
    socket: socket.socket | None = None
    identity: Identity = None
    allowance: float = _BURST_BYTES
    counted_at: float = 0.0

    def close(self) -> None:
        """Close the socket; the next send resolves the name again."""
        self.disconnect()
        self.addresses = []

    def disconnect(self) -> None:
        """Close the socket only."""
        sock, self.socket = self.socket, None
        if sock is not None:
            close_own(sock, self.identity)


class UDPTransport:
    """Sends datagrams to one host and port.

    Nothing is opened before the first ``send`` in a process. Any thread may call any method.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        timeout: float,
        max_packet_size: int = 65_000,
        split: bool = True,
    ) -> None:
        """Check the options; nothing is opened.

        Args:
            host: name or address; a name may have several addresses.
            port: 1 to 65535.
            timeout: seconds for one ``send``, its pauses included.
            max_packet_size: the maximum number of bytes of a datagram.
            split: whether pieces that do not fit in one datagram are sent in several.

        Raises:
            ValueError: an option is out of range.
        """
        if not 0 < port < 65_536:
            raise ValueError(f"port {port} is not between 1 and 65535")
        if not MIN_DATAGRAM <= max_packet_size <= MAX_DATAGRAM:
            raise ValueError(
                f"max_packet_size {max_packet_size} is not between "
                f"{MIN_DATAGRAM} and {MAX_DATAGRAM}"
            )
        self._host = host
        self._port = port
        self._timeout = checked_timeout(timeout)
        self._limit = max_packet_size
        self._split = split
        self._closed = False
        self._by_home: dict[object, _Socket] = {}
        self._logger = logging.getLogger(__name__)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.endpoint!r})"

    @property
    def endpoint(self) -> str:
        """``host:port/udp``."""
        return f"{bracketed(self._host)}:{self._port}/udp"

    @property
    def limit(self) -> int:
        """The maximum size of a datagram; lowered when the system refuses it."""
        return self._limit

    def send(
        self, pieces: Sequence[bytes], packing: Packing
    ) -> Iterator[tuple[Outcome, Sequence[int]]]:
        """Send the pieces, which are never divided, in as few datagrams as possible.

        Yields:
            For every datagram, and for every piece that is too large for one: the outcome, and
            the indexes of its pieces.
        """
        deadline = Deadline.after(self._timeout)
        at = 0
        while at < len(pieces):
            end = self._fitting(pieces, at, packing.overhead)
            if not self._split and (at > 0 or end < len(pieces)):
                size = packing.overhead + sum(map(len, pieces))
                reason = (
                    f"the batch needs a datagram of {size} bytes, over the limit of {self._limit}, "
                    f"and splitting is off"
                )
                yield self._failure(FailureKind.TOO_LARGE, reason), range(at, len(pieces))
                return
            if end == at:
                size = packing.overhead + len(pieces[at])
                reason = f"{size} bytes do not fit in a datagram of {self._limit}"
                yield self._failure(FailureKind.TOO_LARGE, reason), range(at, at + 1)
                at += 1
                continue
            with suppress_instrumentation():
                outcome = self._send(packing.assemble(pieces[at:end]), deadline)
            if outcome is not None:
                yield outcome, range(at, end)
                at = end

    def close(self) -> None:
        """Close the socket, for good; may be called again."""
        self._closed = True
        here = self._current_socket()
        if here.resolution is not None:
            here.resolution.interrupt()
        _close_unless_sending(here)

    def _fitting(self, pieces: Sequence[bytes], start: int, overhead: int) -> int:
        """Return the end of the longest run of pieces that fits in a datagram."""
        room = self._limit - overhead
        end = start
        while end < len(pieces) and len(pieces[end]) <= room:
            room -= len(pieces[end])
            end += 1
        return end

    def _send(self, datagram: bytes, deadline: Deadline) -> Outcome | None:
        """Send a datagram; return None when the system refuses its size and it can be split."""
        if started_before_patch():
            return self._failure(FailureKind.CLOSED, "closed")
        here = self._current_socket()
        if not here.lock.acquire(timeout=max(0.0, deadline.remaining())):
            return self._out_of_time(deadline)
        try:
            return self._send_alone(here, datagram, deadline)
        finally:
            here.lock.release()
            if self._closed:
                _close_unless_sending(here)

    def _send_alone(self, here: _Socket, datagram: bytes, deadline: Deadline) -> Outcome | None:
        started = time.monotonic()
        cost = _buffer_bytes(len(datagram))
        attempts = 0
        failure: OSError | None = None
        while not (self._closed or started_before_patch()):
            if not _pause(here, cost, deadline):
                return self._out_of_time(deadline)
            attempts += 1
            try:
                self._find_addresses(here, deadline)
                sock = self._connected(here)
                sock.send(datagram)
                # On loopback the ICMP message of a closed port has arrived already.
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    raise OSError(code, os.strerror(code))
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    if self._lower_limit(len(datagram)):
                        return None
                    return self._failure(FailureKind.TOO_LARGE, self._diagnose(error)[1])
                if self._closed and isinstance(error, ConnectionAbortedError):
                    break
                failure = error
                if self._next_address(here):
                    continue
                here.close()
                return self._failure(*self._diagnose(error), attempts)
            here.allowance -= cost
            return Outcome(
                ok=True,
                endpoint=self.endpoint,
                attempts=attempts,
                elapsed=time.monotonic() - started,
            )
        return self._failure(FailureKind.CLOSED, "closed" if failure is None else str(failure))

    def _current_socket(self) -> _Socket:
        """Return the socket of this process and threading state; close any other.

        A child must not use what it inherited: the lock may have been held at the fork.
        """
        here = home()
        found = self._by_home.get(here)
        if found is None:
            found = self._by_home.setdefault(here, _Socket())
            for other in [other for other in list(self._by_home) if other != here]:
                former = self._by_home.pop(other, None)
                if former is not None:
                    former.close()
        return found

    def _find_addresses(self, here: _Socket, deadline: Deadline) -> None:
        """Resolve the name, at first and at an interval; stay with an address that it still has."""
        now = time.monotonic()
        if not here.addresses:
            here.addresses = self._resolve(here, deadline)
        elif now - here.resolved_at >= _RESOLVE_INTERVAL:
            patience = Deadline.after(min(deadline.remaining(), _RESOLVE_SECONDS))
            try:
                found = self._resolve(here, patience)
            except OSError:
                if self._closed:
                    raise
            else:
                in_use = here.addresses[0]
                # Another socket, since the address of this host may be another, too.
                here.disconnect()
                here.addresses = sorted(found, key=lambda address: address != in_use)
        else:
            return
        here.resolved_at = now

    def _resolve(self, here: _Socket, deadline: Deadline) -> list[SocketAddress]:
        here.resolution = Resolution(self._host, self._port, socket.SOCK_DGRAM)
        if self._closed:
            raise ConnectionAbortedError
        return here.resolution.addresses(deadline)

    def _connected(self, here: _Socket) -> socket.socket:
        if here.socket is not None and is_own(here.socket, here.identity):
            return here.socket
        here.disconnect()
        family, _, _, target = here.addresses[0]
        made = socket.socket(family, socket.SOCK_DGRAM)
        try:
            made.connect(target)
        except BaseException:
            made.close()
            raise
        here.socket, here.identity = made, identify(made)
        return made

    def _next_address(self, here: _Socket) -> bool:
        """Switch to the name's next address; return whether it has one."""
        here.disconnect()
        del here.addresses[:1]
        return bool(here.addresses)

    def _lower_limit(self, size: int) -> bool:
        """Lower the limit for datagrams; return False at the minimum."""
        lower = _SMALL_DATAGRAM if size > _SMALL_DATAGRAM else size // 2
        if lower < MIN_DATAGRAM:
            return False
        self._limit = lower
        log_safely(
            self._logger,
            logging.WARNING,
            "the system refuses datagrams of %d bytes; the limit is %d bytes from now on; "
            "to send larger ones on macOS: sysctl -w net.inet.udp.maxdgram=65536",
            size,
            lower,
        )
        return True

    def _diagnose(self, error: OSError) -> tuple[FailureKind, str]:
        endpoint, shown = self.endpoint, error.strerror or error
        if isinstance(error, socket.gaierror):
            reason = f"the host name of {endpoint} has no address: {shown}"
            return FailureKind.NAME_RESOLUTION, reason
        if isinstance(error, TimeoutError):
            reason = f"the name resolution of {endpoint} did not end within the timeout"
            return FailureKind.TIMEOUT, reason
        if error.errno == errno.ECONNREFUSED:
            return FailureKind.REFUSED, f"nothing listens on {endpoint}"
        if error.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}:
            return FailureKind.UNREACHABLE, f"cannot reach {endpoint}: {shown}"
        return FailureKind.UNEXPECTED, f"sending to {endpoint} failed: {shown}"

    def _out_of_time(self, deadline: Deadline) -> Outcome:
        reason = f"no time left within the {deadline.timeout:.3g} s timeout"
        return self._failure(FailureKind.TIMEOUT, reason)

    def _failure(self, kind: FailureKind, reason: str, attempts: int = 1) -> Outcome:
        return Outcome(
            ok=False, endpoint=self.endpoint, kind=kind, reason=reason, attempts=attempts
        )


def _close_unless_sending(here: _Socket) -> None:
    """Close the socket; a thread that is sending does it when it is done."""
    if here.lock.acquire(blocking=False):
        try:
            here.close()
        finally:
            here.lock.release()


def _buffer_bytes(size: int) -> int:
    """Return the bytes that a datagram takes in the receive buffer of Linux."""
    block = size + _HEADER_BYTES
    if block <= _LARGEST_BLOCK:
        block = 1 << max(block - 1, _SMALLEST_BLOCK - 1).bit_length()
    else:
        block += 2 * _DESCRIPTION_BYTES
    return block + _DESCRIPTION_BYTES


def _pause(here: _Socket, size: int, deadline: Deadline) -> bool:
    """Wait until the receiver can follow; return False without time left."""
    now = time.monotonic()
    grown = here.allowance + (now - here.counted_at) * _BYTES_PER_SECOND
    here.allowance = min(_BURST_BYTES, grown)
    here.counted_at = now
    pause = max(0.0, size - here.allowance) / _BYTES_PER_SECOND
    if deadline.remaining() <= pause:
        return False
    if pause > 0:
        # The time overslept counts in the next call.
        time.sleep(pause)
    return True
