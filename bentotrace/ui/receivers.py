"""The HTTP receivers: OTLP, Jaeger's Thrift, Zipkin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import NamedTuple

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bentotrace.ui import jaeger_thrift, otlp, zipkin
from bentotrace.ui.bodies import MAX_BODY, Budget, TooLargeError, decompress, read_body
from bentotrace.ui.model import Decoded, UnreadableError
from bentotrace.ui.store import Store, StoreFullError

__all__ = ["decode_safely", "receiver_routes"]

_RETRY = {"Retry-After": "1"}
Decode = Callable[[bytes], Decoded]


class _Protocol(NamedTuple):
    """A path, its decoder for each content type, and its response."""

    path: str
    decoders: Mapping[str, Decode]
    respond: Callable[[str, Decoded], Response]


def _otlp_response(content_type: str, decoded: Decoded) -> Response:
    if content_type == "application/json":
        partial = {}
        if decoded.refused:
            partial = {
                "partialSuccess": {
                    "rejectedSpans": str(decoded.refused),
                    "errorMessage": decoded.reason,
                }
            }
        return JSONResponse(partial)
    return Response(otlp.encode_response(decoded), media_type="application/x-protobuf")


def _accepted(content_type: str, decoded: Decoded) -> Response:
    if decoded.refused:
        message = f"{decoded.refused} spans were refused: {decoded.reason}"
        return Response(message, 202, media_type="text/plain")
    return Response(status_code=202)


_THRIFT = jaeger_thrift.decode_batch
_OTLP = _Protocol(
    "/v1/traces",
    {"application/x-protobuf": otlp.decode_protobuf, "application/json": otlp.decode_json},
    _otlp_response,
)
_JAEGER = _Protocol(
    "/api/traces",
    {"application/x-thrift": _THRIFT, "application/vnd.apache.thrift.binary": _THRIFT},
    _accepted,
)
_ZIPKIN = _Protocol(
    "/api/v2/spans",
    {"application/json": zipkin.decode_json, "application/x-protobuf": zipkin.decode_protobuf},
    _accepted,
)
_ZIPKIN_V1 = _Protocol("/api/v1/spans", {"application/json": zipkin.decode_json}, _accepted)
_ROUTES = {
    "otlp_http": (_OTLP,),
    "jaeger_http": (_JAEGER,),
    "zipkin": (_ZIPKIN, _ZIPKIN_V1),
}


def decode_safely(decode: Decode, body: bytes) -> Decoded:
    """Decode what may be anything.

    Raises:
        UnreadableError: it cannot be decoded, for whatever reason.
    """
    try:
        return decode(body)
    except UnreadableError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError) as error:
        raise UnreadableError(f"{type(error).__name__}: {error}") from error
    except (TypeError, ValueError) as error:
        raise UnreadableError(str(error)) from error


def receiver_routes(name: str, store: Store, budget: Budget) -> list[Route]:
    """Return the routes of the receiver "otlp_http", "jaeger_http" or "zipkin"."""
    return [
        Route(protocol.path, _endpoint(protocol, store, budget), methods=["POST"])
        for protocol in _ROUTES[name]
    ]


def _endpoint(protocol: _Protocol, store: Store, budget: Budget) -> Callable[[Request], object]:
    async def receive(request: Request) -> Response:
        # Only browsers send these, and no page of another site may send spans.
        if "origin" in request.headers or "sec-fetch-site" in request.headers:
            return _problem(403, "a browser may not send spans here")
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        decode = protocol.decoders.get(content_type)
        if decode is None:
            accepted = " or ".join(protocol.decoders)
            return _problem(415, f"the content type is {content_type[:80]!r}, expected {accepted}")
        length = request.headers.get("content-length", "")
        # Without a length, as much as there may be.
        expected = int(length[:20]) if length.isdecimal() else MAX_BODY
        with budget.hold(min(expected, MAX_BODY) * 2) as granted:
            if not granted:
                return _problem(503, "too many requests at one time", _RETRY)
            return await _receive(request, content_type, decode)

    async def _receive(request: Request, content_type: str, decode: Decode) -> Response:
        encoding = request.headers.get("content-encoding", "")
        try:
            body = await read_body(request)
            decoded, written = await to_thread.run_sync(
                _decode_and_add, body, encoding, decode, limiter=budget.decoding
            )
        except TooLargeError:
            return _problem(413, "the body is too large")
        except TimeoutError:
            return _problem(408, "the body takes too long")
        except UnreadableError as error:
            return _problem(400, str(error)[:500])
        except StoreFullError:
            return _problem(503, "more spans arrive than can be written", _RETRY)
        if written is not None:
            try:
                await asyncio.wrap_future(written)
            except Exception as error:
                return _problem(503, f"the store cannot be written: {error}", _RETRY)
        return protocol.respond(content_type, decoded)

    def _decode_and_add(
        body: bytes, encoding: str, decode: Decode
    ) -> tuple[Decoded, Future[None] | None]:
        decoded = decode_safely(decode, decompress(body, encoding))
        return decoded, store.add(decoded.spans) if decoded.spans else None

    return receive


def _problem(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(message + "\n", status, media_type="text/plain", headers=dict(headers or {}))
