"""A WSGI application that gunicorn loads once, before it forks its workers."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

import bentotrace
from bentotrace.integrations.wsgi import TracingMiddleware

tracing = bentotrace.configure("tracing.yaml")


def shelf(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Return the path of the request."""
    start_response("200 OK", [("content-type", "text/plain")])
    return [environ["PATH_INFO"].encode()]


app = TracingMiddleware(shelf, tracing)
