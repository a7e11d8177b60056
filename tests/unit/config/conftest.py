from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bentotrace.config.load import Config, load_config
from bentotrace.exceptions import ConfigError


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Writes a file into the current directory and gives its name."""
    monkeypatch.chdir(tmp_path)

    def write(content: str | bytes, name: str = "f.yaml") -> str:
        if isinstance(content, str):
            content = textwrap.dedent(content).lstrip("\n").encode()
        (tmp_path / name).write_bytes(content)
        return name

    return write


@pytest.fixture
def load(write: Callable[..., str]) -> Callable[..., Config]:
    """Loads a text as a file, with an environment of its own."""

    def load(
        text: str | bytes, environ: Mapping[str, str] | None = None, **overrides: Any
    ) -> Config:
        return load_config(write(text), environ=environ or {}, overrides=overrides)

    return load


@pytest.fixture
def problems(load: Callable[..., Config]) -> Callable[..., list[str]]:
    """Loads what is wrong and gives the messages, without the file's name."""

    def problems(
        text: str | bytes, environ: Mapping[str, str] | None = None, **overrides: Any
    ) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text, environ, **overrides)
        return [line.removeprefix("f.yaml:") for line in str(caught.value).splitlines()]

    return problems


@pytest.fixture(scope="module")
def takes() -> Callable[[Any], bool]:
    """Whether a document is good by the schema."""
    # It loads every exporter, which other tests here do without.
    from .schemas import schema

    reason = "the schema is tried with jsonschema"
    validators = pytest.importorskip("jsonschema", reason=reason)
    made: Callable[[Any], bool] = validators.Draft202012Validator(schema()).is_valid
    return made
