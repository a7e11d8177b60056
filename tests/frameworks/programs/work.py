"""The tracing of the programs, and the span that each piece of work makes."""

import os

from opentelemetry import trace

CONFIGURES = os.environ.get("CONFIGURES")


def configure():
    """Start tracing, unless the command that started the program does it."""
    if CONFIGURES == "bentotrace":
        import bentotrace

        bentotrace.configure()
    elif CONFIGURES == "opentelemetry-distro":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(provider)


def work(_number=0):
    """Make a span, and note that it has ended."""
    trace.get_tracer("programs").start_span("work").end()
    note = os.open(os.environ["MADE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(note, b"made\n")
    os.close(note)
