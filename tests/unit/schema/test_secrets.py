"""Secrets at any depth of an exporter's options: found for the redaction, masked in what is shown."""

from __future__ import annotations

import json
from traceback import format_exception
from typing import Any

import pytest
from attrs import asdict, evolve, frozen
from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace.config.explain import explain
from bentotrace.config.load import Config, ExporterConfig, load_config
from bentotrace.discovery import registry
from bentotrace.exceptions import ConfigError, OptionError, PluginError
from bentotrace.plugin import BuildContext, ExporterPlugin, Target, option
from bentotrace.redaction import basic_credentials
from bentotrace.schema.secrets import masked, secrets_in

SECRETS = [f"zq9secret{number}" for number in range(14)]


@frozen
class Tenant:
    name: str = option(help="A name.")
    token: str | None = option(default=None, secret=True, help="A token.")


@frozen
class Header:
    name: str = option(help="A name.")
    value: str = option(help="A value.")


@frozen
class NestedOptions:
    main: Tenant | None = option(default=None, help="One.")
    listed: list[Tenant] = option(factory=list, help="Several.")
    named: dict[str, Tenant] = option(factory=dict, help="Several, by name.")
    extra: dict[str, Any] = option(factory=dict, help="Anything.")
    pins: list[str] = option(factory=list, secret=True, help="Secret ones.")
    endpoint: str = option(default="", help="Where.")
    username: str = option(default="somebody", help="Who.")
    number: int = option(default=0, secret=True, help="A number.")
    metadata: list[Header] = option(factory=list, help="Pairs.")
    pairs: Any = option(default=None, help="Pairs of any form.")


VALUES = {
    "main": {"name": "a", "token": SECRETS[0]},
    "listed": [{"name": "b", "token": SECRETS[1]}],
    "named": {"x": {"name": "c", "token": SECRETS[2]}},
    "extra": {"deep": [{"api-key": SECRETS[3], "size": 5}], "passwords": [SECRETS[4]]},
    "pins": [SECRETS[5]],
    "endpoint": f"http://u:{SECRETS[6]}@host/?sig={SECRETS[7]}",
    "number": 12345678,
    "metadata": [{"name": "authorization", "value": SECRETS[8]}, {"name": "x", "value": "shown"}],
    "pairs": [
        {"name": "authorization", "value": SECRETS[9]},
        {"key": "X-Api-Key", "value": SECRETS[10]},
        {"header": "cookie", "values": [SECRETS[11]]},
        ["authorization", SECRETS[12]],
        f"authorization={SECRETS[13]}",
        f"Authorization: {SECRETS[13]}",
        {"key": "environment", "value": "staging"},
    ],
}


def create(options: NestedOptions, context: BuildContext) -> SpanExporter:
    raise NotImplementedError


def target(options: NestedOptions) -> Target:
    return Target("", options.endpoint, (f"odd: {SECRETS[1]}",), (f"odd, too: {SECRETS[2]}",))


PLUGIN = ExporterPlugin(
    name="nested", config=NestedOptions, create=create, summary="x", target=target
)
OPTIONS = NestedOptions(
    main=Tenant(name="a", token=SECRETS[0]),
    listed=[Tenant(name="b", token=SECRETS[1])],
    named={"x": Tenant(name="c", token=SECRETS[2])},
    extra=VALUES["extra"],
    pins=[SECRETS[5]],
    endpoint=str(VALUES["endpoint"]),
    number=12345678,
    metadata=[Header(name="authorization", value=SECRETS[8]), Header(name="x", value="shown")],
    pairs=VALUES["pairs"],
)


def test_every_secret_is_found() -> None:
    found = set(secrets_in(OPTIONS))
    assert {*SECRETS, "12345678"} <= found
    assert basic_credentials("somebody", SECRETS[5]) not in found  # a list is no password
    assert not {"a", "b", "c", "somebody", "host", "5", "shown"} & found
    assert not {"authorization", "X-Api-Key", "cookie", "environment", "staging"} & found


def test_a_name_and_a_password_beside_it_are_found_as_they_are_sent() -> None:
    assert basic_credentials("me", "pass-word") in set(
        secrets_in({"user": "me", "password": "pass-word"})
    )


def test_what_is_shown_is_masked_and_the_rest_is_not() -> None:
    shown = masked(OPTIONS)
    assert not any(secret in json.dumps(shown) for secret in (*SECRETS, "12345678"))
    assert shown["main"] == {"name": "a", "token": "***"}
    assert shown["listed"] == [{"name": "b", "token": "***"}]
    assert shown["named"] == {"x": {"name": "c", "token": "***"}}
    assert shown["extra"] == {"deep": [{"api-key": "***", "size": 5}], "passwords": "***"}
    assert shown["pins"] == "***"
    assert shown["endpoint"] == "http://host/?sig=***"
    assert shown["metadata"] == [
        {"name": "authorization", "value": "***"},
        {"name": "x", "value": "shown"},
    ]
    assert shown["pairs"] == [
        {"name": "authorization", "value": "***"},
        {"key": "X-Api-Key", "value": "***"},
        {"header": "cookie", "values": "***"},
        ["authorization", "***"],
        "authorization=***",
        "Authorization: ***",
        {"key": "environment", "value": "staging"},
    ]
    assert masked({"x-tenant": "a", "empty": ""}, secret=True) == {"x-tenant": "***", "empty": ""}


def test_no_repr_shows_one() -> None:
    config = ExporterConfig(PLUGIN, OPTIONS, 1.0, target(OPTIONS), ())
    shown = f"{OPTIONS!r} {config.options!r}"
    assert not any(secret in shown for secret in (*SECRETS, "12345678"))
    assert "'size': 5" in shown


def test_the_redaction_of_a_configuration_knows_all_destinations_and_proxies(
    monkeypatch: Any,
) -> None:
    monkeypatch.setenv("https_proxy", "http://me:zq9proxy9qz@proxy:3128")
    config = load_config(
        {
            "exporter_type": ["otlp", "jaeger"],
            "sample_rate": 1,
            "otlp": {"protocol": "http", "endpoint": "http://u:zq9first9qz@h:1"},
            "jaeger": {
                "collector_endpoint": "http://h:2",
                "username": "me",
                "password": "zq9second9qz",
            },
        },
        environ={},
    )
    redaction = config.redaction
    for secret in ("zq9proxy9qz", "zq9first9qz", "zq9second9qz"):
        assert redaction.line(f"wrong {secret}") == "wrong ***"
    assert redaction.line(f"got {basic_credentials('me', 'zq9second9qz')[6:]}") == "got ***"
    assert redaction.line("me") == "me"


def test_explain_masks_them_and_notes_do_not_quote_them(monkeypatch: Any) -> None:
    monkeypatch.setattr(registry, "sections", lambda: ("nested",))
    monkeypatch.setattr(registry, "load", lambda name: PLUGIN)
    config = load_config(
        {"exporter_type": "nested", "sample_rate": 1, "nested": VALUES}, environ={}
    )
    shown = json.dumps(asdict(explain(config))) + repr(config) + str(config.notes)
    assert not any(secret in shown for secret in (*SECRETS, "12345678"))
    assert "odd: ***" in shown
    assert isinstance(config, Config)


def refuse(_instance: Any, _attribute: Any, value: Any) -> None:
    raise ValueError(f"bad {value}")


@frozen
class Refused:
    pins: list[str] = option(factory=list, secret=True, validator=refuse, help="Secret ones.")
    names: dict[str, str] = option(factory=dict, secret=True, validator=refuse, help="Secret.")
    extra: dict[str, Any] = option(factory=dict, validator=refuse, help="Anything.")
    where: str = option(default="", validator=refuse, help="Where.")
    tenants: list[Tenant] = option(factory=list, validator=refuse, help="Several.")


@frozen
class RefusedAfterwards:
    token: str = option(secret=True, help="A token.")
    main: Tenant | None = option(default=None, help="One.")

    def __attrs_post_init__(self) -> None:
        if self.main is not None:
            raise OptionError("main", f"{self.main.token} does not go with it")
        raise ValueError(f"bad {self.token}")


@pytest.mark.parametrize(
    ("config", "values"),
    [
        (Refused, {"pins": [SECRETS[0]]}),
        (Refused, {"names": {"a": SECRETS[0]}}),
        (Refused, {"extra": {"a": [{"token": SECRETS[0]}]}}),
        (Refused, {"where": f"http://u:{SECRETS[0]}@host/?sig={SECRETS[1]}"}),
        (Refused, {"tenants": [{"name": "a", "token": SECRETS[0]}]}),
        (RefusedAfterwards, {"token": SECRETS[0]}),
        (RefusedAfterwards, {"token": "x", "main": {"name": "a", "token": SECRETS[0]}}),
    ],
)
def test_no_problem_quotes_one(config: type, values: dict[str, Any], monkeypatch: Any) -> None:
    plugin = ExporterPlugin(name="nested", config=config, create=create, summary="x")
    monkeypatch.setattr(registry, "sections", lambda: ("nested",))
    monkeypatch.setattr(registry, "load", lambda name: plugin)
    with pytest.raises(ConfigError) as raised:
        load_config({"exporter_type": "nested", "sample_rate": 1, "nested": values}, environ={})
    shown = "".join(format_exception(raised.value))
    assert not any(secret in shown for secret in SECRETS)
    assert "nested" in shown


def test_a_plugin_that_cannot_read_its_options_is_told_without_them(monkeypatch: Any) -> None:
    def fail(options: NestedOptions) -> Target:
        raise KeyError(options.pins[0])

    plugin = evolve(PLUGIN, target=fail)
    monkeypatch.setattr(registry, "sections", lambda: ("nested",))
    monkeypatch.setattr(registry, "load", lambda name: plugin)
    with pytest.raises(PluginError) as raised:
        load_config({"exporter_type": "nested", "sample_rate": 1, "nested": VALUES}, environ={})
    shown = "".join(format_exception(raised.value))
    assert "cannot read its options: KeyError in fail()" in shown
    assert SECRETS[5] not in shown
