"""Refuse connections and look-ups beyond loopback, in every process that has this as sitecustomize.

Each refused one is a line of the file that ``REFUSED`` names.
"""

from __future__ import annotations

import os
import sys
from typing import Any

# The kit looks up the second one, which no name server has.
_ALLOWED = ("127.0.0.1", "::1", "localhost", "nowhere.invalid", "0.0.0.0", "", None)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in _ALLOWED:
        with open(os.environ["REFUSED"], "a", encoding="utf-8") as file:
            file.write(f"{event} {host}\n")
        raise OSError(f"{host} is not on loopback")


sys.addaudithook(_refuse)
