"""The files of a TLS connection, while they are replaced."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from bentotrace.interruptions import log_safely
from bentotrace.transport.tls import TLSConfig, TLSFileError

__all__ = ["TLSFiles"]

_logger = logging.getLogger(__name__)

_T = TypeVar("_T")


class TLSFiles(Generic[_T]):
    """Creates an object, such as a TLS context, from a configuration's files, and renews it.

    It is renewed when a file is replaced. Files are replaced one after the other: while certificate
    and key do not belong together, the object of the former files is used.
    """

    def __init__(self, config: TLSConfig, make: Callable[[TLSConfig], _T]) -> None:
        self._config = config
        self._make = make
        self._made: tuple[object, _T] | None = None
        self._failed: object = None

    def current(self) -> _T:
        """Return the object for the current files.

        Raises:
            TLSFileError: they cannot be used, and never could.
        """
        made, version = self._made, self._config.version()
        if made is not None and version in (made[0], self._failed):
            return made[1]
        try:
            new = self._make(self._config)
            if self._config.version() != version:
                raise TLSFileError("ca_file", self._config.ca_file or "", "was just replaced")
        except TLSFileError as error:
            if made is None:
                raise
            self._failed = version
            log_safely(_logger, logging.WARNING, "the former TLS files are used, because %s", error)
            return made[1]
        self._made = (version, new)
        return new

    def are_changing(self) -> bool:
        """Return whether the files were replaced since :meth:`current`, or do not match."""
        return self._made is None or self._made[0] != self._config.version()
