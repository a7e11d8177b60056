"""Components installed for OpenTelemetry: propagators, samplers, id generators, detectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from bentotrace.discovery import registry
from bentotrace.discovery.calls import describe, pass_interrupt, running
from bentotrace.exceptions import PluginError
from bentotrace.problems import closest

__all__ = ["DETECTORS", "ID_GENERATORS", "PROPAGATORS", "SAMPLERS", "Components"]


class Components(NamedTuple):
    """One kind of components.

    Attributes:
        what: the name of the kind in messages.
        group: their entry-point group.
        packages: well-known names and the packages that have them.
    """

    what: str
    group: str
    packages: Mapping[str, str] = {}

    def names(self) -> list[str]:
        """List the names of the installed components."""
        return list(dict.fromkeys(claim.name for claim in registry.find(self.group)))

    def known(self) -> list[str]:
        """List the names of the installed components, and the well-known names."""
        return sorted({*self.names(), *self.packages})

    def require(self, name: str, *others: str) -> None:
        """Raise a ValueError, with advice, for a name that is not installed.

        ``others`` are valid names too, which are not components.
        """
        if name in {*self.names(), *others}:
            return
        known = dict.fromkeys((*self.known(), *others))
        near = closest(name, known)
        advice = f"did you mean {near}?" if near else f"known are {', '.join(known)}"
        advice = f"pip install {self.packages[name]}" if name in self.packages else advice
        missing = f"no {self.what} named {name!r} is installed"
        raise ValueError("; ".join((missing, advice, *registry.obstacles())))

    def create(self, name: str, expected: type, *arguments: Any) -> Any:
        """Create an installed component.

        Raises:
            DuplicateExporterError: more than one distribution registers the name.
            PluginError: it cannot be created, or is not of the expected class.
        """
        claim = registry.find_one(name, self.group, self.what)
        try:
            assert claim is not None
            with running(f"creating {self.what} {claim}"):
                created = claim.load()(*arguments)
        except BaseException as error:
            pass_interrupt(error)
            reason = describe(error)
            raise PluginError(f"cannot create {self.what} {claim}: {reason}") from error
        if not isinstance(created, expected):
            reason = f"it is {type(created).__name__}, not {expected.__name__}"
            raise PluginError(f"cannot create {self.what} {claim}: {reason}")
        return created


PROPAGATORS = Components(
    "propagator",
    "opentelemetry_propagator",
    {
        **dict.fromkeys(("b3", "b3multi"), "opentelemetry-propagator-b3"),
        "jaeger": "opentelemetry-propagator-jaeger",
        "ottrace": "opentelemetry-propagator-ot-trace",
        **dict.fromkeys(("xray", "xray-lambda"), "opentelemetry-propagator-aws-xray"),
    },
)
SAMPLERS = Components("sampler", "opentelemetry_traces_sampler")
ID_GENERATORS = Components(
    "id generator", "opentelemetry_id_generator", {"xray": "opentelemetry-sdk-extension-aws"}
)
DETECTORS = Components(
    "resource detector",
    "opentelemetry_resource_detector",
    {
        **dict.fromkeys(
            (f"aws_{name}" for name in ("ec2", "ecs", "eks", "elastic_beanstalk", "lambda")),
            "opentelemetry-sdk-extension-aws",
        ),
        **dict.fromkeys(
            (f"azure_{name}" for name in ("aks", "app_service", "functions", "vm")),
            "opentelemetry-resource-detector-azure",
        ),
        "containerid": "opentelemetry-resource-detector-containerid",
        "gcp": "opentelemetry-resourcedetector-gcp",
    },
)
