"""The JSON Schema of a configuration file, for editors that complete and check while one types.

It takes every document that :func:`bentotrace.load_config` takes, for each service of the file,
while no ``OTEL_*`` variable is set. An exporter's section is checked when the file selects the
exporter, as loading does, and none is when the file may disable tracing. What a URL, an address or
a regular expression is made of, and what several options mean together, is left to loading.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bentotrace import registry
from bentotrace.config.locate import PLACES
from bentotrace.config.options import TracingOptions
from bentotrace.config.range import Range
from bentotrace.config.report import Report
from bentotrace.config.schema import Leaf, Section, section_of
from bentotrace.exceptions import PluginError
from bentotrace.plugin import ExporterPlugin, Variable
from bentotrace.redaction import hide_named

__all__ = ["json_schema"]

_Schema = dict[str, Any]
_Variables = Mapping[str, Sequence[Variable]]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Also $$, which stands for the dollar sign of a value that has one.
_SUBSTITUTED = {"type": "string", "pattern": r"\$[{$]"}
_DEFINITIONS: _Schema = {
    "substituted": {
        **_SUBSTITUTED,
        "description": "Text with ${VAR} or ${VAR:-default} in it, filled in from the environment.",
    },
    "reference": {
        "description": "What the variable {env: NAME}, or the file {file: path}, holds.",
        "type": "object",
        "properties": {
            "env": {"type": "string", "description": "Name of a variable."},
            "file": {"type": "string", "description": "Path of a file that holds one value."},
        },
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    },
}
_STAND_INS = ({"$ref": "#/$defs/substituted"}, {"$ref": "#/$defs/reference"})
_NOTHING = {"type": "null"}


def json_schema(report: Report, exporter: str | None = None) -> _Schema:
    """Describe a whole configuration file, or one exporter's section, by JSON Schema 2020-12.

    Args:
        report: takes a warning for each plugin that cannot be used; its section takes anything.
        exporter: name of the exporter whose section alone is wanted.

    Raises:
        PluginError: the plugin of that exporter cannot be used.
    """
    if exporter is not None:
        if exporter == registry.NONE:
            raise PluginError(f"the exporter {exporter} exports nothing, and has no section")
        head = {"$schema": _DIALECT, "title": f"bentotrace: the section {exporter}"}
        return {**head, **_describe(registry.load(exporter)), "$defs": _DEFINITIONS}
    tracing = _tracing(_describe_all(report))
    return {
        "$schema": _DIALECT,
        "title": "bentotrace",
        "description": "A tracing block, alone or in a BentoML configuration.",
        "type": "object",
        **_places(),
        "$defs": {"tracing": tracing, **_DEFINITIONS},
    }


def _describe_all(report: Report) -> list[tuple[ExporterPlugin, _Schema]]:
    """Describe the section of every plugin of bentotrace's own group.

    Exporters of OpenTelemetry's group have no schema that is worth importing them all.
    """
    found = []
    for name in registry.names():
        if name == registry.NONE:
            continue
        try:
            plugin = registry.load(name)
            found.append((plugin, _describe(plugin)))
        except PluginError as error:
            report.warn(str(error))
    return found


def _describe(plugin: ExporterPlugin) -> _Schema:
    try:
        return _exporter_section(plugin)
    except Exception as error:
        # The plugin's code makes its defaults.
        raise PluginError(
            f"exporter {plugin.name!r} cannot be described: {type(error).__name__}: {error}"
        ) from error


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


def _tracing(exporters: Sequence[tuple[ExporterPlugin, _Schema]]) -> _Schema:
    """Describe the block."""
    common = section_of(TracingOptions)
    timeouts = [variable for plugin, _ in exporters for variable in plugin.timeout_env]
    properties = _properties(common, {"timeout": timeouts})
    for plugin, _ in exporters:
        properties.setdefault(plugin.name, {"description": _summary(plugin)})
    for name in registry.sections():
        properties.setdefault(name, True)
    selector = common.child("exporter_type")
    assert isinstance(selector, Leaf)
    return {
        "title": "tracing",
        "description": "What is traced, and where the traces go.",
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": False,
        "allOf": [_filled_only_with(selector, name) for name in registry.sections()],
        "if": {"properties": {"disabled": {"enum": [False, None]}}},
        "then": {
            # With the same description, or editors offer the option twice.
            "properties": {
                "exporter_type": {**properties["exporter_type"], **_known_exporters()},
            },
            "allOf": [
                {
                    "if": _selects(plugin.name, selector.record.old_names),
                    "then": {"properties": {plugin.name: section}},
                }
                for plugin, section in exporters
            ],
        },
    }


def _known_exporters() -> _Schema:
    names = list(dict.fromkeys((*registry.names(), *registry.sections())))
    # Names are stripped of space around them; those without are listed for editors.
    spaced = rf"^\s*({'|'.join(map(re.escape, names))})\s*$"
    name = {"anyOf": [{"enum": names}, {"type": "string", "pattern": spaced}]}
    return _option_values({"anyOf": [*name["anyOf"], {"type": "array", "items": name}]})


def _filled_only_with(selector: Leaf, section: str) -> _Schema:
    """Ask for an exporter where a section is filled."""
    filled = {"not": {"anyOf": [{"enum": [None, False, 0, "", [], {}]}, _SUBSTITUTED]}}
    names = (selector.name, *selector.record.old_names)
    given = [{"required": [name], "properties": {name: {"not": _NOTHING}}} for name in names]
    return {
        "if": {"required": [section], "properties": {section: filled}},
        "then": {"anyOf": given},
    }


def _selects(name: str, old_names: Iterable[str]) -> _Schema:
    """Tell a block that uses an exporter, or fills its section and selects none."""
    # Space around a name is stripped.
    called = {"type": "string", "pattern": rf"^\s*{re.escape(name)}\s*$"}
    wanted = {"anyOf": [called, {"type": "array", "contains": called}]}
    keys = ("exporter_type", *old_names)
    return {
        "anyOf": [
            *(
                # The one that is said first in this order counts.
                {
                    "required": [key],
                    "properties": {**dict.fromkeys(keys[:index], _NOTHING), key: wanted},
                }
                for index, key in enumerate(keys)
            ),
            {
                "required": [name],
                "properties": {**dict.fromkeys(keys, _NOTHING), name: {"type": "object"}},
            },
        ]
    }


def _exporter_section(plugin: ExporterPlugin) -> _Schema:
    section = section_of(plugin.config)
    return _section(_summary(plugin), _properties(section))


def _summary(plugin: ExporterPlugin) -> str:
    return f"Options of the exporter {plugin.name}: {plugin.summary}."


def _section(description: str, properties: _Schema) -> _Schema:
    return {
        "description": description,
        # A section, too, may be ${VAR:-} and come out as nothing.
        "type": ["object", "null", "string"],
        "pattern": _SUBSTITUTED["pattern"],
        "properties": properties,
        "additionalProperties": False,
    }


def _properties(section: Section, variables: _Variables | None = None) -> _Schema:
    """Describe what stands at the top of a section, the old names of all its options included.

    Args:
        section: the section.
        variables: by option, more variables than its own that override it.
    """
    properties = _children(section, variables or {})
    for path, leaf in section.leaves():
        for name in leaf.record.old_names:
            old = {"description": f"The old name of {'.'.join(path)}.", "deprecated": True}
            properties.setdefault(name, {**old, **_option_values(_in_range(leaf))})
    return properties


def _children(section: Section, variables: _Variables) -> _Schema:
    return {
        child.name: _section(child.help, _children(child, {}))
        if isinstance(child, Section)
        else _option(child, variables.get(child.name, ()))
        for child in section.children
    }


def _option(leaf: Leaf, variables: Sequence[Variable]) -> _Schema:
    described = {
        "description": _description(leaf, variables),
        **_option_values(_in_range(leaf)),
    }
    default = None if leaf.record.secret else _plain(hide_named(leaf.default))
    # An empty default is worth no completion.
    return described if default in (None, "", [], {}) else {**described, "default": default}


def _in_range(leaf: Leaf) -> _Schema:
    """Add the range of an option to the numbers among its kind's values."""
    schema = dict(leaf.kind.json_schema)
    validator = leaf.attribute.validator
    if not schema or not isinstance(validator, Range):
        return schema
    alternatives = schema["anyOf"] if list(schema) == ["anyOf"] else [schema]
    bounds = validator.json_schema
    return {
        "anyOf": [
            {**found, **bounds} if found.get("type") in {"integer", "number"} else found
            for found in alternatives
        ]
    }


def _description(leaf: Leaf, variables: Sequence[Variable]) -> str:
    names = dict.fromkeys(variable.name for variable in (*leaf.record.env, *variables))
    parts = [leaf.record.help]
    if leaf.record.unit is not None:
        parts.append(f"Unit: {leaf.record.unit}.")
    if names:
        parts.append(f"{', '.join(names)} {'wins' if len(names) == 1 else 'win'} over it.")
    return " ".join(part for part in parts if part)


def _plain(default: Any) -> Any:
    """Give a typed default as a file would, or None when a file cannot."""
    if isinstance(default, enum.Enum):
        value = default.value
        return default.name.casefold() if isinstance(value, int) else _plain(value)
    try:
        return json.loads(json.dumps(default, allow_nan=False))
    except (TypeError, ValueError):
        return None


def _option_values(schema: Mapping[str, Any]) -> _Schema:
    """Widen a kind's schema to all that may stand for its value; an empty one takes anything."""
    widened = _widened(schema)
    return {"anyOf": [*widened["anyOf"], _NOTHING]} if widened else {}


def _widened(schema: Mapping[str, Any]) -> _Schema:
    """Let ``${VAR}``, ``{env: NAME}`` and ``{file: path}`` stand for a value and for its parts."""
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
            result[key] = {name: _widened(part) for name, part in value.items()}
        elif key == "anyOf":
            result[key] = [_widened(part) for part in value]
        else:
            result[key] = value
    return result
