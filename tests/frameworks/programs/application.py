"""An application for ASGI and one for WSGI."""

import work

work.configure()


def wsgi(_environ, start_response):
    work.work()
    start_response("200 OK", [("Connection", "close"), ("Content-Length", "2")])
    return [b"ok"]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    work.work()
    headers = [(b"connection", b"close"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})
