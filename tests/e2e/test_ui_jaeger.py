"""The viewer answers Jaeger's queries as the real Jaeger does for the same spans."""

from __future__ import annotations

import json
import secrets
import time
import urllib.parse
from typing import Any

from bentotrace.ui.server import Viewer

from .answers import compare, fetch, post
from .backends import Jaeger, poll

MILLISECOND = 1_000_000


def attribute(key: str, kind: str, value: object) -> dict[str, Any]:
    return {"key": key, "value": {f"{kind}Value": value}}


def otlp(service: str, trace_id: str, start: int) -> dict[str, Any]:
    client, server, plain = (secrets.token_hex(8) for _ in range(3))
    common = {"traceId": trace_id}

    def times(after: int, duration: int) -> dict[str, str]:
        begun = start + after * MILLISECOND
        return {
            "startTimeUnixNano": str(begun),
            "endTimeUnixNano": str(begun + duration * MILLISECOND),
        }

    def resource(name: str, *spans: dict[str, Any]) -> dict[str, Any]:
        return {
            "resource": {
                "attributes": [
                    attribute("service.name", "string", name),
                    attribute("host.name", "string", "box"),
                ]
            },
            "scopeSpans": [{"scope": {"name": "tests", "version": "1"}, "spans": list(spans)}],
        }

    return {
        "resourceSpans": [
            resource(
                service,
                {
                    **common,
                    **times(0, 50),
                    "spanId": client,
                    "name": "GET /classify",
                    "kind": 3,
                    "traceState": "vendor=abc",
                    "status": {"code": 2, "message": "boom"},
                    "attributes": [
                        attribute("http.route", "string", "/classify"),
                        attribute("count", "int", "3"),
                        attribute("large", "int", str(1 << 60)),
                        attribute("share", "double", 0.5),
                        attribute("cached", "bool", True),
                        attribute("raw", "bytes", "AAEC"),
                        attribute(
                            "list",
                            "array",
                            {"values": [{"stringValue": "a"}, {"intValue": "1"}]},
                        ),
                    ],
                    "events": [
                        {
                            "timeUnixNano": str(start + MILLISECOND),
                            "name": "cache miss",
                            "attributes": [attribute("key", "string", "k")],
                        }
                    ],
                    "links": [{"traceId": "ab" * 16, "spanId": "cd" * 8}],
                },
                {
                    **common,
                    **times(30, 10),
                    "spanId": plain,
                    "parentSpanId": client,
                    "name": "plain",
                    "kind": 1,
                    "status": {"code": 1},
                },
            ),
            resource(
                f"{service}-backend",
                {
                    **common,
                    **times(5, 20),
                    "spanId": server,
                    "parentSpanId": client,
                    "name": "POST /predict",
                    "kind": 2,
                },
            ),
        ]
    }


def unusual_otlp(service: str, trace_id: str, start: int) -> dict[str, Any]:
    """Return a trace with a short id, and with what few spans have."""
    document = otlp(service, trace_id, start)
    nested = {
        "values": [
            {"key": "a", "value": {"doubleValue": 1.0}},
            {"key": "b", "value": {"arrayValue": {"values": []}}},
        ]
    }
    for resource_spans in document["resourceSpans"]:
        resource_spans["resource"]["attributes"] += [
            attribute("service.version", "string", "1"),
            attribute("instances", "int", "5"),
        ]
        (scope_spans,) = resource_spans["scopeSpans"]
        scope_spans["scope"] = {"name": ""}
        for span in scope_spans["spans"]:
            span["kind"] = 4
            span["attributes"] = [
                *span.get("attributes", ()),
                attribute("nested", "kvlist", nested),
                {"key": "none", "value": {}},
                attribute("whole", "double", 2.0),
                attribute("huge", "double", 1e300),
                attribute("empty", "string", ""),
                attribute("span.kind", "string", "mine"),
                attribute("error", "bool", False),
            ]
            span["links"] = [{"traceId": "ab" * 16, "spanId": "cd" * 8, "traceState": "a=b"}]
    return document


def test_jaegers_queries_have_jaegers_answers(jaeger: Jaeger, viewer: Viewer) -> None:
    service, start = f"iris-{secrets.token_hex(4)}", (time.time_ns() // 10**9 - 60) * 10**9
    other = f"{service} b/c"
    trace_id, second = secrets.token_hex(16), secrets.token_hex(16)
    short = secrets.token_hex(8)
    documents = [
        otlp(service, trace_id, start),
        otlp(other, second, start + 10**9),
        unusual_otlp(service, f"{short:0>32}", start + 2 * 10**9),
    ]
    real = f"http://{jaeger.host}:{jaeger.query}"
    ours = f"http://127.0.0.1:{viewer.port('page')}"
    for document in documents:
        post(f"http://{jaeger.host}:{jaeger.otlp_http}/v1/traces", document)
        post(f"http://127.0.0.1:{viewer.port('otlp_http')}/v1/traces", document)
    for each in (trace_id, second, short):
        poll(
            lambda each=each: fetch(f"{real}/api/traces/{each}"),  # type: ignore[misc]
            lambda answer: answer[0] == 200 and len(answer[1]["data"][0]["spans"]) == 3,
            within=10,
        )
    first, last = start // 1000 - 10**6, start // 1000 + 10**7
    window = f"start={first}&end={last}"
    quoted = urllib.parse.quote(other, safe="")
    paths = [
        f"/api/services/{service}/operations",
        f"/api/services/{quoted}/operations",
        "/api/services/absent/operations",
        "/api/operations",
        "/api/operations?service=",
        "/api/operations?service=absent",
        f"/api/operations?service={service}",
        f"/api/operations?service={service}&spanKind=server",
        f"/api/operations?service={service}&spanKind=nonsense",
        "/api/traces",
        "/api/traces?traceID=",
        "/api/traces?traceID=nonsense",
        f"/api/traces?traceID={trace_id}",
        f"/api/traces?traceID={trace_id}&traceID={short}",
        f"/api/traces?traceID={trace_id}&traceID=abc",
        f"/api/traces?service={quoted}&{window}",
        f"/api/traces?service=absent&{window}",
        f"/api/traces?service={service.upper()}&{window}",
        f"/api/traces?service={service}",
        f"/api/traces?service={service}&lookback=1h",
        f"/api/traces?service={service}&start={first}",
        f"/api/traces?service={service}&end={last}",
        f"/api/traces?service={service}&start=x",
        f"/api/traces?service={service}&start=-1",
        f"/api/traces?service={service}&start={last}&end={first}",
        f"/api/dependencies?endTs={last // 1000}&lookback=120000&service={service}",
        f"/api/dependencies?endTs={last // 1000}&service={quoted}",
        "/api/dependencies?endTs=5",
        "/api/dependencies?endTs=x",
        "/api/dependencies?endTs=5&lookback=x",
    ]
    ids = [trace_id, trace_id.upper(), short, f"{short:0>32}", secrets.token_hex(16)]
    ids += ["nonsense", "0", "a" * 33, f"{trace_id}?raw=true", f"{trace_id}?prettyPrint=true"]
    paths += [f"/api/traces/{each}" for each in ids]
    searches = ["", "&operation=", "&operation=plain", "&operation=PLAIN", "&operation=absent"]
    searches += [f"&limit={limit}" for limit in ("1", "2", "x")]
    durations = (
        "0",
        "1",
        "10ms",
        "1.5ms",
        "100us",
        "100%C2%B5s",
        "1h30m",
        "50ms",
        "51ms",
        "1d",
        "x",
    )
    searches += [f"&minDuration={duration}" for duration in durations]
    searches += [f"&maxDuration={duration}" for duration in ("0s", "9ms", "20ms", "x")]
    searches += [f"&minDuration=10ms&maxDuration={duration}" for duration in ("9ms", "20ms")]
    pairs = ["http.route:/classify", "http.route", "a:b:c", "error:true", "error:false", "empty:"]
    searches += [f"&tag={urllib.parse.quote(pair)}" for pair in pairs]
    searches += ["&tag=count:3&tag=cached:true", "&tags=nonsense", "&tags=[1]"]
    tags: list[dict[str, object]] = [
        {"http.route": "/classify"},
        {"http.route": "/other"},
        {"http.route": "/classify", "count": "4"},
        {"count": 3},
        {"count": "3"},
        {"large": str(1 << 60)},
        {"cached": "true"},
        {"share": "0.5"},
        {"share": "0.50"},
        {"whole": "2"},
        {"raw": "AAEC"},
        {"list": '["a",1]'},
        {"error": "true"},
        {"error": "false"},
        {"host.name": "box"},
        {"instances": "5"},
        {"service.name": service},
        {"key": "k"},
        {"event": "cache miss"},
        {"otel.scope.name": "tests"},
        {"otel.status_description": "boom"},
    ]
    searches += [f"&tags={urllib.parse.quote(json.dumps(tag))}" for tag in tags]
    paths += [f"/api/traces?service={service}&{window}{search}" for search in searches]
    compare(real, ours, paths)
    # Jaeger's store in memory has the kind as a field, and finds nothing; its other stores do.
    kind = urllib.parse.quote(json.dumps({"span.kind": "client"}))
    assert len(fetch(f"{ours}/api/traces?service={service}&{window}&tags={kind}")[1]["data"]) == 1
    services = fetch(f"{real}/api/services")[1]["data"]
    assert set(fetch(f"{ours}/api/services")[1]["data"]) <= set(services)
