"""What is in ``deploy/``, and how Kubernetes reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
KUBERNETES = "1.33"


def parse(text: str) -> list[Any]:
    """Give the documents of a YAML text."""
    return list(YAML(typ="safe").load_all(text))


def load(path: Path) -> list[Any]:
    """Give the documents of a file."""
    return parse(path.read_text("utf-8"))


def check(manifest: Any) -> None:
    """Compare a manifest with the schema of Kubernetes, which allows no unknown field."""
    kubernetes_validate = pytest.importorskip(
        "kubernetes_validate", reason="it has the schemas of Kubernetes"
    )
    kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
