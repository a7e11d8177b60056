"""The JSON Schema of a configuration file, for editors.

It accepts every document that :func:`bentotrace.load_config` accepts while no ``OTEL_*`` variable
is set, and more: it does not check URLs, unused sections, or options against each other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, cast

from bentotrace.config.diagnostics import Report
from bentotrace.config.locate import PLACES
from bentotrace.config.options import TracingOptions
from bentotrace.discovery import registry
from bentotrace.discovery.calls import (
    HangError,
    call_each,
    describe,
    pass_interrupt,
    running,
)
from bentotrace.discovery.extension import DESTINATIONS
from bentotrace.exceptions import PluginError
from bentotrace.plugin import ExporterPlugin, ExtensionPlugin
from bentotrace.schema.option import Option, Variable
from bentotrace.schema.secrets import masked
from bentotrace.schema.tree import Leaf, Section, section_of

__all__ = ["json_schema"]

_Schema = dict[str, Any]
_Variables = Mapping[str, Sequence[Variable]]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Also $$ for a dollar sign.
_SUBSTITUTED = {"type": "string", "pattern": r"\$[{$]"}
_DEFINITIONS: _Schema = {
    "substituted": {
        **_SUBSTITUTED,
        "description": "Text with ${VAR} or ${VAR:-default}, replaced by environment variables.",
    },
    "reference": {
        "description": "The content of the variable {env: NAME} or of the file {file: path}.",
        "type": "object",
        "properties": {
            "env": {"type": "string", "description": "Name of a variable."},
            "file": {"type": "string", "description": "Path of a file with a single value."},
        },
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    },
}
_STAND_INS = ({"$ref": "#/$defs/substituted"}, {"$ref": "#/$defs/reference"})
_NOTHING = {"type": "null"}
_FINITE = json.JSONEncoder(allow_nan=False)
# A plugin that is not selected must not keep the others from being described.
_SECONDS = 10.0


def json_schema(report: Report, exporter: str | None = None) -> _Schema:
    """Describe a configuration file, or one exporter's section, by JSON Schema 2020-12.

    Args:
        report: collects a warning for each broken plugin, whose section is not checked.
        exporter: name of the exporter whose section is described; None describes a whole file.

    Raises:
        PluginError: the plugin of that exporter cannot be used.
    """
    if exporter is not None:
        if exporter == registry.NONE:
            raise PluginError(f"the exporter {exporter} exports nothing and has no section")
        head = {"$schema": _DIALECT, "title": f"bentotrace: the section {exporter}"}
        return {**head, **_describe(registry.load(exporter)), "$defs": _DEFINITIONS}
    # OpenTelemetry's exporters are not among these names, and not imported.
    names = [name for name in registry.names() if name != registry.NONE]
    # All are loaded before the first is described: alternating is slower by a tenth.
    loaded = [*_read_each("exporter", names, registry.load, report)]
    plugins = {plugin.name: plugin for plugin in loaded}

    def described(name: str) -> tuple[ExporterPlugin, _Schema]:
        return plugins[name], _describe(plugins[name])

    exporters = [*_read_each("exporter", plugins, described, report)]
    found = registry.extension_names()
    extensions = [*_read_each("extension", found, _describe_extension, report)]
    tracing = _tracing(exporters, extensions)
    return {
        "$schema": _DIALECT,
        "title": "bentotrace",
        "description": "A tracing block, alone or in a BentoML configuration.",
        "type": "object",
        **_places(),
        "$defs": {"tracing": tracing, **_DEFINITIONS},
    }


_T = TypeVar("_T")


def _read_each(
    what: str, names: Iterable[str], read: Callable[[str], _T], report: Report
) -> Iterator[_T]:
    """Read each plugin by its name, and warn of one that is broken or hangs."""
    calls = [(f"reading {what} {name!r}", partial(read, name)) for name in names]
    for result, error in call_each(calls, _SECONDS):
        if isinstance(error, (PluginError, HangError)):
            report.warn(str(error))
        elif error is not None:
            raise error
        else:
            yield cast("_T", result)


def _describe_extension(name: str) -> tuple[str, _Schema]:
    section = _describe(registry.load_extension(name).plugin)
    own = {
        **section,
        "description": "Options for one exporter type, or false to switch it off there.",
        "type": [*section["type"], "boolean"],
    }
    destinations = {
        "description": "Options for single exporter types, which override those beside it.",
        "type": ["object", "null"],
        "additionalProperties": own,
    }
    properties = {**section["properties"], DESTINATIONS: destinations}
    return name, {**section, "properties": properties}


def _describe(plugin: ExporterPlugin | ExtensionPlugin) -> _Schema:
    what = f"{_kind(plugin)} {plugin.name!r}"
    try:
        with running(f"reading the options of {what}"):
            section = _section(_summary(plugin), _properties(section_of(plugin.config)))
            # A default may be a value of any class.
            json.dumps(section)
    except BaseException as error:
        pass_interrupt(error)
        # The defaults are the plugin's code.
        raise PluginError(f"{what} cannot be described: {describe(error)}") from error
    if getattr(plugin, "takes_any", False):
        section["additionalProperties"] = True
    return section


def _places() -> _Schema:
    block = {"$ref": "#/$defs/tracing"}
    properties: _Schema = {}
    for *above, last in PLACES:
        here = properties
        for step in above:
            here = here.setdefault(str(step), {}).setdefault("properties", {})
        here[str(last)] = block
    properties["services"]["additionalProperties"] = {"properties": {"tracing": block}}
    return {"properties": properties}


def _tracing(
    exporters: Sequence[tuple[ExporterPlugin, _Schema]], extensions: Sequence[tuple[str, _Schema]]
) -> _Schema:
    common = section_of(TracingOptions)
    timeouts = [variable for plugin, _ in exporters for variable in plugin.timeout_env]
    properties = _properties(common, {"timeout": timeouts})
    for plugin, _ in exporters:
        properties.setdefault(plugin.name, {"description": _summary(plugin)})
    for name, section in extensions:
        properties.setdefault(name, {"description": section["description"]})
    for name in (*registry.sections(), *registry.extension_names()):
        properties.setdefault(name, True)
    return {
        "title": "tracing",
        "description": "The options of tracing and of its exporters.",
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": False,
        # Nothing else is checked if tracing may be disabled, nor in an unused section.
        "if": {"properties": {"disabled": {"enum": [False, None]}}},
        "then": {
            # With the same description, else editors show the option twice.
            "properties": {"exporter_type": {**properties["exporter_type"], **_known_exporters()}},
            "allOf": [
                {"if": _selects(option, name), "then": {"properties": {name: section}}}
                for option, name, section in (
                    *(("exporter_type", plugin.name, section) for plugin, section in exporters),
                    *(("extensions", name, section) for name, section in extensions),
                )
            ],
        },
    }


def _selects(option: str, plugin: str) -> _Schema:
    name = {"const": plugin}
    names = {"anyOf": [name, {"type": "array", "contains": name}]}
    return {"required": [option], "properties": {option: names}}


def _known_exporters() -> _Schema:
    names = list(dict.fromkeys((*registry.names(), *registry.sections())))
    # Spaces around a name are removed when it is loaded; editors complete those of the enum.
    spaced = rf"^\s*({'|'.join(map(re.escape, names))})\s*$"
    name = [{"enum": names}, {"type": "string", "pattern": spaced}]
    return _option_values({"anyOf": [*name, {"type": "array", "items": {"anyOf": name}}]})


def _kind(plugin: ExporterPlugin | ExtensionPlugin) -> str:
    return "exporter" if isinstance(plugin, ExporterPlugin) else "extension"


def _summary(plugin: ExporterPlugin | ExtensionPlugin) -> str:
    return f"Options of the {_kind(plugin)} {plugin.name}: {plugin.summary}."


def _section(description: str, properties: _Schema) -> _Schema:
    return {
        "description": description,
        # ${VAR:-} may become nothing.
        "type": ["object", "null", "string"],
        "pattern": _SUBSTITUTED["pattern"],
        "properties": properties,
        "additionalProperties": False,
    }


def _properties(section: Section, variables: _Variables | None = None) -> _Schema:
    """Describe the options of a section and their old names, with additional variables."""
    properties = _children(section, variables or {})
    for path, leaf in section.leaves():
        for name in leaf.record.old_names:
            *above, last = name.split(".")
            here = properties
            for step in above:
                gone = {**_section("Deprecated.", {}), "deprecated": True}
                here = here.setdefault(step, gone).setdefault("properties", {})
            old = {"description": f"Deprecated; use {'.'.join(path)}.", "deprecated": True}
            here.setdefault(last, {**old, **_values(leaf)})
    return properties


def _children(section: Section, variables: _Variables) -> _Schema:
    return {
        child.name: _nested(child)
        if isinstance(child, Section)
        else _option(child, variables.get(child.name, ()))
        for child in section.children
    }


def _nested(section: Section) -> _Schema:
    record = section.whole.record if section.whole is not None else Option("")
    described = _section(_help(section.help, record), _children(section, {}))
    if record.upgrade is not None:
        # A value of a former form is not a mapping.
        described = {key: described[key] for key in ("description", "properties")}
    return {**described, "deprecated": True} if record.deprecated else described


def _values(leaf: Leaf) -> _Schema:
    """Describe the values of an option; those of former versions may be anything."""
    values = _option_values(leaf.json_schema)
    if leaf.record.upgrade is None or not values:
        return values
    return {"anyOf": [*values["anyOf"], {"deprecated": True}]}


def _help(text: str, record: Option) -> str:
    return f"{text} Deprecated; {record.deprecated}." if record.deprecated else text


def _option(leaf: Leaf, variables: Sequence[Variable]) -> _Schema:
    described = {"description": _description(leaf, variables), **_values(leaf)}
    if leaf.record.deprecated:
        described["deprecated"] = True
    default = None if leaf.record.secret else masked(leaf.default)
    # An empty default is useless for completion, and some others cannot be written in a file.
    if default in (None, "", [], {}) or not _is_default(leaf, default):
        return described
    return {**described, "default": default}


def _is_default(leaf: Leaf, plain: Any) -> bool:
    try:
        _FINITE.encode(plain)
        return bool(leaf.check(plain) == leaf.default)
    except (TypeError, ValueError):
        return False


def _description(leaf: Leaf, variables: Sequence[Variable]) -> str:
    names = dict.fromkeys(variable.name for variable in (*leaf.record.env, *variables))
    parts = [_help(leaf.record.help, leaf.record)]
    if leaf.record.unit is not None:
        parts.append(f"Unit: {leaf.record.unit}.")
    if names:
        parts.append(f"Overridden by {', '.join(names)}.")
    return " ".join(filter(None, parts))


def _option_values(schema: Mapping[str, Any]) -> _Schema:
    """Extend the schema of a value by null and references; an empty one accepts anything."""
    widened = _widened(schema)
    return {"anyOf": [*widened["anyOf"], _NOTHING]} if widened else {}


def _widened(schema: Mapping[str, Any]) -> _Schema:
    """Extend a schema by ``${VAR}``, ``{env: NAME}`` and ``{file: path}`` for all its parts."""
    if not schema:
        return {}
    alternatives = schema["anyOf"] if list(schema) == ["anyOf"] else [schema]
    return {"anyOf": [*map(_with_widened_parts, alternatives), *_STAND_INS]}


def _with_widened_parts(schema: Mapping[str, Any]) -> _Schema:
    result: _Schema = {}
    for key, value in schema.items():
        if key in {"items", "additionalProperties"} and isinstance(value, Mapping):
            result[key] = _widened(value)
        elif key == "properties":
            result[key] = {name: _option_values(part) for name, part in value.items()}
        elif key in {"anyOf", "prefixItems"}:
            result[key] = [_widened(part) for part in value]
        else:
            result[key] = value
    return result
