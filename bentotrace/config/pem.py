"""PEM files that a configuration names, looked at without ``ssl``."""

from __future__ import annotations

import os

__all__ = ["check_pem_file"]

_MARK = "-----BEGIN "
_MAX_BYTES = 1024 * 1024


def check_pem_file(name: str) -> str:
    """Give the path back when the file is there and is PEM.

    Raises:
        ValueError: with what is wrong; never with the text, which may be the key itself.
    """
    name = name.strip()
    if not name:
        raise ValueError("is empty; name a PEM file, or leave it out")
    if _MARK in name:
        raise ValueError("holds what should be in a file; write it into one, and its path here")
    try:
        with open(name, "rb") as file:
            content = file.read(_MAX_BYTES)
    except FileNotFoundError:
        raise ValueError(f"no such file{_hint(name)}") from None
    except IsADirectoryError:
        raise ValueError("is a directory; name a PEM file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no path"
        raise ValueError(f"the file cannot be read: {reason}") from None
    if _MARK.encode() not in content:
        raise ValueError(
            "is no PEM file: no line in it begins with -----BEGIN; "
            "openssl x509 -inform der makes one of a binary certificate"
        )
    return name


def _hint(name: str) -> str:
    if name.startswith("~"):
        return "; ~ is not expanded, so write the whole path"
    if not os.path.isabs(name):
        return "; a relative path starts where the service is started"
    return ""
