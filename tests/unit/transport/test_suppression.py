from __future__ import annotations

import pytest
from opentelemetry import context

from bentotrace.transport import suppress_instrumentation


def is_suppressed() -> set[str]:
    names = ("_SUPPRESS_INSTRUMENTATION_KEY", "_SUPPRESS_HTTP_INSTRUMENTATION_KEY")
    keys = {name: getattr(context, name) for name in names if hasattr(context, name)}
    keys["plain"] = "suppress_instrumentation"
    return {name for name, key in keys.items() if context.get_value(key)}


def test_every_key_is_set_inside_and_none_outside() -> None:
    assert is_suppressed() == set()
    with suppress_instrumentation():
        assert {"plain", "_SUPPRESS_INSTRUMENTATION_KEY"} <= is_suppressed()
        with suppress_instrumentation():
            pass
        assert is_suppressed()
    assert is_suppressed() == set()


def test_it_ends_with_an_exception_too() -> None:
    with pytest.raises(KeyError), suppress_instrumentation():
        raise KeyError
    assert is_suppressed() == set()


def test_the_rest_of_the_context_stays() -> None:
    token = context.attach(context.set_value("mine", 1))
    try:
        with suppress_instrumentation():
            assert context.get_value("mine") == 1
    finally:
        context.detach(token)
