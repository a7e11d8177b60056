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
``wsgi`` brings what it needs.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from bentotrace.integrations._extra import extra
from bentotrace.pipeline.tracing import Tracing

with extra("wsgi"):
    from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware

__all__ = ["TracingMiddleware"]

# Source: RFC 3986, section 3.3: what clients leave as it is, so that patterns find it.
_IN_PATHS = "/:@!$&'()*+,;="


class TracingMiddleware(OpenTelemetryMiddleware):
    """Makes a server span of every request.

    A request continues its caller's trace. Where the tracing was built by bentotrace,
    ``excluded_urls`` and ``sample_rates`` are applied.
    """

    def __init__(self, app: Any, tracing: Tracing | None = None, **options: Any) -> None:
        """Wrap an application.

        Args:
            app: the WSGI application.
            tracing: where its spans go; None takes the global tracer provider.
            options: what OpenTelemetry's middleware takes, as ``request_hook``.
        """
        provider = tracing.provider if tracing is not None else None
        super().__init__(app, tracer_provider=provider, **options)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Serve a request."""
        if not environ.get("RAW_URI"):
            # Else, where the server leaves both out, the stable attributes have no path at all.
            environ.setdefault("REQUEST_URI", _target(environ))
        return super().__call__(environ, start_response)


def _target(environ: dict[str, Any]) -> str:
    """Put the target of a request together again."""
    path = quote(
        f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}",
        safe=_IN_PATHS,
        encoding="latin1",
    )
    query = environ.get("QUERY_STRING")
    return f"{path}?{query}" if query else path
