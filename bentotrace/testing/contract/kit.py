"""The class of all duties."""

from __future__ import annotations

from bentotrace.testing.contract.building import BuildingDuties
from bentotrace.testing.contract.closing import ClosingDuties
from bentotrace.testing.contract.descriptor import DescriptorDuties
from bentotrace.testing.contract.explaining import ExplainingDuties
from bentotrace.testing.contract.exporting import ExportingDuties
from bentotrace.testing.contract.failing import FailingDuties
from bentotrace.testing.contract.secrets import SecretDuties

__all__ = ["ExporterContract"]


class ExporterContract(
    DescriptorDuties,
    BuildingDuties,
    ExportingDuties,
    FailingDuties,
    ExplainingDuties,
    SecretDuties,
    ClosingDuties,
):
    """The tests of an exporter; subclass it, and set its attributes.

    Attributes:
        exporter_type: the name in a configuration.
        plugin: the module with the hook, for a plugin that is not installed; None for one with an
            entry point.
        receiver: the class of a receiver, called without arguments, and with ``port``,
            ``max_request_size``, and for TLS ``ssl_context`` or ``credentials``; None for an
            exporter without a network protocol.
        options: the exporter's section: a mapping, or a method that returns one for a receiver
            (None without one). A value that is callable is called with the receiver.
        supports_tls: whether it can send over TLS.
        certificate_option: the dotted name of the option for the authority's PEM file.
        supports_headers: whether it has an option for headers.
        headers_option: the dotted name of that option.
        reports_outcomes: whether it calls ``context.report`` for each request.
        confirms_delivery: whether a success means that the receiver has the spans; False for UDP.
        secrets: more options for the test of secrets, with ``SECRET`` as the secret; None for
            every option at the top of the section that is a secret text.
        value_types: the types of attribute values that arrive as such; others arrive as JSON text.
        lost_fields: fields of ``ReceivedSpan`` that the protocol does not have.
        timeout: seconds of an export's timeout in the tests of failures.
    """
