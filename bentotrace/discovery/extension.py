"""A loaded extension, with its options once they are read."""

from __future__ import annotations

from typing import Any

from attrs import field
from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace.discovery.calls import describe, pass_interrupt, running
from bentotrace.exceptions import PluginError
from bentotrace.plugin import BuildContext, ExtensionPlugin
from bentotrace.values import frozen

__all__ = ["DESTINATIONS", "Extension"]

DESTINATIONS = "destinations"
"""The key of an extension's section with its options for single exporter types."""


@frozen
class Extension:
    """One extension.

    Attributes:
        claim: its entry point with distribution and version, or the name of its module.
        plugin: its descriptor.
        former_hook: whether it has the deprecated hook ``bentotrace_wrap_exporter``.
        options: an instance of its config class.
        settings: the settings of its section.
    """

    claim: str
    plugin: ExtensionPlugin = field(eq=False, repr=False)
    former_hook: bool = False
    options: Any = field(default=None, repr=False)
    settings: tuple[Any, ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        """The name in ``extensions``."""
        return self.plugin.name

    def wrap(self, exporter: SpanExporter, context: BuildContext) -> object:
        """Return what the extension returns for an exporter, which may be any object.

        Raises:
            PluginError: the extension raised.
        """
        try:
            with running(f"wrapping an exporter by extension {self.claim}"):
                return self.plugin.wrap(self.options, exporter, context)
        except BaseException as error:
            pass_interrupt(error)
            reason = describe(error, context.redaction)
            raise PluginError(
                f"extension {self.claim} cannot wrap the exporter: {reason}"
            ) from context.redaction.cause(error)
