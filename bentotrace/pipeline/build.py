"""Build a pipeline from a typed configuration: provider, processors and propagators."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from traceback import extract_tb
from typing import Any, Literal, cast, get_args

from attrs import evolve
from opentelemetry import trace as trace_api
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.resources import Resource

from bentotrace.config.document import Service
from bentotrace.config.load import Config, ExporterConfig, Source, find_on_error, load_config
from bentotrace.config.options import SpoolOptions, TracingOptions
from bentotrace.delivery import process
from bentotrace.delivery.buffer import Buffer
from bentotrace.delivery.exporter import make_guarded
from bentotrace.delivery.guard import Guard
from bentotrace.delivery.health import OnExportError
from bentotrace.delivery.process import flush_on_signals
from bentotrace.delivery.processor import BatchProcessor
from bentotrace.discovery import registry
from bentotrace.discovery.components import PROPAGATORS
from bentotrace.exceptions import (
    BentotraceError,
    ConfigError,
    ProviderExistsError,
    SpoolError,
)
from bentotrace.pipeline.environment import correct_variables, find_provider
from bentotrace.pipeline.installed import make_id_generator, make_installed_sampler
from bentotrace.pipeline.provider import (
    DisabledProvider,
    ProcessProvider,
    limit_repeats,
    make_limits,
    make_resource,
)
from bentotrace.pipeline.sampler import RequestSampler, make_sampler
from bentotrace.pipeline.startup_log import (
    log_attached,
    log_attached_to_disabled,
    log_kept,
    log_start,
    log_twice,
)
from bentotrace.pipeline.tracing import Tracing
from bentotrace.problems import Position, Problem

__all__ = [
    "IfExists",
    "build_disabled",
    "build_tracing",
    "check_exporters",
    "check_if_exists",
    "install",
    "start",
]

IfExists = Literal["keep", "attach", "replace", "error"]
"""What :func:`install` does when the process already has a global tracer provider."""

_logger = logging.getLogger("bentotrace")


def build_tracing(config: Config, on_export_error: OnExportError | None = None) -> Tracing:
    """Build the pipeline of a configuration without changing any global.

    ``on_export_error`` is called with each failed export, in the exporting thread.

    Raises:
        PluginError: an exporter cannot be created.
    """
    tracing, resource = _build(config, on_export_error)
    log_start(config, resource)
    return tracing


def build_disabled() -> Tracing:
    """Build a pipeline that traces nothing, and log nothing."""
    return _build(Config(TracingOptions(disabled=True), (), "", ()))[0]


def check_exporters(config: Config) -> None:
    """Create the exporters and propagators of a configuration and close them; opens no socket.

    Raises:
        ConfigError: with every problem that only this finds, such as a missing package.
    """
    problems: list[Problem] = []
    options = config.options
    resource = make_resource(options)
    make_limits(options)
    for exporter in config.exporters:
        with _collecting(config, ("exporter_type",), problems):
            _make_guard(config, exporter, resource).shutdown()
    with _collecting(config, ("propagators",), problems):
        _make_propagators(options.propagators)
    with _collecting(config, ("sampler",), problems):
        _make_sampler(options)
    with _collecting(config, ("id_generator",), problems):
        make_id_generator(options)
    if options.spool.path is not None and config.exporters:
        with _collecting(config, ("spool", "path"), problems):
            _check_spool(options.spool.path)
    if problems:
        raise ConfigError(sorted(problems, key=lambda problem: problem.position))


@contextmanager
def _collecting(config: Config, option: tuple[str, ...], problems: list[Problem]) -> Iterator[None]:
    """Turn an error in the block into a problem at the option's position."""
    try:
        yield
    except BentotraceError as error:
        (setting,) = [setting for setting in config.settings if setting.path == option]
        value = setting.effective
        position = value.position if value is not None else Position(config.source)
        problems.append(Problem(position, "", str(error)))


def _check_spool(directory: str) -> None:
    """Check that a directory, which need not exist yet, can hold a spool."""
    import tempfile

    nearest = path = os.path.abspath(directory)
    _require_sqlite(path)
    while not os.path.lexists(nearest):
        nearest = os.path.dirname(nearest)
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise SpoolError(path, f"{nearest}: {error.strerror}") from error


def _require_sqlite(path: str) -> None:
    try:
        import sqlite3  # noqa: F401
    except ImportError as error:
        raise SpoolError(path, "this Python was built without sqlite3") from error


def install(
    config: Config, if_exists: IfExists, on_export_error: OnExportError | None = None
) -> Tracing:
    """Build the pipeline as :func:`build_tracing` does, and make its provider the global one.

    Raises:
        ProviderExistsError: there is a global provider, and ``if_exists`` is "error" or the
            provider accepts no span processors.
        PluginError: an exporter cannot be created.
    """
    tracing = _install(config, if_exists, on_export_error)
    if config.exporters:
        flush_on_signals(config.options.flush_on_signals)
    return tracing


def check_if_exists(value: str) -> None:
    """Raise ValueError for a value that :func:`install` does not take."""
    if value not in get_args(IfExists):
        valid = '"error", "attach", "replace" or "keep"'
        raise ValueError(f"if_exists must be {valid}, not {value!r}")


def _install(config: Config, if_exists: IfExists, on_export_error: OnExportError | None) -> Tracing:
    existing = find_provider()
    if if_exists == "replace" and isinstance(existing, ProcessProvider):
        return _replace(config, existing, on_export_error)
    if not isinstance(existing, trace_api.ProxyTracerProvider):
        return _join(config, existing, if_exists, on_export_error)
    propagators = _make_propagators(config.options.propagators)
    tracing, resource = _build(config, on_export_error)
    trace_api.set_tracer_provider(tracing.provider)
    existing = trace_api.get_tracer_provider()
    if existing is not tracing.provider:
        # Another thread was faster, which OpenTelemetry only logs.
        tracing.shutdown()
        return _join(config, existing, if_exists, on_export_error)
    if propagators is not None:
        _install_propagators(propagators)
    log_start(config, resource)
    return tracing


def _build(
    config: Config, on_export_error: OnExportError | None = None
) -> tuple[Tracing, Resource]:
    options = config.options
    resource = make_resource(options)
    limits = make_limits(options)
    sampler = _make_sampler(options)
    make_provider = DisabledProvider if options.disabled else ProcessProvider
    provider = make_provider(
        options.resource.attributes,
        sampler=sampler,
        id_generator=make_id_generator(options),
        resource=resource,
        # Tracing does this within its timeout; without processors, nothing keeps Tracing alive.
        shutdown_on_exit=not config.exporters,
        span_limits=limits,
        spans=options.spans,
        asgi_message_spans=options.asgi_message_spans,
    )
    processors = _make_processors(config, resource, on_export_error)
    for processor in processors:
        provider.add_span_processor(processor)
    tracing = Tracing(
        provider,
        processors,
        config,
        owned=provider,
        sampler=sampler,
        release=limit_repeats(limits),
    )
    return tracing, resource


def _join(
    config: Config,
    existing: trace_api.TracerProvider,
    if_exists: IfExists,
    on_export_error: OnExportError | None,
) -> Tracing:
    """Attach to an existing provider, keep it, or raise, depending on ``if_exists``."""
    if if_exists == "keep":
        log_kept(config)
        return Tracing(existing, (), config)
    # The SDK's provider has this method, and so do providers that wrap it.
    add = getattr(existing, "add_span_processor", None)
    if if_exists in {"error", "replace"} or add is None:
        raise ProviderExistsError(existing)
    correct_variables()
    resource = getattr(existing, "resource", None) or Resource.get_empty()
    # The existing provider has its own limits.
    uncut = evolve(config, options=evolve(config.options, max_tag_value_length=None))
    processors = _make_processors(uncut, resource, on_export_error)
    served = {
        (destination.exporter, destination.endpoint)
        for pipeline in _pipelines_of(existing, process.running())
        for destination in pipeline.status().destinations
    }
    for processor in processors:
        add(processor)
    log_attached(config, getattr(existing, "sampler", None), resource)
    if isinstance(existing, ProcessProvider) and isinstance(existing.current(), DisabledProvider):
        log_attached_to_disabled()
    tracing = Tracing(existing, processors, config)
    for destination in tracing.status().destinations:
        if (destination.exporter, destination.endpoint) in served:
            log_twice(destination)
    return tracing


def _replace(
    config: Config, existing: ProcessProvider, on_export_error: OnExportError | None
) -> Tracing:
    """Build a pipeline for the tracers of the existing provider, and shut down its former ones."""
    propagators = _make_propagators(config.options.propagators)
    tracing, resource = _build(config, on_export_error)
    # Those that have ended too: their methods may still be called.
    former = _pipelines_of(existing, process.pipelines())
    # First, because a former receiver that hangs delays the shutdown, and spans end meanwhile.
    providers = [pipeline.provider for pipeline in former]
    existing.replace(cast(ProcessProvider, tracing.provider), providers)
    for pipeline in former:
        pipeline.replace_by(tracing)
    for pipeline in former:
        pipeline.shutdown()
    if propagators is not None:
        _install_propagators(propagators)
    log_start(config, resource)
    return tracing


def _pipelines_of(provider: trace_api.TracerProvider, pipelines: Iterable[object]) -> list[Tracing]:
    """Return those of the pipelines that export the spans of a provider."""

    def current(each: trace_api.TracerProvider) -> trace_api.TracerProvider:
        return each.current() if isinstance(each, ProcessProvider) else each

    own = current(provider)
    found = [pipeline for pipeline in pipelines if isinstance(pipeline, Tracing)]
    return [pipeline for pipeline in found if current(pipeline.provider) is own]


def _make_processors(
    config: Config, resource: Resource, on_export_error: OnExportError | None
) -> list[BatchProcessor]:
    processors: list[BatchProcessor] = []
    try:
        for exporter in config.exporters:
            logger = _logger.getChild(exporter.plugin.name)
            make_buffer = _prepare_spool(config.options.spool, exporter, logger)
            guard = _make_guard(config, exporter, resource, on_export_error)
            buffer = make_buffer(guard) if make_buffer is not None else None
            options = config.options.processor
            processors.append(BatchProcessor(guard, options, logger, buffer=buffer))
    except BaseException:
        for processor in processors:
            processor.shutdown()
        raise
    return processors


def _make_guard(
    config: Config,
    exporter: ExporterConfig,
    resource: Resource,
    on_export_error: OnExportError | None = None,
) -> Guard:
    return make_guarded(
        exporter,
        config.options,
        resource,
        logger=_logger.getChild(exporter.plugin.name),
        on_export_error=on_export_error,
        redaction=config.redaction,
    )


def _prepare_spool(
    options: SpoolOptions, exporter: ExporterConfig, logger: logging.Logger
) -> Callable[[Guard], Buffer] | None:
    """Check a destination's spool, and return its constructor; None without a spool."""
    if options.path is None:
        return None
    _require_sqlite(options.path)
    # SQLite is imported only when it is used.
    from bentotrace.spool.opening import open_store
    from bentotrace.spool.spool import Spool

    make_store = open_store(options.path, options.max_bytes, exporter, logger)
    return lambda guard: Spool(guard, make_store, logger)


def _make_sampler(options: TracingOptions) -> RequestSampler:
    return make_installed_sampler(options) or make_sampler(options)


def _make_propagators(names: Sequence[str]) -> CompositePropagator | None:
    """Create the named propagators; None keeps OpenTelemetry's own."""
    if not names:
        return None
    used = [name for name in names if name != registry.NONE]
    return CompositePropagator([PROPAGATORS.create(name, TextMapPropagator) for name in used])


def _install_propagators(propagators: CompositePropagator) -> None:
    # This module reads a variable when it is imported; correct_variables() has imported it then.
    from opentelemetry.propagate import set_global_textmap

    set_global_textmap(propagators)


def start(
    source: Source,
    run: Callable[[Config], Tracing],
    *,
    service: str | Service | None,
    overrides: Mapping[str, Any],
    plugins: Iterable[object] = (),
) -> Tracing:
    """Load a configuration and ``run`` it; handle errors as its ``on_error`` requires.

    The other arguments are those of :func:`~bentotrace.config.load.load_config`.

    Returns:
        The pipeline; after an error that is logged, one that traces nothing and is not global.

    Raises:
        BentotraceError: loading or building failed, with ``on_error: raise``.
    """
    try:
        try:
            return run(load_config(source, overrides=overrides, service=service, plugins=plugins))
        except BentotraceError:
            raise
        except Exception as error:
            # A library may raise for an unexpected value; its message may quote a secret.
            frame = extract_tb(error.__traceback__)[-1]
            raise BentotraceError(
                f"tracing cannot start: {type(error).__name__} in {frame.name}(), "
                f"{frame.filename}:{frame.lineno}"
            ) from error
    except BentotraceError as error:
        on_error = find_on_error(source, overrides=overrides, service=service)
        if on_error == "raise":
            raise
        level = logging.WARNING if on_error == "warn" else logging.INFO
        _logger.log(level, "nothing is traced (on_error: %s):\n%s", on_error, error)
        return build_disabled()
