"""A service without code for tracing, except for one span of its own."""

from fastapi import FastAPI
from opentelemetry import trace

app = FastAPI()
tracer = trace.get_tracer("shop")


@app.get("/price/{item}")
def price(item: str) -> float:
    """Return the price of an item."""
    with tracer.start_as_current_span("look up", attributes={"item": item}):
        return len(item) * 1.5


@app.get("/healthz")
def health() -> str:
    """Return "ok"; this request is not traced."""
    return "ok"
