"""Tracing for a WSGI application.

::

    import bentotrace
    from bentotrace.integrations.wsgi import TracingMiddleware

    tracing = bentotrace.configure("tracing.yaml")


    def app(environ, start_response):
        start_response("200 OK", [])
        return [b"served"]


    app = TracingMiddleware(app, tracing)

For Flask it is ``app.wsgi_app = TracingMiddleware(app.wsgi_app, tracing)``; for Django,
``application = TracingMiddleware(get_wsgi_application(), tracing)`` in ``wsgi.py``. The extra
``wsgi`` installs the dependencies.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from bentotrace.integrations import _requires
from bentotrace.pipeline.tracing import Tracing

with _requires("wsgi"):
    from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware

__all__ = ["TracingMiddleware"]

# Source: RFC 3986, section 3.3; clients do not escape these, and patterns contain them.
_IN_PATHS = "/:@!$&'()*+,;="


class TracingMiddleware:
    """Create a server span for every request.

    A request continues its caller's trace. ``excluded_urls`` and ``sample_rates`` apply if
    bentotrace built the tracing.
    """

    def __init__(self, app: Any, tracing: Tracing | None = None, **options: Any) -> None:
        """Wrap an application.

        Args:
            app: the WSGI application.
            tracing: exports the spans; None for the global tracer provider.
            options: passed to OpenTelemetry's middleware, for example ``request_hook``.
        """
        provider = tracing.provider if tracing is not None else None
        self._traced = OpenTelemetryMiddleware(app, tracer_provider=provider, **options)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Serve a request."""
        if not environ.get("RAW_URI"):
            # Without either, as from some servers, the stable attributes lack the path.
            environ.setdefault("REQUEST_URI", _target(environ))
        return self._traced(environ, start_response)


def _target(environ: dict[str, Any]) -> str:
    """Rebuild the target of a request."""
    path = quote(
        f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}",
        safe=_IN_PATHS,
        encoding="latin1",
    )
    query = environ.get("QUERY_STRING")
    return f"{path}?{query}" if query else path
