"""A WSGI application that gunicorn loads once, before it forks its workers."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware

import bentotrace

bentotrace.configure("tracing.yaml")


def shelf(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer one request."""
    start_response("200 OK", [("content-type", "text/plain")])
    return [environ["PATH_INFO"].encode()]


app = OpenTelemetryMiddleware(shelf)
