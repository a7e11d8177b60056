"""The modules of the services that the tests of BentoML serve."""

from __future__ import annotations

IRIS = """\
import bentoml
import bentotrace.integrations.bentoml as tracing
from opentelemetry import trace

tracing.install()

@bentoml.service(workers=2)
class Iris:
    @bentoml.api
    def classify(self, petal: float) -> str:
        with trace.get_tracer("iris").start_as_current_span("compare"):
            return "setosa" if petal < 2 else "virginica"
"""

WITHOUT_A_LINE = """\
import bentoml

@bentoml.service
class Iris:
    @bentoml.api
    def classify(self, petal: float) -> str:
        return "setosa" if petal < 2 else "virginica"
"""

SHOP = """\
import bentoml
import bentotrace.integrations.bentoml as tracing

tracing.install()

@bentoml.service(tracing={"excluded_urls": "readyz"})
class Stock:
    @bentoml.api
    def count(self, species: str) -> int:
        return len(species)

@bentoml.service(tracing={"excluded_urls": ["/readyz", "/quiet"], "sample_rate": 1})
class Shop:
    stock = bentoml.depends(Stock)

    @bentoml.api
    async def sell(self, species: str) -> int:
        return await self.stock.to_async.count(species) - 1

    @bentoml.api
    def quiet(self, species: str) -> int:
        return self.stock.count(species)
"""

BATCHES = """\
import time

import bentoml
import bentotrace.integrations.bentoml as tracing
from opentelemetry import trace

tracing.install()

@bentoml.service
class Iris:
    @bentoml.api(batchable=True, max_batch_size=20)
    def classify(self, petals: list[float]) -> list[str]:
        if min(petals) < 0:
            raise ValueError("a petal has no negative length")
        with trace.get_tracer("iris").start_as_current_span("compare"):
            # So that requests come while a batch runs.
            time.sleep(0.02)
            return ["setosa" if petal < 2 else "virginica" for petal in petals]
"""

INSIDE = """\
import asyncio
import time
from typing import AsyncGenerator, Generator

import bentoml
import bentotrace.integrations.bentoml as tracing
from opentelemetry import trace

tracing.install()

@bentoml.service
class Iris:
    def __init__(self) -> None:
        with trace.get_tracer("iris").start_as_current_span("load model"):
            pass

    @bentoml.task
    def train(self, epochs: int) -> int:
        if epochs < 0:
            raise ValueError("no negative number of epochs")
        return epochs * 2

    @bentoml.api
    def words(self, count: int) -> Generator[str, None, None]:
        for number in range(count):
            if number == 5:
                raise ValueError("no word is left")
            time.sleep(0.05)
            yield f"{number} "
        # Until the client of the test has left for long.
        time.sleep(count > 1 and 3)

    @bentoml.api
    async def async_words(self, count: int) -> AsyncGenerator[str, None]:
        for number in range(count):
            if number == 5:
                raise ValueError("no word is left")
            await asyncio.sleep(0.05)
            yield f"{number} "
        await asyncio.sleep(count > 1 and 3)

    @bentoml.api
    def classify(self, petal: float) -> str:
        if petal < 0:
            raise ValueError("a petal has no negative length")
        if petal > 9:
            raise bentoml.exceptions.InvalidArgument("a petal is not that long")
        return "setosa"
"""

CLIENTS = """\
import bentoml
import bentotrace.integrations.bentoml as tracing

tracing.install()

@bentoml.service
class Stock:
    @bentoml.api
    def count(self, species: str) -> int:
        return len(species)

@bentoml.service
class Shop:
    stock = bentoml.depends(Stock)

    @bentoml.api
    def sell(self, species: str) -> int:
        return self.stock.count(species)

    @bentoml.api
    async def async_sell(self, species: str) -> int:
        return await self.stock.to_async.count(species)
"""

LEGACY = """\
import warnings

warnings.simplefilter("ignore")

import bentoml
from bentoml.io import JSON

try:
    from bentoml.legacy import Runnable, Runner, Service
except ImportError:
    from bentoml import Runnable, Runner, Service

class Model(Runnable):
    SUPPORTED_RESOURCES = ("cpu",)
    SUPPORTS_CPU_MULTI_THREADING = True

    @Runnable.method(batchable=False)
    def predict(self, petal):
        return "setosa" if petal < 2 else "virginica"

runner = Runner(Model, name="iris_clf")
svc = Service("iris", runners=[runner])

@svc.api(input=JSON(), output=JSON())
async def classify(arguments):
    return await runner.predict.async_run(arguments["petal"])
"""

MOUNTED = """\
import bentoml
from bentoml.exceptions import ServiceUnavailable
from fastapi import FastAPI, WebSocket
from opentelemetry import trace

app = FastAPI()

@app.get("/petals/{number}")
async def petals(number: int) -> int:
    with trace.get_tracer("iris").start_as_current_span("count"):
        return 6 // number

@app.websocket("/stems")
async def stems(socket: WebSocket) -> None:
    await socket.accept()
    with trace.get_tracer("iris").start_as_current_span("count"):
        await socket.send_text("1")
    await socket.close()

def leaves(environ, start_response):
    with trace.get_tracer("iris").start_as_current_span("count"):
        start_response("200 OK", [("Content-Length", "1")])
        return [b"3"]

@bentoml.service
class Iris:
    @bentoml.api
    def classify(self, petal: str) -> str:
        return "setosa"

Iris.mount_asgi_app(app, path="/app")
Iris.mount_wsgi_app(leaves, path="/wsgi")
"""

FORWARDING = """\
import sys

import bentoml

SERVER = \"\"\"
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write((self.headers["traceparent"] or "").encode())

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
\"\"\"

@bentoml.service(cmd=[sys.executable, "-c", SERVER, "PORT"], http={"proxy_port": PORT})
class Model:
    pass
"""
