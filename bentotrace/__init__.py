"""From a YAML block and the ``OTEL_*`` environment to a running OpenTelemetry trace pipeline.

::

    import bentotrace

    tracing = bentotrace.configure("tracing.yaml")   # installs the global tracer provider
    ...
    tracing.shutdown()
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from bentotrace import _opentelemetry
from bentotrace._version import __version__ as __version__
from bentotrace.exceptions import (
    BentotraceError,
    BrokenPluginError,
    ConfigError,
    DuplicateExporterError,
    InvalidPluginError,
    OptionError,
    PluginError,
    ProviderExistsError,
    SampleRateError,
    UnknownExporterError,
)

if TYPE_CHECKING:
    import os

    from bentotrace.config.load import Config
    from bentotrace.delivery.health import OnExportError
    from bentotrace.delivery.status import Status
    from bentotrace.pipeline.build import IfExists
    from bentotrace.pipeline.tracing import Tracing

_opentelemetry.import_modules()

__all__ = [
    "BentotraceError",
    "BrokenPluginError",
    "Config",
    "ConfigError",
    "DuplicateExporterError",
    "InvalidPluginError",
    "OptionError",
    "PluginError",
    "ProviderExistsError",
    "SampleRateError",
    "Tracing",
    "UnknownExporterError",
    "build",
    "configure",
    "load_config",
    "status",
]


def configure(
    source: str | os.PathLike[str] | Mapping[str, object] | None = None,
    *,
    if_exists: IfExists = "error",
    service: str | None = None,
    on_export_error: OnExportError | None = None,
    plugins: Iterable[object] = (),
    **overrides: Any,
) -> Tracing:
    """Build the pipeline and install its provider as the process's global.

    Args:
        source: path of a YAML file, or a mapping; None reads the file in ``BENTOTRACE_CONFIG``,
            else in ``BENTOML_CONFIG``, else the ``OTEL_*`` variables only.
        if_exists: when the process has a global provider, "error" raises, "attach" adds the
            exporters to it, "keep" ignores the configuration, "replace" shuts down the pipeline
            of an earlier call, as in a notebook; span processors that the application added to
            its provider, and spans that have not ended, go on in the new one.
        service: the service of a BentoML file; None means the one in ``OTEL_SERVICE_NAME``, else
            the only one with a tracing block.
        on_export_error: called with an :class:`~bentotrace.delivery.status.ErrorStatus` for each
            failed export, in the exporting thread; exceptions are logged.
        plugins: modules of exporters and extensions that need no entry point, as in a frozen
            application; they override installed ones of the same name.
        overrides: options that override variables and file, as ``sample_rate=1.0``; sections are
            mappings, as ``otlp={"protocol": "http"}``.

    Returns:
        The running pipeline; it is shut down when the process exits.

    Raises:
        ConfigError: with all problems of the configuration and their positions.
        PluginError: the selected exporter cannot be used.
        ProviderExistsError: see ``if_exists``.

    With ``on_error="warn"`` or ``"disable"``, also in the file or as ``BENTOTRACE_ON_ERROR``, these
    are logged instead, and the service runs without tracing.
    """
    from bentotrace.pipeline.build import check_if_exists, install, start

    check_if_exists(if_exists)
    return start(
        source,
        lambda config: install(config, if_exists, on_export_error),
        service=service,
        overrides=overrides,
        plugins=plugins,
    )


def build(
    source: str | os.PathLike[str] | Mapping[str, object] | None = None,
    *,
    service: str | None = None,
    on_export_error: OnExportError | None = None,
    plugins: Iterable[object] = (),
    **overrides: Any,
) -> Tracing:
    """Build the pipeline without changing any global.

    Arguments and exceptions are those of :func:`configure`, without ``if_exists``.
    """
    from bentotrace.pipeline.build import build_tracing, start

    return start(
        source,
        lambda config: build_tracing(config, on_export_error),
        service=service,
        overrides=overrides,
        plugins=plugins,
    )


def load_config(
    source: str | os.PathLike[str] | Mapping[str, object] | None = None,
    *,
    service: str | None = None,
    plugins: Iterable[object] = (),
    **overrides: Any,
) -> Config:
    """Read and check the configuration without building anything.

    Arguments and exceptions are those of :func:`configure`, without ``if_exists``.
    """
    from bentotrace.config.load import load_config as load

    return load(source, overrides=overrides, service=service, plugins=plugins)


def status() -> Status:
    """Return the counts of every pipeline of this process, in the order they were built.

    One that was shut down is among them as long as the program refers to it.
    """
    from bentotrace.delivery import process
    from bentotrace.delivery.status import Status

    found = [pipeline.status().destinations for pipeline in process.pipelines()]
    return Status(tuple(destination for each in found for destination in each))


def __getattr__(name: str) -> Any:
    """Import the classes of a running pipeline on first use."""
    if name == "Config":
        from bentotrace.config.load import Config

        return Config
    if name == "Tracing":
        from bentotrace.pipeline.tracing import Tracing

        return Tracing
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
