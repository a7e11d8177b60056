"""Find and load the extensions that a configuration lists: what wraps every exporter.

Like exporter plugins they are found by their metadata, and only what is listed is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import field, frozen
from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace import hookspecs, registry
from bentotrace.exceptions import PluginError
from bentotrace.plugin import BuildContext

__all__ = ["Extension", "load_extension", "names"]


@frozen
class Extension:
    """One extension.

    Attributes:
        name: its entry point's.
        claim: entry point, distribution and version.
    """

    name: str
    claim: str
    _call: Callable[[SpanExporter, BuildContext], Sequence[object]] = field(eq=False, repr=False)

    def wrap(self, exporter: SpanExporter, context: BuildContext) -> object:
        """Wrap an exporter; gives what the extension made, which need not be one.

        Raises:
            PluginError: the extension raised.
        """
        try:
            # pluggy leaves out a result of None.
            return next(iter(self._call(exporter, context)), None)
        except (Exception, SystemExit) as error:
            told = context.redaction.redact(f"{type(error).__name__}: {error}")
            raise PluginError(
                f"extension {self.claim} cannot wrap the exporter: {told}"
            ) from context.redaction.cause(error)


def names() -> tuple[str, ...]:
    """List the names of the extensions that are installed."""
    return tuple(dict.fromkeys(claim.name for claim in registry.find(hookspecs.EXTENSIONS_GROUP)))


def load_extension(name: str) -> Extension:
    """Load an installed extension.

    Raises:
        DuplicateExporterError: two distributions registered it.
        BrokenPluginError: its module raised.
        InvalidPluginError: it does not keep the contract.
    """
    claims = [claim for claim in registry.find(hookspecs.EXTENSIONS_GROUP) if claim.name == name]
    claim = registry.single(name, claims, "extension")
    hook = registry.hooks_of(claim, "bentotrace_wrap_exporter")

    def call(exporter: SpanExporter, context: BuildContext) -> Sequence[object]:
        found: Sequence[object] = hook.bentotrace_wrap_exporter(exporter=exporter, context=context)
        return found

    return Extension(name, str(claim), call)
