"""What is in ``deploy/``, and how Kubernetes reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = sorted((DEPLOY / "compose").glob("*.yaml"))
KUSTOMIZATIONS = sorted(DEPLOY.rglob("kustomization.yaml"))
KUBERNETES = "1.33"


def parse(text: str) -> list[Any]:
    """Return the documents of a YAML text."""
    return list(YAML(typ="safe").load_all(text))


def load(path: Path) -> list[Any]:
    """Return the documents of a file."""
    return parse(path.read_text("utf-8"))


MANIFESTS = sorted(
    path
    for path in DEPLOY.rglob("*.yaml")
    if "kustomization" not in path.name
    and all({"apiVersion", "kind", "metadata"} <= each.keys() for each in load(path))
)


def check(manifest: Any) -> None:
    """Compare a manifest with the schema of Kubernetes, which allows no unknown field."""
    kubernetes_validate = pytest.importorskip(
        "kubernetes_validate", reason="it has the schemas of Kubernetes"
    )
    kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def is_custom(manifest: Any) -> bool:
    """Return whether an operator brings the kind of a manifest."""
    return "strimzi.io/" in manifest["apiVersion"]


def mounted_file(path: Path, service: Mapping[str, Any], target: str) -> Path:
    """Return the file that a service of a compose file has at a path of its container."""
    (source,) = (
        mount.split(":")[0]
        for mount in service["volumes"]
        if mount.removesuffix(":ro").endswith(f":{target}")
    )
    return (path.parent / source).resolve()
