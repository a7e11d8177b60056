"""The duties of a descriptor and of the options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from bentotrace.discovery import registry
from bentotrace.exceptions import ConfigError, DuplicateExporterError, UnknownExporterError
from bentotrace.hookspecs import EXPORTERS_GROUP
from bentotrace.plugin import Option
from bentotrace.redaction import looks_secret
from bentotrace.schema.tree import Section, section_of
from bentotrace.testing.contract.base import Bench, Built, Duties, call, mistake_of, require

__all__ = ["DescriptorDuties"]

_MUTABLE = (list, dict, set, bytearray)


class DescriptorDuties(Duties):
    """What users see of an exporter before it is built."""

    def test_the_descriptor_keeps_the_contract(self) -> None:
        """The hook returns a valid descriptor, with the name of the entry point."""
        with registry.using(() if self.plugin is None else (self.plugin,)):
            try:
                plugin = registry.load(self.exporter_type)
            except (DuplicateExporterError, UnknownExporterError) as error:
                if self.plugin is not None:
                    pytest.fail(str(error))
                pytest.skip(f"another test fails for this: {error}")
        require(
            plugin.summary.strip(),
            'the descriptor has no summary for `bentotrace plugins`; write summary="one line"',
        )

    def test_one_entry_point_registers_the_name(self) -> None:
        """One distribution registers the exporter type."""
        if self.plugin is not None:
            pytest.skip("the class attribute plugin is set, so no entry point is needed")
        claims = [claim for claim in registry.find() if claim.name == self.exporter_type]
        if not claims and self.exporter_type in registry.foreign_names():
            pytest.skip("it is registered as an exporter for OpenTelemetry")
        require(
            claims,
            f"no entry point in {EXPORTERS_GROUP} is named {self.exporter_type!r}; add "
            f'{self.exporter_type} = "PACKAGE" to [project.entry-points."{EXPORTERS_GROUP}"] in '
            "pyproject.toml, and install the distribution again",
        )
        require(
            len(claims) == 1,
            f"{len(claims)} entry points in {EXPORTERS_GROUP} are named {self.exporter_type!r}: "
            f"{', '.join(map(str, claims))}; uninstall one of the distributions",
        )

    def test_options_are_frozen(self, bench: Bench) -> None:
        """The class of the options, and of each section in it, is frozen."""
        config = bench.load(bench.configure(bench.receiver()))
        for options in _instances(config.options, section_of(config.plugin.config)):
            name = attrs.fields(type(options))[0].name if attrs.fields(type(options)) else "x"
            try:
                setattr(options, name, getattr(options, name, None))
            except attrs.exceptions.FrozenError:
                continue
            pytest.fail(
                f"options can be changed; decorate {type(options).__name__} with attrs.frozen"
            )

    def test_every_option_is_described(self, bench: Bench) -> None:
        """Each field is made by ``option()`` and has a help text."""
        for section in _sections(_tree(bench)):
            for attribute in attrs.fields(section.cls):
                if attribute.init:
                    where = f"{section.cls.__name__}.{attribute.name}"
                    text = Option.of(attribute).help.strip()
                    require(text, f"{where} has no help; write option(help=..., ...)")

    def test_no_default_is_mutable(self, bench: Bench) -> None:
        """No two sections share a default that can be changed."""
        for section in _sections(_tree(bench)):
            for attribute in attrs.fields(section.cls):
                where = f"{section.cls.__name__}.{attribute.name}"
                require(
                    not isinstance(attribute.default, _MUTABLE),
                    f"the default of {where} can be changed; write option(factory=..., ...)",
                )

    def test_defaults_are_valid_or_the_missing_option_is_named(self, bench: Bench) -> None:
        """A section without options is valid, or the error names the option that is missing."""
        required = [leaf.name for _, leaf in _tree(bench).leaves() if leaf.required]
        error = mistake_of(lambda: bench.load({}))
        if error is None:
            built = Built(bench.load({}), 1.0)
            call(built.create, "create()", 1.0)
            return
        named = isinstance(error, ConfigError) and any(
            name in str(problem) for problem in error.problems for name in required
        )
        require(
            named,
            f"the defaults are not valid: {error}; correct them, or leave out the default of an "
            "option that users must set",
        )

    def test_an_unknown_option_is_refused(self, bench: Bench) -> None:
        """A mistyped option is an error."""
        section = bench.configure(bench.receiver(), {"no_such_option": 1})
        error = mistake_of(lambda: bench.load(section))
        require(
            error is not None,
            "the unknown option 'no_such_option' was accepted; declare every option in the class "
            "that is the descriptor's config",
        )
        require("no_such_option" in str(error), f"the error does not name the option: {error}")

    def test_options_that_look_secret_are_secret(self, bench: Bench) -> None:
        """Options such as ``token`` and ``password`` are declared with ``secret=True``."""
        for path, leaf in _tree(bench).leaves():
            text = leaf.attribute.type in (str, "str", str | None, "str | None")
            if text and looks_secret(leaf.name):
                require(
                    leaf.record.secret,
                    f"{'.'.join(path)} looks secret; declare it with option(secret=True)",
                )


def _tree(bench: Bench) -> Section:
    return section_of(bench.plugin.config)


def _sections(section: Section) -> Iterator[Section]:
    yield section
    for child in section.children:
        if isinstance(child, Section):
            yield from _sections(child)


def _instances(options: Any, section: Section) -> Iterator[Any]:
    if options is None:
        return
    yield options
    for child in section.children:
        if isinstance(child, Section) and child.whole is not None:
            yield from _instances(getattr(options, child.whole.attribute.name), child)
