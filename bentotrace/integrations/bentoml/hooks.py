"""The hooks into BentoML; everything that depends on BentoML is here.

BentoML reads its file with ``load_config_file``, checks a service's configuration in
``Service.inject_config``, in the process that starts the workers and in each worker, and creates
the application in ``Service.to_asgi``, with the tracer provider that ``BentoMLContainer`` has. The
servers of services before BentoML 1.2, and of their runners, have that provider, too.
"""

from __future__ import annotations

import functools
import inspect
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from attrs import define, field
from opentelemetry import trace as trace_api

from bentotrace.config.document import Service
from bentotrace.exceptions import BentotraceError
from bentotrace.integrations._connections import ConnectionMiddleware
from bentotrace.integrations._requests import ExcludedURLs
from bentotrace.integrations.bentoml.blocks import without_blocks, without_tracing
from bentotrace.integrations.bentoml.known import known_service
from bentotrace.integrations.bentoml.legacy import Legacy, check_runner, use_session
from bentotrace.integrations.bentoml.middleware import ServiceMiddleware
from bentotrace.integrations.bentoml.provider import ServiceTracerProvider
from bentotrace.integrations.bentoml.refusals import explain_refusal
from bentotrace.integrations.bentoml.requests import RequestHooks, make_client
from bentotrace.integrations.bentoml.starts import Start

if TYPE_CHECKING:
    from bentotrace.config.load import Config, Source
    from bentotrace.pipeline.tracing import Tracing

__all__ = [
    "PRIVATE_ATTRIBUTES",
    "PRIVATE_NAMES",
    "hook",
    "hook_when_imported",
]

PRIVATE_NAMES = (
    "_bentoml_impl.client.http:HTTPClient._make_client",
    "_bentoml_impl.server.app:ServiceAppFactory._run_task",
    "_bentoml_impl.server.app:ServiceAppFactory.api_endpoint",
    "_bentoml_impl.server.app:ServiceAppFactory.batch_infer",
    "_bentoml_impl.server.app:ServiceAppFactory.create_instance",
    "_bentoml_impl.server.app:ServiceAppFactory.get_result",
    "_bentoml_impl.tasks:Sqlite3Store.get",
    "_bentoml_impl.tasks:Sqlite3Store.new_entry",
    "_bentoml_impl.worker.service:main",
    "_bentoml_sdk.io_models:IOMixin.to_http_response",
    "_bentoml_sdk.service.factory:Service.add_asgi_middleware",
    "_bentoml_sdk.service.factory:Service.all_services",
    "_bentoml_sdk.service.factory:Service.inject_config",
    "_bentoml_sdk.service.factory:Service.to_asgi",
    "bentoml._internal.configuration.containers:BentoMLContainer.config",
    "bentoml._internal.configuration.containers:BentoMLContainer.tracer_provider",
    "bentoml._internal.configuration.containers:BentoMLContainer.tracing_excluded_urls",
    "bentoml._internal.configuration.containers:load_config_file",
    "bentoml._internal.configuration.helpers:load_config_file",
    "bentoml._internal.context:trace_context.service_name",
    "bentoml._internal.runner.runner_handle.remote:RemoteRunnerClient._client",
    "bentoml._internal.runner.runner_handle.remote:RemoteRunnerClient.is_ready",
    "bentoml._internal.server.base_app:BaseAppFactory.__call__",
    "bentoml._internal.service.service:Service.__init__",
    "bentoml._internal.marshal.dispatcher:CorkDispatcher.__call__",
    "bentoml._internal.marshal.dispatcher:CorkDispatcher.split_job",
)
"""The internal names of BentoML that this module uses; a test names one that is missing."""

PRIVATE_ATTRIBUTES = (
    "_bentoml_impl.tasks.result:CompletedResultRow.input",
    "_bentoml_impl.tasks.result:ResultRow.name",
    "_bentoml_sdk.method:APIMethod.func",
    "_bentoml_sdk.service.factory:Service.apis",
    "_bentoml_sdk.service.factory:Service.config",
    "_bentoml_sdk.service.factory:Service.middlewares",
    "bentoml._internal.marshal.dispatcher:CorkDispatcher.get_batch_size",
    "bentoml._internal.marshal.dispatcher:Job.data",
)
"""The attributes of its instances that this package reads, which only an instance has."""

_MARK = "__bentotrace__"

OnStart = Callable[["Tracing"], object]


def hook_when_imported(on_start: OnStart) -> None:
    """Trace the services of this process, as soon as BentoML is imported.

    Args:
        on_start: called with the pipeline of each service that is served.
    """
    from wrapt import register_post_import_hook

    def hook_factory(_module: ModuleType) -> None:
        hook(None, {}, on_start)

    register_post_import_hook(_hook_file_reader, "bentoml._internal.configuration.helpers")
    register_post_import_hook(hook_factory, "_bentoml_sdk.service.factory")
    register_post_import_hook(_hook_client, "_bentoml_impl.client.http")


def hook(source: Source, overrides: Mapping[str, Any], on_start: OnStart | None = None) -> None:
    """Install the hooks into BentoML; arguments replace those of an earlier call.

    Raises:
        ImportError: BentoML is not installed.
    """
    from _bentoml_sdk.service.factory import Service as BentoMLService
    from bentoml._internal.configuration import containers

    if isinstance(source, (str, os.PathLike)):
        # BentoML changes to the directory of the service only while it imports the service.
        source = os.path.abspath(source)
    hooks = getattr(BentoMLService.to_asgi, _MARK, None)
    if hooks is None:
        hooks = _Hooks(source, overrides, on_start)
        _hook_file_reader(containers)
        _wrap(BentoMLService, "inject_config", hooks.inject_config, hooks)
        _wrap(BentoMLService, "to_asgi", hooks.to_asgi, hooks)
        _hook_legacy(hooks)
    elif source is not None or overrides:
        hooks.source, hooks.overrides = source, overrides
    if on_start is not None:
        hooks.on_start = on_start
    else:
        from _bentoml_impl.client import http

        _hook_client(http)


def _hook_file_reader(module: ModuleType) -> None:
    """Hide the tracing blocks of the user's file from a module of BentoML."""
    assert module.__file__ is not None
    package = Path(module.__file__).parent

    def load_config_file(read: Callable[[str], Any], path: str) -> Any:
        content = read(path)
        # BentoML's own default files must be complete.
        return content if package in Path(path).parents else without_tracing(content)

    if not hasattr(module.load_config_file, _MARK):
        _wrap(module, "load_config_file", load_config_file, module)


def _wrap(owner: Any, name: str, wrapper: Callable[..., Any], mark: object) -> None:
    """Replace a function by one that calls the wrapper with it, before the arguments."""
    static = inspect.getattr_static(owner, name)
    kind = type(static) if isinstance(static, (classmethod, staticmethod)) else None
    wrapped = static.__func__ if kind is not None else static

    @functools.wraps(wrapped)
    def function(*args: Any, **kwargs: Any) -> Any:
        return wrapper(wrapped, *args, **kwargs)

    @functools.wraps(wrapped)
    async def coroutine_function(*args: Any, **kwargs: Any) -> Any:
        return await wrapper(wrapped, *args, **kwargs)

    # Starlette calls any other function in a thread.
    replacement = coroutine_function if inspect.iscoroutinefunction(wrapped) else function
    setattr(replacement, _MARK, mark)
    setattr(owner, name, replacement if kind is None else kind(replacement))


def _hook_server(hooks: RequestHooks) -> None:
    """Trace what the server does; only when an application is created, which imports it anyway."""
    from _bentoml_impl.server.app import ServiceAppFactory
    from _bentoml_impl.tasks import Sqlite3Store
    from _bentoml_sdk.io_models import IOMixin
    from bentoml._internal.marshal.dispatcher import CorkDispatcher

    if hasattr(ServiceAppFactory.api_endpoint, _MARK):
        return
    _hook_application()
    _wrap(ServiceAppFactory, "api_endpoint", hooks.api_endpoint, hooks)
    _wrap(ServiceAppFactory, "batch_infer", hooks.batch_infer, hooks)
    _wrap(ServiceAppFactory, "create_instance", hooks.create_instance, hooks)
    _wrap(ServiceAppFactory, "get_result", hooks.respond, hooks)
    _wrap(ServiceAppFactory, "_run_task", hooks.run_task, hooks)
    _wrap(Sqlite3Store, "get", hooks.get, hooks)
    _wrap(Sqlite3Store, "new_entry", hooks.new_entry, hooks)
    _wrap(IOMixin, "to_http_response", hooks.to_http_response, hooks)
    _wrap(CorkDispatcher, "__call__", hooks.dispatch, hooks)
    _wrap(CorkDispatcher, "split_job", hooks.split_job, hooks)


def _hook_application() -> None:
    """Add the outermost middleware to each application, also of services before BentoML 1.2."""
    from bentoml._internal.server.base_app import BaseAppFactory

    def make_application(make: Callable[[Any], Any], factory: Any) -> Any:
        app = make(factory)
        app.add_middleware(ConnectionMiddleware)
        return app

    if not hasattr(BaseAppFactory.__call__, _MARK):
        _wrap(BaseAppFactory, "__call__", make_application, BaseAppFactory)


def _hook_client(module: Any) -> None:
    """Let clients propagate the context with every request."""
    if not hasattr(module.HTTPClient._make_client, _MARK):
        _wrap(module.HTTPClient, "_make_client", make_client, module)


def _hook_legacy(hooks: _Hooks) -> None:
    """Trace services of BentoML before 1.2, which get their provider from the container."""
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.runner.runner_handle.remote import RemoteRunnerClient
    from bentoml._internal.service.service import Service as LegacyService

    _wrap(LegacyService, "__init__", hooks.init_legacy, hooks)
    _wrap(RemoteRunnerClient, "is_ready", check_runner, hooks)
    get_session = RemoteRunnerClient._client.fget
    RemoteRunnerClient._client = property(functools.partial(use_session, get_session))
    for name in ("tracer_provider", "tracing_excluded_urls"):
        provider = getattr(BentoMLContainer, name)
        provider.get = functools.partial(getattr(hooks.legacy, name), provider.get)


@define
class _Hooks:
    source: Source
    overrides: Mapping[str, Any]
    on_start: OnStart | None
    requests: RequestHooks = field(factory=RequestHooks, init=False)
    legacy: Legacy = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.legacy = Legacy(self.start)

    def init_legacy(self, init: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        """Check the configuration of a service before BentoML 1.2, before workers start."""
        from bentoml import server_context

        service = args[0]
        init(*args, **kwargs)
        _hook_application()
        if server_context.worker_index is None:
            _log_as_bentoml_does()
            self._check(known_service(service.name))
            _fix_paths()

    def start(self, known: Service) -> tuple[Tracing, ServiceTracerProvider]:
        """Build the pipeline of a service; BentoML logs the name that its spans have."""
        from bentoml._internal.context import trace_context

        from bentotrace.pipeline.build import start

        _log_as_bentoml_does()
        tracing = start(self.source, _run, service=known, overrides=self.overrides)
        if self.on_start is not None:
            self.on_start(tracing)
        provider = ServiceTracerProvider(tracing.provider)
        trace_context.service_name = str(provider.resource.attributes["service.name"])
        return tracing, provider

    def inject_config(self, inject: Callable[[Any], None], service: Any) -> None:
        """Hide the tracing blocks from BentoML, and check them before workers start."""
        from bentoml import server_context
        from bentoml.exceptions import BentoMLConfigException

        services = service.all_services().values()
        with without_blocks([each.config for each in services]):
            try:
                inject(service)
            except BentoMLConfigException as error:
                _log_as_bentoml_does()
                explain_refusal(error)
                raise
        if server_context.worker_index is None:
            _log_as_bentoml_does()
            for each in services:
                self._check(known_service(each.name, each.config.get("tracing")))
            _warn_of_unused(service)
            _fix_paths()

    def to_asgi(self, make: Callable[..., Any], service: Any, *args: Any, **kwargs: Any) -> Any:
        """Build the pipeline of a service, and its application with it."""
        from bentoml._internal.configuration.containers import BentoMLContainer

        from bentotrace.integrations.bentoml.recorded import replace_middleware

        _hook_server(self.requests)
        known = known_service(service.name, service.config.get("tracing"))
        tracing, provider = self.start(known)
        BentoMLContainer.tracer_provider.set(provider)
        excluded_urls = ExcludedURLs(tracing.config.options.excluded_urls)
        BentoMLContainer.tracing_excluded_urls.set(excluded_urls)
        # Before the service's own middlewares, which may start spans.
        own, service.middlewares = service.middlewares, []
        service.add_asgi_middleware(
            ServiceMiddleware,
            tracing=tracing,
            excluded_urls=excluded_urls,
            start=_start(tracing, service),
            # Newer versions run the command of a service, and forward its requests to that.
            is_proxy=hasattr(service, "has_custom_command") and service.has_custom_command(),
        )
        service.middlewares += own
        try:
            app = make(service, *args, **kwargs)
        finally:
            service.middlewares = own
        replace_middleware(app, tracing, provider)
        return app

    def _check(self, known: Service) -> None:
        from bentoml.exceptions import BentoMLConfigException

        from bentotrace.config.load import find_on_error, load_config
        from bentotrace.pipeline.build import check_exporters

        try:
            check_exporters(load_config(self.source, overrides=self.overrides, service=known))
        except BentotraceError as error:
            on_error = find_on_error(self.source, overrides=self.overrides, service=known)
            # Otherwise the workers log it, and serve.
            if on_error == "raise":
                message = f"tracing of service {known.name} cannot be set up:\n{error}"
                raise BentoMLConfigException(message) from error


def _start(tracing: Tracing, service: Any) -> Start | None:
    """Begin the trace of the start of this worker, unless it is turned off."""
    from bentoml import server_context

    options = tracing.config.options
    if options.disabled or not options.bentoml_spans:
        return None
    began = None
    # Any other process may have done something else before.
    if server_context.worker_index is not None:
        import psutil

        began = psutil.Process().create_time()
    return Start(tracing, service.name, began)


def _warn_of_unused(service: Any) -> None:
    """Warn of options in BentoML's own variables, which bentotrace does not read."""
    from bentoml._internal.configuration.containers import BentoMLContainer

    block = BentoMLContainer.config.services[service.name].tracing.get()
    names = [name for name in ("exporter_type", "sample_rate") if block.get(name) is not None]
    if names:
        logging.getLogger("bentotrace").warning(
            "%s in BENTOML_CONFIG_OVERRIDES or BENTOML_CONFIG_OPTIONS is not used for tracing; "
            "write it in a file, or set the OTEL_* variable",
            " and ".join(names),
        )


def _fix_paths() -> None:
    """Make paths absolute, because workers run in the directory of the service."""
    for name in ("BENTOTRACE_CONFIG", "BENTOML_CONFIG"):
        path = os.environ.get(name, "").strip()
        # BentoML expands ~ and variables in its own; these do not depend on the directory.
        if path and path[0] not in "~$":
            os.environ[name] = os.path.abspath(path)


def _run(config: Config) -> Tracing:
    """Build a pipeline, and install it if the process has none."""
    from bentotrace.pipeline.build import build_tracing, install
    from bentotrace.pipeline.environment import find_provider

    if isinstance(find_provider(), trace_api.ProxyTracerProvider):
        return install(config, "error")
    return build_tracing(config)


def _log_as_bentoml_does() -> None:
    """Log with the level of BentoML's own loggers, which its user chooses."""
    logger = logging.getLogger("bentotrace")
    # BentoML disables every existing logger when it configures its own.
    logger.disabled = False
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.getLogger("bentoml").level)
