"""Samplers and id generators of other projects, whose exceptions must not reach the application."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span

from bentotrace.config.options import TracingOptions
from bentotrace.discovery.calls import describe
from bentotrace.discovery.components import ID_GENERATORS, SAMPLERS
from bentotrace.interruptions import raised_by_signal
from bentotrace.pipeline.sampler import RequestSampler

__all__ = ["InstalledIds", "InstalledSampler", "make_id_generator", "make_installed_sampler"]

_logger = logging.getLogger("bentotrace")


def make_installed_sampler(options: TracingOptions) -> InstalledSampler | None:
    """Create the installed sampler that a configuration names; None for a built-in one.

    Raises:
        PluginError: it cannot be created.
    """
    if options.disabled or not options.is_installed:
        return None
    argument = os.environ.get("OTEL_TRACES_SAMPLER_ARG")
    created = SAMPLERS.create(options.sampler, Sampler, argument)
    return InstalledSampler(options.sampler, created, options.excluded_urls)


def make_id_generator(options: TracingOptions) -> IdGenerator | None:
    """Create the id generator that a configuration names; None for the SDK's.

    Raises:
        PluginError: it cannot be created.
    """
    name = options.id_generator
    if name is None or options.disabled:
        return None
    return InstalledIds(name, ID_GENERATORS.create(name, IdGenerator))


class _Failures:
    """Logs the first failure of a component."""

    def __init__(self, what: str, effect: str) -> None:
        self._what, self._effect, self._logged = what, effect, False

    def log(self, reason: str) -> None:
        if not self._logged:
            self._logged = True
            _logger.warning("%s %s; %s", self._what, reason, self._effect)


class InstalledSampler(RequestSampler):
    """Drops excluded requests, and leaves all other decisions to an installed sampler."""

    def __init__(self, name: str, sampler: Sampler, excluded_urls: Sequence[str]) -> None:
        super().__init__(1.0, parent_based=False, excluded_urls=excluded_urls)
        self._sampler = sampler
        self._failures = _Failures(f"sampler {name!r}", "its spans are not recorded")

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Return the decision of the installed sampler, unless the request is excluded."""
        if self._excluded is not None:
            own = super().should_sample(parent_context, trace_id, name, kind, attributes)
            if own.decision is Decision.DROP:
                return own
        try:
            result = self._sampler.should_sample(
                parent_context, trace_id, name, kind, attributes, links, trace_state
            )
            if isinstance(result, SamplingResult):
                return result
            self._failures.log(f"returned {type(result).__name__}, not a SamplingResult")
        except Exception as error:
            if raised_by_signal(error):
                raise
            self._failures.log(f"raised {describe(error)}")
        state = get_current_span(parent_context).get_span_context().trace_state
        return SamplingResult(Decision.DROP, None, state)

    def drops(self, context: Context, request: Mapping[str, Any]) -> bool:
        """Return whether a request is excluded; the installed sampler is not asked."""
        own = super().should_sample(context, 0, "", SpanKind.SERVER, request)
        return own.decision is Decision.DROP

    def get_description(self) -> str:
        """Describe the installed sampler, with the excluded URLs."""
        description = self._sampler.get_description()
        if self._excluded is None:
            return description
        return f"{description} without {', '.join(self._excluded.patterns)}"


class InstalledIds(IdGenerator):
    """Uses the ids of an installed generator, and random ones instead of invalid ones."""

    def __init__(self, name: str, ids: IdGenerator) -> None:
        self._ids, self._random = ids, RandomIdGenerator()
        self._failures = _Failures(f"id generator {name!r}", "a random id is used")

    def generate_span_id(self) -> int:
        """Return a span id."""
        return self._valid("generate_span_id", 64) or self._random.generate_span_id()

    def generate_trace_id(self) -> int:
        """Return a trace id."""
        return self._valid("generate_trace_id", 128) or self._random.generate_trace_id()

    def is_trace_id_random(self) -> bool:
        """Return whether the generator promises random trace ids."""
        # The SDK asks from 1.42 on.
        return hasattr(self._ids, "is_trace_id_random") and self._call("is_trace_id_random") is True

    def _valid(self, method: str, bits: int) -> int | None:
        value = self._call(method)
        if isinstance(value, int) and 0 < value < 1 << bits:
            return value
        self._failures.log(f"returned an id that is not a positive number of {bits} bits")
        return None

    def _call(self, method: str) -> object:
        try:
            return getattr(self._ids, method)()
        except Exception as error:
            if raised_by_signal(error):
                raise
            self._failures.log(f"raised {describe(error)}")
            return None
