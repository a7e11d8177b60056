"""Sending over UDP: pieces packed into datagrams that fit, paced so that a receiver keeps up.

UDP answers nothing. What can be known is used: the system says when a datagram is too large for
it, and a connected socket learns from ICMP that nobody listens. Everything else counts as sent.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence

from attrs import define, field, frozen

from bentotrace.threads import home, started_before_patch
from bentotrace.transport._resolution import Address, Resolution
from bentotrace.transport.deadline import Deadline, checked_timeout
from bentotrace.transport.outcome import FailureKind, Outcome
from bentotrace.transport.suppression import suppress_instrumentation

__all__ = ["MAX_DATAGRAM", "MIN_DATAGRAM", "Packing", "UDPTransport"]

MAX_DATAGRAM = 65_507
"""The bytes that an IPv4 datagram can carry."""

MIN_DATAGRAM = 512
"""The smallest limit that is worth setting."""

# macOS sends no larger datagram unless net.inet.udp.maxdgram is raised.
_SMALL_DATAGRAM = 9_216

# A receive buffer of the size that Linux gives by default (208 KiB) holds three datagrams of 65 kB:
# two may come at once, and a receiver that waits for a processor has 8 ms until the fourth.
_BURST_BYTES = 130_000
_BYTES_PER_SECOND = 16_000_000


@frozen
class Packing:
    """How pieces become one datagram.

    Attributes:
        overhead: bytes that ``assemble`` adds to its pieces at the most.
        assemble: makes the datagram of a run of pieces.
    """

    overhead: int
    assemble: Callable[[Sequence[bytes]], bytes]


@define(eq=False)
class _Socket:
    """One process's socket, connected to the address that took the last datagram.

    Attributes:
        home: what it belongs to, see :func:`bentotrace.threads.home`.
        addresses: what the name resolved to, the current one first; empty before the first send.
        resolution: the look-up of the name that runs, or ran last.
        allowance: bytes that may be sent at once; grows as time passes.
        counted_at: when that was so, on :func:`time.monotonic`'s clock.
    """

    home: object
    addresses: list[Address] = field(factory=list)
    resolution: Resolution | None = None
    socket: socket.socket | None = None
    allowance: float = _BURST_BYTES
    counted_at: float = 0.0

    def close(self) -> None:
        """Close the socket; the next send resolves the name again."""
        if self.socket is not None:
            self.socket.close()
        self.socket = None
        self.addresses = []


class UDPTransport:
    """Sends datagrams to one host and port.

    Nothing is opened before the first ``send``, in whichever process that happens. One thread at
    a time may send; any may close.
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
            host: name or address; the name may have several addresses.
            port: 1 to 65535.
            timeout: seconds for one ``send``, its pauses included.
            max_packet_size: bytes of a datagram, at the most.
            split: whether pieces that do not fit in one datagram go in several.

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
        self._socket = _Socket(home())
        self._logger = logging.getLogger(__name__)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.endpoint!r})"

    @property
    def endpoint(self) -> str:
        """``host:port/udp``."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self._port}/udp"

    @property
    def limit(self) -> int:
        """The bytes of a datagram, as far as the system has let them be."""
        return self._limit

    def send(
        self, pieces: Sequence[bytes], packing: Packing
    ) -> Iterator[tuple[Outcome, Sequence[int]]]:
        """Send the pieces in as few datagrams as they fit in.

        Args:
            pieces: what must stay whole, in order.
            packing: makes a datagram of some of them.

        Yields:
            For every datagram, and for every piece that is too large for one: the outcome, and
            the indexes of the pieces. Every piece is in one of them.
        """
        deadline = Deadline.after(self._timeout)
        at = 0
        while at < len(pieces):
            end = self._fitting(pieces, at, packing.overhead)
            if not self._split and (at > 0 or end < len(pieces)):
                size = packing.overhead + sum(map(len, pieces))
                reason = (
                    f"the batch makes a datagram of {size} bytes, over the limit of {self._limit}, "
                    f"and splitting is turned off"
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
        """Close the socket; for good, and as often as one likes."""
        self._closed = True
        if self._socket.home == home():
            if self._socket.resolution is not None:
                self._socket.resolution.interrupt()
            self._socket.close()

    def _fitting(self, pieces: Sequence[bytes], start: int, overhead: int) -> int:
        """Find the end of the longest run of pieces that fits in a datagram."""
        room = self._limit - overhead
        end = start
        while end < len(pieces) and len(pieces[end]) <= room:
            room -= len(pieces[end])
            end += 1
        return end

    def _send(self, datagram: bytes, deadline: Deadline) -> Outcome | None:
        """Send a datagram; None when it is too large for the system and has to be split."""
        started = time.monotonic()
        here = self._here()
        attempts = 0
        failure: OSError | None = None
        while not (self._closed or started_before_patch()):
            if not _pause(here, len(datagram), deadline):
                reason = f"no time left within the {deadline.timeout:.3g} s timeout"
                return self._failure(FailureKind.TIMEOUT, reason)
            attempts += 1
            try:
                if not here.addresses:
                    here.addresses = self._resolve(here, deadline)
                sock = self._connected(here)
                sock.send(datagram)
                # On loopback the ICMP answer of nobody listening is here already.
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    raise OSError(code, os.strerror(code))
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    if self._lower_limit(len(datagram)):
                        return None
                    return self._failure(FailureKind.TOO_LARGE, _reason(error, self.endpoint))
                if self._closed and isinstance(error, ConnectionAbortedError):
                    break
                failure = error
                if self._next_address(here):
                    continue
                here.close()
                return self._failure(_kind(error), _reason(error, self.endpoint), attempts)
            here.allowance -= len(datagram)
            return Outcome(
                ok=True,
                endpoint=self.endpoint,
                attempts=attempts,
                elapsed=time.monotonic() - started,
            )
        return self._failure(FailureKind.CLOSED, "closed" if failure is None else str(failure))

    def _here(self) -> _Socket:
        """Return the socket of this process and threading state; close any other."""
        if self._socket.home != home():
            self._socket.close()
            self._socket = _Socket(home())
        return self._socket

    def _resolve(self, here: _Socket, deadline: Deadline) -> list[Address]:
        here.resolution = Resolution(self._host, self._port, socket.SOCK_DGRAM)
        if self._closed:
            raise ConnectionAbortedError
        return here.resolution.addresses(deadline)

    def _connected(self, here: _Socket) -> socket.socket:
        if here.socket is not None:
            return here.socket
        family, _, _, target = here.addresses[0]
        made = socket.socket(family, socket.SOCK_DGRAM)
        try:
            made.connect(target)
        except BaseException:
            made.close()
            raise
        here.socket = made
        return made

    def _next_address(self, here: _Socket) -> bool:
        """Turn to the name's next address, if it has one."""
        if here.socket is not None:
            here.socket.close()
            here.socket = None
        del here.addresses[:1]
        return bool(here.addresses)

    def _lower_limit(self, size: int) -> bool:
        """Take less for a datagram from now on; False when it could not be less."""
        lower = _SMALL_DATAGRAM if size > _SMALL_DATAGRAM else size // 2
        if lower < MIN_DATAGRAM:
            return False
        self._limit = lower
        self._logger.warning(
            "the system sends no datagram of %d bytes, so they are limited to %d from now on; "
            "to send larger ones on macOS: sysctl -w net.inet.udp.maxdgram=65536",
            size,
            lower,
        )
        return True

    def _failure(self, kind: FailureKind, reason: str, attempts: int = 1) -> Outcome:
        return Outcome(
            ok=False, endpoint=self.endpoint, kind=kind, reason=reason, attempts=attempts
        )


def _pause(here: _Socket, size: int, deadline: Deadline) -> bool:
    """Give the receiver time, so that it keeps up; False when there is none left."""
    now = time.monotonic()
    grown = here.allowance + (now - here.counted_at) * _BYTES_PER_SECOND
    here.allowance = min(_BURST_BYTES, grown)
    here.counted_at = now
    pause = max(0.0, size - here.allowance) / _BYTES_PER_SECOND
    if deadline.remaining() <= pause:
        return False
    if pause > 0:
        # What it oversleeps by counts as passed the next time.
        time.sleep(pause)
    return True


def _kind(error: OSError) -> FailureKind:
    if isinstance(error, socket.gaierror):
        return FailureKind.NAME_RESOLUTION
    if isinstance(error, TimeoutError):
        return FailureKind.TIMEOUT
    if error.errno == errno.ECONNREFUSED:
        return FailureKind.REFUSED
    if error.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}:
        return FailureKind.UNREACHABLE
    return FailureKind.UNEXPECTED


def _reason(error: OSError, endpoint: str) -> str:
    kind = _kind(error)
    if kind is FailureKind.NAME_RESOLUTION:
        return f"the host name of {endpoint} has no address: {error.strerror}"
    if kind is FailureKind.TIMEOUT:
        return f"the name resolution of {endpoint} did not end within the timeout"
    if kind is FailureKind.REFUSED:
        return f"nobody listens on {endpoint}"
    if kind is FailureKind.UNREACHABLE:
        return f"there is no way to {endpoint}: {error.strerror}"
    return f"sending to {endpoint} failed: {error.strerror or error}"
