"""From a YAML block and the ``OTEL_*`` environment to a running OpenTelemetry trace pipeline.

::

    import bentotrace

    tracing = bentotrace.configure("tracing.yaml")   # installs the global tracer provider
    ...
    tracing.shutdown()
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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
    from bentotrace.pipeline.build import IfExists
    from bentotrace.pipeline.guard import OnExportError
    from bentotrace.pipeline.status import Status
    from bentotrace.pipeline.tracing import Tracing

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

__version__ = "0.1.0"


def configure(
    source: str | os.PathLike[str] | Mapping[str, object] | None = None,
    *,
    if_exists: IfExists = "error",
    service: str | None = None,
    on_export_error: OnExportError | None = None,
    **overrides: Any,
) -> Tracing:
    """Build the pipeline and install its provider as the process's global.

    Args:
        source: path of a YAML file, or a mapping; None takes the file that the variable
            ``BENTOTRACE_CONFIG`` names, else the one of ``BENTOML_CONFIG``, else the ``OTEL_*``
            variables alone.
        if_exists: what to do when the process has a global provider: "error" raises, "attach"
            adds the exporters to it, "keep" leaves it alone and uses nothing of the configuration.
        service: the service of a BentoML file whose block is wanted; None takes the one that
            ``OTEL_SERVICE_NAME`` names, else the only one that has a block of its own.
        on_export_error: called with an :class:`~bentotrace.pipeline.status.ErrorStatus` for each
            export that failed, in the thread that exports; what it raises is logged.
        overrides: options that win over the variables and the file, as ``sample_rate=1.0``;
            sections are mappings, as ``otlp={"protocol": "http"}``.

    Returns:
        The running pipeline; it is shut down when the process exits.

    Raises:
        ConfigError: the configuration has problems; all of them are told, with their places.
        PluginError: the selected exporter cannot be used.
        ProviderExistsError: see ``if_exists``.

    With ``on_error="warn"`` or ``"disable"``, also in the file or as ``BENTOTRACE_ON_ERROR``, these
    are logged instead, and the service runs without tracing.
    """
    from bentotrace.pipeline.build import install
    from bentotrace.pipeline.start import start

    return start(
        source,
        lambda config: install(config, if_exists, on_export_error),
        service=service,
        overrides=overrides,
    )


def build(
    source: str | os.PathLike[str] | Mapping[str, object] | None = None,
    *,
    service: str | None = None,
    on_export_error: OnExportError | None = None,
    **overrides: Any,
) -> Tracing:
    """Build the pipeline without touching any global.

    Takes and raises what :func:`configure` does, but for ``if_exists``.
    """
    from bentotrace.pipeline.build import build_tracing
    from bentotrace.pipeline.start import start

    return start(
        source,
        lambda config: build_tracing(config, on_export_error),
        service=service,
        overrides=overrides,
    )


def load_config(
    source: str | os.PathLike[str] | Mapping[str, object] | None = None,
    *,
    service: str | None = None,
    **overrides: Any,
) -> Config:
    """Read and check the configuration without building anything.

    Takes and raises what :func:`configure` does, but for ``if_exists``.
    """
    from bentotrace.config.load import load_config as load

    return load(source, overrides=overrides, service=service)


def status() -> Status:
    """Count the spans of every pipeline of this process, in the order in which they were built."""
    from bentotrace.pipeline import lifetime
    from bentotrace.pipeline.status import Status

    return Status(
        tuple(
            destination
            for pipeline in lifetime.pipelines()
            for destination in pipeline.status().destinations
        )
    )


def __getattr__(name: str) -> Any:
    """Import the classes of a running pipeline when somebody asks for them."""
    if name == "Config":
        from bentotrace.config.load import Config

        return Config
    if name == "Tracing":
        from bentotrace.pipeline.tracing import Tracing

        return Tracing
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
