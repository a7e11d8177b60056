"""The modules of the services that the tests of BentoML serve."""

from __future__ import annotations

IRIS = """\
import bentoml
import bentotrace.integrations.bentoml as tracing
from opentelemetry import trace

tracing.install()

@bentoml.service(workers=2)
class Iris:
    @bentoml.api
    def classify(self, petal: float) -> str:
        with trace.get_tracer("iris").start_as_current_span("compare"):
            return "setosa" if petal < 2 else "virginica"
"""

WITHOUT_A_LINE = """\
import bentoml

@bentoml.service
class Iris:
    @bentoml.api
    def classify(self, petal: float) -> str:
        return "setosa" if petal < 2 else "virginica"
"""

SHOP = """\
import bentoml
import bentotrace.integrations.bentoml as tracing

tracing.install()

@bentoml.service(tracing={"excluded_urls": "readyz"})
class Stock:
    @bentoml.api
    def count(self, species: str) -> int:
        return len(species)

@bentoml.service(tracing={"excluded_urls": ["/readyz", "/quiet"], "sample_rate": 1})
class Shop:
    stock = bentoml.depends(Stock)

    @bentoml.api
    async def sell(self, species: str) -> int:
        return await self.stock.to_async.count(species) - 1

    @bentoml.api
    def quiet(self, species: str) -> int:
        return self.stock.count(species)
"""
