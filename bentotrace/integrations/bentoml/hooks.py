"""Where bentotrace takes part in what BentoML does.

All that depends on BentoML's inside is here. BentoML reads its file with ``load_config_file``; it
checks a service's configuration in ``Service.inject_config``, in the process that starts the
workers and in each of them; and it makes an application of it in ``Service.to_asgi``, which takes
the tracer provider from ``BentoMLContainer``, where one can be set.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from bentotrace.config.document import Document
from bentotrace.config.lay import Service
from bentotrace.exceptions import BentotraceError
from bentotrace.integrations.bentoml.blocks import set_aside, without_tracing

if TYPE_CHECKING:
    from bentotrace.config.load import Config, Source
    from bentotrace.pipeline.tracing import Tracing

__all__ = ["hook", "hook_file_reader"]

_MARK = "__bentotrace__"


def hook(source: Source, overrides: Mapping[str, Any]) -> None:
    """Take part in what BentoML does with services, from now on.

    Raises:
        ImportError: BentoML is not there.
    """
    from _bentoml_sdk.service.factory import Service as BentoMLService
    from bentoml._internal.configuration import containers

    if isinstance(source, (str, os.PathLike)):
        # BentoML works in the directory of the service while it imports that, and then no more.
        source = os.path.abspath(source)
    hooks = getattr(BentoMLService.to_asgi, _MARK, None)
    if hooks is None:
        hooks = _Hooks(source, overrides)
        hook_file_reader(containers)
        _wrap(BentoMLService, "inject_config", hooks.inject_config, hooks)
        _wrap(BentoMLService, "to_asgi", hooks.to_asgi, hooks)
    elif source is not None or overrides:
        hooks.source, hooks.overrides = source, overrides


def hook_file_reader(module: ModuleType) -> None:
    """Hide the tracing blocks of a user's file from what a module of BentoML reads of it."""
    assert module.__file__ is not None
    package = Path(module.__file__).parent

    def load_config_file(read: Callable[[str], Any], path: str) -> Any:
        content = read(path)
        # BentoML's own defaults must be complete.
        return content if package in Path(path).parents else without_tracing(content)

    if not hasattr(module.load_config_file, _MARK):
        _wrap(module, "load_config_file", load_config_file, module)


def _wrap(owner: Any, name: str, wrapper: Callable[..., Any], mark: object) -> None:
    """Replace a function by one that gives it to the wrapper, before the arguments."""
    wrapped = getattr(owner, name)

    @functools.wraps(wrapped)
    def function(*args: Any, **kwargs: Any) -> Any:
        return wrapper(wrapped, *args, **kwargs)

    setattr(function, _MARK, mark)
    setattr(owner, name, function)


class _Hooks(NamedTuple):
    source: Source
    overrides: Mapping[str, Any]

    def inject_config(self, inject: Callable[[Any], None], service: Any) -> None:
        """Keep the tracing blocks from BentoML, and check them before there are workers."""
        from bentoml._internal.context import server_context

        services = service.all_services().values()
        with set_aside([each.config for each in services]):
            inject(service)
        if server_context.worker_index is None:
            for each in services:
                self._check(each)
            _tell_unused(service)
            _fix_paths()

    def to_asgi(self, make: Callable[..., Any], service: Any, *args: Any, **kwargs: Any) -> Any:
        """Trace what the application of a service does in this process."""
        from bentoml._internal.configuration.containers import BentoMLContainer
        from bentoml._internal.context import trace_context

        from bentotrace.integrations.bentoml.exclusion import ExcludedURLs, watch_exclusion
        from bentotrace.integrations.bentoml.lifespan import with_tracing
        from bentotrace.integrations.bentoml.provider import ServiceTracerProvider
        from bentotrace.pipeline.start import start

        _log_as_bentoml_does()
        known = _known(service)
        tracing = start(self.source, _run, service=known, overrides=self.overrides)
        provider = ServiceTracerProvider(tracing.provider)
        trace_context.service_name = str(provider.resource.attributes["service.name"])
        BentoMLContainer.tracer_provider.set(provider)
        excluded_urls = ExcludedURLs(tracing.config.options.excluded_urls)
        BentoMLContainer.tracing_excluded_urls.set(excluded_urls)
        app = make(service, *args, **kwargs)
        if tracing.config.options.excluded_urls:
            watch_exclusion(app, excluded_urls)
        app.router.lifespan_context = with_tracing(app.router.lifespan_context, tracing)
        return app

    def _check(self, service: Any) -> None:
        from bentoml.exceptions import BentoMLConfigException

        from bentotrace.config.load import find_on_error, load_config
        from bentotrace.pipeline.build import check_exporters

        known = _known(service)
        try:
            check_exporters(load_config(self.source, overrides=self.overrides, service=known))
        except BentotraceError as error:
            on_error = find_on_error(self.source, overrides=self.overrides, service=known)
            # Otherwise the workers say it, and serve.
            if on_error == "raise":
                message = f"tracing of service {known.name} cannot be set up:\n{error}"
                raise BentoMLConfigException(message) from error


def _tell_unused(service: Any) -> None:
    """Tell what BentoML has found all the same: its variables for options are not read here."""
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
    """Have the workers find the same files: they work in the directory of the service."""
    for name in ("BENTOTRACE_CONFIG", "BENTOML_CONFIG"):
        path = os.environ.get(name, "").strip()
        # BentoML replaces ~ and variables in its own; they lead to the same place everywhere.
        if path and path[0] not in "~$":
            os.environ[name] = os.path.abspath(path)


def _known(service: Any) -> Service:
    """Give what the decorator says of a service's tracing, and what BentoML knows of the service.

    Raises:
        BentoMLConfigException: the decorator's ``tracing`` is no mapping.
    """
    from bentoml._internal.context import server_context
    from bentoml.exceptions import BentoMLConfigException

    name = f"@bentoml.service of {service.name}"
    block = service.config.get("tracing") or {}
    if not isinstance(block, Mapping):
        raise BentoMLConfigException(
            f"{name}: tracing: must be a mapping of options, as {{'exporter_type': 'otlp'}}"
        )
    attributes = {
        "service.name": service.name,
        "service.instance.id": server_context.worker_index,
        "service.namespace": server_context.bento_name,
        "service.version": server_context.bento_version,
    }
    given = {key: value for key, value in attributes.items() if value}
    resource = Document("BentoML", {"resource": {"attributes": given}})
    return Service(service.name, (Document(name, block), resource))


def _run(config: Config) -> Tracing:
    """Build a pipeline, and make it the process's too where there is none."""
    from opentelemetry import trace as trace_api

    from bentotrace.pipeline.build import build_tracing, install

    if isinstance(trace_api.get_tracer_provider(), trace_api.ProxyTracerProvider):
        return install(config, "error")
    return build_tracing(config)


def _log_as_bentoml_does() -> None:
    """Have the lines at the start shown as BentoML's own are, whose level is its user's choice."""
    logger = logging.getLogger("bentotrace")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.getLogger("bentoml").level)
