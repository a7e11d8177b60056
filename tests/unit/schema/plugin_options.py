"""Plugins whose options the tests make up, tried in processes of their own."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

import pytest

HEAD = """
    import enum
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta, timezone
    from ipaddress import IPv4Address
    from pathlib import Path
    from typing import Annotated, Any, Literal, NewType, Optional, Union

    import attrs
    from attrs import field, frozen, validators
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter
    from bentotrace.hookspecs import hookimpl
    from bentotrace.plugin import DURATION, ExporterPlugin, Kind, Range, Variable, option

    class Color(enum.Enum):
        RED = "red"
        BLUE = "blue"

    class Level(enum.IntEnum):
        LOW = 1
        HIGH = 2

    class Word(str, enum.Enum):
        YES = "yes"

    class Port(int):
        pass

    Name = NewType("Name", str)

    @frozen
    class Server:
        host: str = option(help="Its host.")
        port: int = option(default=80, validator=Range(1, 65535), help="Its port.")
        marker: str = option(default="", secret=True, help="Its secret.")
        wait: float = option(default=1.0, kind=DURATION, help="How long to wait.")

        def __attrs_post_init__(self):
            if self.marker and self.host == "plain":
                raise ValueError(f"plain takes no marker, {self.marker}")

    @frozen
    class Broken:
        a: int = 1

        def __attrs_post_init__(self):
            raise KeyError("a")

    @frozen
    class TLS:
        ca: str = option(help="The authority.", env=["ACME_CA"])
        depth: int = option(
            default=3, help="How deep.", env=["ACME_DEPTH"], old_names=["tls_depth"]
        )

    @frozen
    class Base:
        inherited: int = option(default=1, env=["ACME_INHERITED"], help="From the base class.")

    @frozen
    class Options(Base):
        {options}

    @hookimpl
    def bentotrace_exporter():
        return ExporterPlugin(
            name="acme", config=Options, create=lambda *_: ConsoleSpanExporter(), summary="Acme"
        )
"""

RUN = """
    import json
    import sys
    from bentotrace.config.diagnostics import Report
    from bentotrace.config.explain import explain
    from bentotrace.config.json_schema import json_schema
    from bentotrace.config.load import load_config
    from bentotrace.exceptions import BentotraceError, ConfigError

    sections, environs = json.loads(sys.argv[1])

    def load(section, environ):
        with open("f.yaml", "w") as file:
            json.dump({"tracing": {"exporter_type": "acme", "acme": section}}, file)
        try:
            return load_config("f.yaml", environ=environ)
        except ConfigError as error:
            return [f"{problem.path}: {problem.message}" for problem in error.problems]
        except BentotraceError as error:
            return [str(error)]

    found = []
    for section, environ in [*((s, {}) for s in sections), *(({}, e) for e in environs)]:
        config = load(section, environ)
        if isinstance(config, list):
            found.append({"problems": config})
            continue
        (exporter,) = config.exporters
        (destination,) = explain(config).destinations
        found.append({
            "options": repr(exporter.options),
            "explained": {o.path: [o.value, o.source] for o in destination.options},
            "notes": [str(note) for note in config.notes],
        })
    try:
        schema = json_schema(Report(), "acme")
    except BentotraceError as error:
        schema = str(error)
    print(json.dumps([found, schema]))
"""


class Tried:
    """What became of a plugin's options."""

    def __init__(self, found: list[dict[str, Any]], schema: Any) -> None:
        self.found = found
        self.schema = schema

    def takes(self, section: object) -> bool:
        good: bool = self._validator.is_valid(section)
        return good

    @cached_property
    def _validator(self) -> Any:
        validators = pytest.importorskip("jsonschema", reason="the schema is tried with jsonschema")
        validators.Draft202012Validator.check_schema(self.schema)
        return validators.Draft202012Validator(self.schema)


def attempt(
    distributions: Any, options: str, sections: list[Any], environs: list[dict[str, str]]
) -> Tried:
    """Load sections, then variables alone, with a plugin of its own that has the options."""
    source = HEAD.replace("{options}", options.replace("\n", "\n        "))
    distributions.add("acme", "acme_tracing", source, exporter="acme")
    return Tried(*json.loads(distributions.run(RUN, json.dumps([sections, environs]))))
