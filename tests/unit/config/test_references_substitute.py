from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bentotrace.config.load import load_config

from ...golden import Golden

ENVIRON = {
    "STRING_VALUE": "value",
    "BOOL_VALUE": "true",
    "INT_VALUE": "1",
    "FLOAT_VALUE": "1.1",
    "HEX_VALUE": "0xdeadbeef",
    "INVALID_MAP_VALUE": "value\nkey:value",
    "DO_NOT_REPLACE_ME": "Never use this value",
    "REPLACE_ME": "${DO_NOT_REPLACE_ME}",
    "EMPTY": "",
}


# The examples of OpenTelemetry's specification of its file, but for those without a value.
@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${STRING_VALUE}", "value"),
        ("${BOOL_VALUE}", True),
        ("${INT_VALUE}", 1),
        ("${FLOAT_VALUE}", 1.1),
        ("${HEX_VALUE}", 3735928559),
        ('"${STRING_VALUE}"', "value"),
        ('"${BOOL_VALUE}"', "true"),
        ('"${INT_VALUE}"', "1"),
        ("${env:STRING_VALUE}", "value"),
        ("${INVALID_MAP_VALUE}", "value\nkey:value"),
        ("foo ${STRING_VALUE} ${FLOAT_VALUE}", "foo value 1.1"),
        ("${UNDEFINED_KEY:-fallback}", "fallback"),
        ("${EMPTY:-fallback}", "fallback"),
        ("${UNDEFINED_KEY:-5}", 5),
        ("${REPLACE_ME}", "${DO_NOT_REPLACE_ME}"),
        ("${STRING_VALUE}${STRING_VALUE}", "valuevalue"),
        ("$${STRING_VALUE}", "${STRING_VALUE}"),
        ("$$${STRING_VALUE}", "$value"),
        ("$$$${STRING_VALUE}", "$${STRING_VALUE}"),
        ("a $ b", "a $ b"),
        ("$STRING_VALUE", "$STRING_VALUE"),
    ],
)
def test_a_reference_is_replaced(written: str, value: object, load: Callable[..., Any]) -> None:
    text = f"tracing:\n  resource:\n    attributes:\n      key: {written}\n"

    found = load(text, ENVIRON).options.resource.attributes["key"]

    assert found == value
    assert type(found) is type(value)


def test_a_key_is_not_substituted(load: Callable[..., Any]) -> None:
    text = "tracing:\n  resource:\n    attributes:\n      ${STRING_VALUE}: x\n"

    assert load(text, ENVIRON).options.resource.attributes == {"${STRING_VALUE}": "x"}


@pytest.mark.parametrize(
    "written",
    [
        "${NOPE}",
        "${EMPTY}",
        "${NOPE",
        "${1NO}",
    ],
)
def test_what_cannot_be_replaced_is_a_problem_with_its_place(
    written: str, problems: Callable[..., list[str]], golden: Golden
) -> None:
    text = f"tracing:\n  otlp:\n    endpoint: {written}\n  exporter_type: otlp\n"

    golden(problems(text, ENVIRON)[0])


def test_a_mapping_from_code_is_taken_as_it_is() -> None:
    source = {"resource": {"attributes": {"key": "${NOPE} $$"}}}

    assert load_config(source, environ={}).options.resource.attributes == {"key": "${NOPE} $$"}
