"""The iris classifier, served by BentoML and traced by bentotrace."""

import bentoml
from opentelemetry import trace
from sklearn.datasets import load_iris
from sklearn.svm import SVC

import bentotrace.integrations.bentoml as tracing

tracing.install()
tracer = trace.get_tracer("iris")


@bentoml.service
class IrisClassifier:
    """Classifies irises by length and width of the sepal, length and width of the petal, in cm."""

    def __init__(self) -> None:
        iris = load_iris()
        self.species = iris.target_names
        self.model = SVC().fit(iris.data, iris.target)

    @bentoml.api
    def classify(self, flowers: list[list[float]]) -> list[str]:
        """Return the species of each flower."""
        with tracer.start_as_current_span("predict", attributes={"iris.flowers": len(flowers)}):
            return [str(self.species[number]) for number in self.model.predict(flowers)]
