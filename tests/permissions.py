"""Tests of files without permission, which root would read and write all the same."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator

# Numbers of <linux/capability.h>.
_VERSION_3 = 0x20080522
_IGNORES_PERMISSIONS = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH


@contextlib.contextmanager
def obeyed_permissions() -> Iterator[None]:
    """Take root's right to ignore permissions from this thread; other users have no such right."""
    if os.geteuid() != 0:
        yield
        return
    before = _read_capabilities()
    effective, permitted, inheritable, *high = before
    _write_capabilities([effective & ~_IGNORES_PERMISSIONS, permitted, inheritable, *high])
    try:
        yield
    finally:
        _write_capabilities(before)


def _read_capabilities() -> list[int]:
    data = (ctypes.c_uint32 * 6)()
    _call("capget", data)
    return list(data)


def _write_capabilities(values: list[int]) -> None:
    _call("capset", (ctypes.c_uint32 * 6)(*values))


def _call(name: str, data: object) -> None:
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    if getattr(ctypes.CDLL(None, use_errno=True), name)(header, data):
        raise OSError(ctypes.get_errno(), name)
