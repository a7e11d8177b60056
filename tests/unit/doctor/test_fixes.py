from __future__ import annotations

import pytest

import bentotrace.doctor.fixes as fixes
from bentotrace.config.load import load_config


@pytest.mark.parametrize("known", fixes._KNOWN, ids=lambda known: known.exporter)
def test_what_is_known_is_what_the_exporters_do(known: fixes.KnownReceiver) -> None:
    section = {} if known.http_protocol is None else {"protocol": known.http_protocol}
    if known.exporter == "jaeger":
        section["protocol"] = "http/thrift.binary"
    block = {"exporter_type": known.exporter, known.exporter: section}
    (exporter,) = load_config(block, environ={}).exporters

    assert exporter.target is not None
    assert exporter.target.endpoint == f"http://localhost:{known.http_port}{known.path}"
    if known.grpc_port is not None:
        block = {"exporter_type": known.exporter, known.exporter: {"protocol": "grpc"}}
        (exporter,) = load_config(block, environ={}).exporters
        assert exporter.target is not None
        assert exporter.target.endpoint == f"localhost:{known.grpc_port}"
