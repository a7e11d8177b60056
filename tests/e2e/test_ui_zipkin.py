"""The viewer answers Zipkin's queries as the real Zipkin does for the same spans."""

from __future__ import annotations

import secrets
import time
import urllib.parse
from typing import Any

from bentotrace.ui.server import Viewer

from .answers import compare, fetch, in_order, post
from .backends import Zipkin, poll

KINDS = ("spans", "remoteServices")


def zipkin_spans(service: str, trace_id: str, start: int) -> list[dict[str, Any]]:
    """Return two traces: a call over RPC with another one inside, and a message over a broker."""
    client, server, shared, send = (secrets.token_hex(8) for _ in range(4))
    short = trace_id[16:]

    def span(**fields: Any) -> dict[str, Any]:
        return {"traceId": trace_id, "id": secrets.token_hex(8), "timestamp": start, **fields}

    def at(name: str, **more: Any) -> dict[str, Any]:
        return {"serviceName": f"{service}{name}", **more}

    return [
        span(
            id=client,
            kind="CLIENT",
            name="get /classify",
            duration=50_000,
            localEndpoint=at(""),
            remoteEndpoint=at("-backend"),
            annotations=[{"timestamp": start + 1000, "value": "cache miss"}],
            tags={"http.route": "/classify", "error": "boom", "empty": ""},
        ),
        span(
            id=server,
            parentId=client,
            kind="SERVER",
            name="post /predict",
            timestamp=start + 5000,
            duration=20_000,
            localEndpoint=at("-backend"),
        ),
        span(
            traceId=short,
            id=shared,
            kind="CLIENT",
            name="GET",
            duration=1000,
            localEndpoint=at("-Front", ipv4="10.0.0.1", port=80),
            remoteEndpoint=at("-back", ipv4="10.0.0.2", ipv6="2001:db8::c001", port=9000),
        ),
        span(
            traceId=short,
            id=shared,
            kind="SERVER",
            shared=True,
            name="Get /X",
            timestamp=start + 100,
            duration=500,
            localEndpoint=at("-back"),
            remoteEndpoint={"ipv4": "10.0.0.1"},
        ),
        span(
            traceId=short,
            parentId=shared,
            kind="CLIENT",
            name="query",
            duration=0,
            localEndpoint=at("-back"),
            remoteEndpoint=at("-mysql"),
        ),
        span(
            traceId=short,
            parentId=shared,
            id=send,
            kind="PRODUCER",
            name="send",
            debug=True,
            localEndpoint=at("-back"),
            remoteEndpoint=at("-kafka"),
        ),
        span(
            traceId=short,
            parentId=send,
            kind="CONSUMER",
            name="receive",
            timestamp=start + 5,
            localEndpoint=at("-worker"),
            remoteEndpoint=at("-kafka"),
        ),
        span(traceId=short, parentId=send, localEndpoint=at("-nameless")),
    ]


def test_zipkins_queries_have_zipkins_answers(zipkin: Zipkin, viewer: Viewer) -> None:
    service, trace_id = f"iris-{secrets.token_hex(4)}", secrets.token_hex(16)
    start = (time.time_ns() // 10**9 - 60) * 10**6
    real = zipkin.url.partition("/api/")[0]
    ours = f"http://127.0.0.1:{viewer.port('zipkin')}"
    spans = zipkin_spans(service, trace_id, start)
    for url in (real, ours):
        post(f"{url}/api/v2/spans", spans)
    short = trace_id[16:]
    for each in (trace_id, short):
        poll(
            lambda each=each: fetch(f"{real}/api/v2/trace/{each}"),  # type: ignore[misc]
            lambda answer: answer[0] == 200,
            within=10,
        )
    window = f"endTs={start // 1000 + 30_000}&lookback=60000"
    traces = f"/api/v2/traces?serviceName={service}&{window}"
    names = ["", "-front", "-FRONT", "-back", "-nameless", "-absent"]
    paths = [f"/api/v2/{kind}?serviceName={service}{name}" for name in names for kind in KINDS]
    paths += [f"/api/v2/{kind}{more}" for kind in KINDS for more in ("", "?serviceName=")]
    ids = [trace_id, short, trace_id.upper(), secrets.token_hex(16), "zz", "0", "a" * 33]
    paths += [f"/api/v2/trace/{each}" for each in ids]
    many = [f"{trace_id},{secrets.token_hex(16)}", f"{trace_id},{short}"]
    many += [trace_id, f"{trace_id},{trace_id}", f"{trace_id},zz", ""]
    paths += ["/api/v2/traceMany", *(f"/api/v2/traceMany?traceIds={each}" for each in many)]
    paths += [f"/api/v2/traces?serviceName={service}{name}&{window}" for name in names]
    wrong = ("limit=0", "limit=-1", "limit=x", "endTs=0", "endTs=x", "lookback=0", "minDuration=0")
    wrong += ("minDuration=x", "maxDuration=10", "minDuration=400&maxDuration=300")
    paths += [f"/api/v2/traces?serviceName={service}&{each}" for each in wrong]
    annotations = ("error", "error=boom", "http.route=/classify", "http.route=/other", "http.route")
    annotations += ("cache miss", "empty", "empty=", "=", "error and http.route=/classify")
    annotations += ("error and absent", "http.route=/classify and error and cache miss")
    searches = [f"annotationQuery={urllib.parse.quote(each)}" for each in annotations]
    searches += ["spanName=get%20%2Fclassify", "spanName=GET%20%2FCLASSIFY", "spanName=absent"]
    searches += ["spanName=all", f"remoteServiceName={service}-backend", "limit=1"]
    searches += ["remoteServiceName=absent", "minDuration=40000"]
    searches += [f"minDuration=40000&maxDuration={most}" for most in (45_000, 60_000)]
    paths += [f"{traces}&{search}" for search in searches]
    paths += [f"{traces}&lookback=99999999999999999", "/api/v2/dependencies", "/health/absent"]
    paths += [f"/api/v2/dependencies?{each}" for each in ("endTs=0", "endTs=x", "lookback=5")]
    paths += ["/api/v2/dependencies?endTs=1&lookback=1"]
    paths += ["/api/v2/autocompleteKeys", "/api/v2/autocompleteValues"]
    paths += ["/api/v2/autocompleteValues?key=environment"]
    paths += [f"/zipkin/api/v2/trace/{trace_id}", f"/zipkin/api/v2/spans?serviceName={service}"]
    compare(real, ours, paths)
    links = [
        in_order(
            [
                link
                for link in fetch(f"{url}/api/v2/dependencies?{window}")[1]
                if service in link["parent"]
            ]
        )
        for url in (real, ours)
    ]
    assert links[0] == links[1]
    assert len(links[0]) == 5
    services = fetch(f"{real}/api/v2/services")[1]
    assert set(fetch(f"{ours}/api/v2/services")[1]) <= set(services)
