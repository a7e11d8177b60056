"""A service of BentoML."""

import os

import bentoml
import work

if os.environ.get("CONFIGURES") == "bentotrace":
    from bentotrace.integrations.bentoml import install

    install()
else:
    work.configure()


async def answer(_scope, _receive, send):
    work.work()
    headers = [(b"connection", b"close"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


@bentoml.asgi_app(answer, path="/job")
@bentoml.service(workers=2)
class Work:
    @bentoml.api
    def nothing(self) -> str:
        return ""
