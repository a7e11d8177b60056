from __future__ import annotations

import re

import pytest

from bentotrace.config.installed import PROPAGATORS
from bentotrace.config.load import load_config


@pytest.mark.parametrize(
    ("value", "typed"),
    [
        ("tracecontext", ("tracecontext",)),
        (["baggage", "tracecontext"], ("baggage", "tracecontext")),
        ("none", ("none",)),
        ([], ()),
    ],
)
def test_installed_names_are_taken_in_their_order(value: object, typed: tuple[str, ...]) -> None:
    assert PROPAGATORS.convert(value) == typed


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "xray",
            "no propagator named 'xray' is installed; pip install opentelemetry-propagator-aws-",
        ),
        ("ottrace", "pip install opentelemetry-propagator-ot-trace"),
        (
            "tracecontxt",
            "no propagator named 'tracecontxt' is installed; did you mean tracecontext?",
        ),
        ("w3c", "no propagator named 'w3c' is installed; known are b3, b3multi, baggage, jaeger, "),
        (["none", "baggage"], "none cannot be combined with other names"),
        ("baggage,tracecontext", "for several names, write a list: [baggage, tracecontext]"),
        (5, "expected a name, or a list of names, found a number"),
    ],
)
def test_a_bad_value_is_explained(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        PROPAGATORS.convert(value)


def test_a_name_given_twice_in_the_variable_counts_once() -> None:
    environ = {"OTEL_PROPAGATORS": "baggage,tracecontext,baggage"}

    options = load_config({"exporter_type": "none"}, environ=environ).options

    assert options.propagators == ("baggage", "tracecontext")
