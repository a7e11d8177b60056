"""What all receivers have in common: the store of what arrived, and waiting for it."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import TypeVar

from bentotrace.testing.spans import ReceivedSpan, Rejected, Request

__all__ = ["Receiver"]

Self = TypeVar("Self", bound="Receiver")


class Receiver(ABC):
    """A server that listens from its construction until :meth:`close`; a context manager.

    Safe to use from several threads.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._arrived = threading.Condition()
        self._spans: list[ReceivedSpan] = []
        self._requests: list[Request] = []
        self._errors: list[Rejected] = []
        self._closing = threading.Event()

    @property
    def host(self) -> str:
        """The address it listens on."""
        return self._host

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def address(self) -> str:
        """``host:port``, an IPv6 address in brackets."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self._port}"

    @property
    @abstractmethod
    def endpoint(self) -> str:
        """What an exporter is to be given, so that it sends here."""

    @property
    def spans(self) -> list[ReceivedSpan]:
        """The spans so far, in the order of arrival."""
        with self._arrived:
            return list(self._spans)

    @property
    def requests(self) -> list[Request]:
        """The requests so far, refused ones included."""
        with self._arrived:
            return list(self._requests)

    @property
    def errors(self) -> list[Rejected]:
        """What could not be read so far."""
        with self._arrived:
            return list(self._errors)

    def wait(self, count: int, timeout: float = 5.0) -> list[ReceivedSpan]:
        """Wait until at least ``count`` spans are there, and return all that are.

        Args:
            count: how many spans to wait for.
            timeout: seconds to wait.

        Raises:
            TimeoutError: fewer came; the message says how many, and what could not be read.
        """
        end = time.monotonic() + timeout
        with self._arrived:
            while len(self._spans) < count:
                left = end - time.monotonic()
                if left <= 0:
                    raise TimeoutError(self._describe_shortage(count, timeout))
                self._arrived.wait(left)
            return list(self._spans)

    def clear(self) -> None:
        """Forget all that arrived."""
        with self._arrived:
            self._spans.clear()
            self._requests.clear()
            self._errors.clear()

    def close(self) -> None:
        """Stop listening and end the threads; what arrived stays readable. Safe twice."""
        with self._arrived:
            if self._closing.is_set():
                return
            self._closing.set()
        self._stop()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self.endpoint}, {len(self._spans)} spans>"

    @abstractmethod
    def _stop(self) -> None:
        """Close the sockets and join the threads."""

    def _store(self, request: Request, spans: Sequence[ReceivedSpan]) -> None:
        with self._arrived:
            self._requests.append(request)
            self._spans.extend(spans)
            self._arrived.notify_all()

    def _reject(self, path: str, reason: str, body: bytes = b"") -> None:
        with self._arrived:
            self._errors.append(Rejected(path, reason, body))

    def _describe_shortage(self, count: int, timeout: float) -> str:
        text = (
            f"{len(self._spans)} of {count} spans came to {self.endpoint} within {timeout:g} s, "
            f"in {len(self._requests)} requests"
        )
        if self._errors:
            text += f"; {len(self._errors)} could not be read, the last: {self._errors[-1].reason}"
        return text
