"""The contract of an exporter as tests: one for each duty.

::

    from bentotrace.testing.contract import ExporterContract

    from acme_receiver import AcmeReceiver


    class TestAcme(ExporterContract):
        exporter_type = "acme"
        receiver = AcmeReceiver
        supports_headers = True

        def options(self, receiver):
            return {"endpoint": receiver.endpoint}

pytest runs the tests of the class. The extra ``authors`` installs what they need. The modules are
the groups of duties: ``descriptor``, ``building``, ``exporting``, ``failing``, ``secrets`` and
``closing``.
"""

from __future__ import annotations

from bentotrace.testing.contract.base import SECRET, Built
from bentotrace.testing.contract.kit import ExporterContract

__all__ = ["SECRET", "Built", "ExporterContract"]
