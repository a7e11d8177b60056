"""The snippets of BentoML's guides to tracing, in ``tests/data/guide``, and where each sends to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

__all__ = ["CERTIFICATE", "FOLDER", "SNIPPETS", "Snippet"]

FOLDER = Path(__file__).parent / "data" / "guide"
CERTIFICATE = "/path/to/cert.pem"

PORTS = {
    "thrift_compact": 6831,
    "thrift_http": 14268,
    "grpc": 14250,
    "zipkin": 9411,
    "otlp_http": 4318,
    "otlp_grpc": 4317,
}
"""The ports in the guides, by the names that the tests of real servers use."""


@frozen
class Snippet:
    """A snippet that sends spans.

    Attributes:
        name: of its file.
        wire: on which it sends.
        variables: what its user sets beside it, with ``{host}`` and ``{port}`` of the receiver.
        end: what is added to it, because its port is another one.
    """

    name: str
    wire: str
    variables: Mapping[str, str] = field(factory=dict)
    end: str = ""

    def text(self, port: int, certificate: Path | None = None) -> str:
        """Return the snippet with another port, and another file for the placeholder."""
        text = (FOLDER / self.name).read_text(encoding="utf-8")
        text = re.sub(rf"\b{PORTS[self.wire]}\b", str(port), text) + self.end
        return text if certificate is None else text.replace(CERTIFICATE, str(certificate))

    def environment(self, host: str, port: int) -> dict[str, str]:
        """Return the variables for a receiver."""
        values = {"host": host, "port": port}
        return {name: text.format(**values) for name, text in self.variables.items()}


_SAMPLED = {"OTEL_TRACES_SAMPLER_ARG": "1.0"}
_AGENT = {"OTEL_EXPORTER_JAEGER_AGENT_PORT": "{port}"}
_AGENT_BY_NAME = {"OTEL_EXPORTER_JAEGER_AGENT_HOST": "{host}", **_AGENT}
_ZIPKIN = {"OTEL_EXPORTER_ZIPKIN_ENDPOINT": "http://{host}:{port}/api/v2/spans"}
_OTLP = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://{host}:{port}"}

SNIPPETS = (
    Snippet("bentoml-0.13/both.yml", "thrift_compact", _SAMPLED),
    Snippet("bentoml-0.13/jaeger.yml", "thrift_compact", _SAMPLED),
    Snippet("bentoml-0.13/zipkin.yml", "zipkin", _SAMPLED),
    Snippet("bentoml-1.0/bentoml_configuration.yaml", "thrift_compact", _AGENT_BY_NAME),
    Snippet("bentoml-1.0/excluded_urls.yaml", "thrift_compact"),
    Snippet("bentoml-1.0/jaeger_grpc.yaml", "grpc"),
    # Its port, 14250, selects the protocol.
    Snippet("bentoml-1.0/jaeger_protobuf_over_grpc.yaml", "grpc", end="    protocol: grpc\n"),
    Snippet("bentoml-1.0/jaeger_thrift.yaml", "thrift_compact"),
    Snippet("bentoml-1.0/jaeger_thrift_over_http.yaml", "thrift_http"),
    Snippet("bentoml-1.0/max_tag_value_length.yaml", "thrift_compact", _AGENT),
    Snippet("bentoml-1.0/otlp_grpc.yaml", "otlp_grpc"),
    Snippet("bentoml-1.0/otlp_http.yaml", "otlp_http"),
    Snippet("bentoml-1.0/otlp_protocol.yaml", "otlp_http", _OTLP),
    Snippet("bentoml-1.0/precedence.yaml", "thrift_compact", _AGENT_BY_NAME),
    Snippet("bentoml-1.0/sample_rate.yaml", "zipkin", _ZIPKIN),
    Snippet("bentoml-1.0/timeout.yaml", "thrift_compact", _AGENT),
    Snippet("bentoml-1.0/zipkin.yaml", "zipkin"),
    Snippet("bentoml-1.2/common.py", "thrift_compact", _AGENT),
    Snippet("bentoml-1.2/jaeger.py", "thrift_http"),
    Snippet("bentoml-1.2/otlp.py", "otlp_http"),
    Snippet("bentoml-1.2/zipkin.py", "zipkin"),
)
