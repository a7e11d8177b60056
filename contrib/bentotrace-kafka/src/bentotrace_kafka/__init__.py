"""The exporter ``kafka``: spans as messages of a Kafka topic.

Encoder and client are imported when an exporter is created.
"""

from __future__ import annotations

from bentotrace.hookspecs import hookimpl
from bentotrace.plugin import BuildContext, ExporterPlugin, Stability, Target
from bentotrace.transport import Outcome
from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace_kafka.options import KafkaOptions

__all__ = ["bentotrace_exporter"]


def _create(options: KafkaOptions, context: BuildContext) -> SpanExporter:
    from bentotrace_kafka.exporter import KafkaExporter

    return KafkaExporter(options, context)


def _advise(options: KafkaOptions, outcome: Outcome) -> str | None:
    from bentotrace_kafka.failures import advise

    return advise(options, outcome)


def _target(options: KafkaOptions) -> Target:
    return Target(
        options.encoding,
        options.endpoint,
        options.warnings(),
        options.notes(),
        tls=options.tls.tls() if options.tls.enabled else None,
    )


@hookimpl
def bentotrace_exporter() -> ExporterPlugin:
    """Describe the exporter."""
    return ExporterPlugin(
        name="kafka",
        config=KafkaOptions,
        create=_create,
        summary="A Kafka topic, for Jaeger, Zipkin or a Collector",
        stability=Stability.BETA,
        extra="bentotrace-kafka",
        target=_target,
        credentials=("sasl.username", "sasl.password"),
        advise=_advise,
        api_version=1,
    )
