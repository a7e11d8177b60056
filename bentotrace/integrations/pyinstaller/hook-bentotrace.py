"""Add every installed plugin and its metadata to a frozen application."""

from __future__ import annotations

from PyInstaller.utils.hooks import collect_entry_point, copy_metadata

_GROUPS = (
    "bentotrace.exporters",
    "bentotrace.extensions",
    "opentelemetry_context",
    "opentelemetry_propagator",
)

datas = copy_metadata("bentotrace")
hiddenimports: list[str] = []
for _group in _GROUPS:
    _datas, _modules = collect_entry_point(_group)
    datas += _datas
    hiddenimports += _modules
