"""What the real kustomize makes of ``deploy/``, which is what ``kubectl apply -k`` sends."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from ..deploy.manifests import DEPLOY, MANIFESTS, check, load, parse
from .processes import environment

pytestmark = pytest.mark.e2e

KUSTOMIZATIONS = sorted(DEPLOY.rglob("kustomization.yaml"))


def build(kustomize: Path, directory: Path) -> list[Any]:
    """Give the manifests of a directory, of which kustomize has nothing to warn."""
    done = subprocess.run(
        [str(kustomize), "build", str(directory)],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
    )
    assert (done.returncode, done.stderr) == (0, "")
    return parse(done.stdout)


@pytest.mark.parametrize(
    "path", KUSTOMIZATIONS, ids=lambda path: str(path.parent.relative_to(DEPLOY.parent))
)
def test_a_kustomization_makes_manifests(path: Path, kustomize: Path) -> None:
    manifests = build(kustomize, path.parent)

    assert manifests
    for manifest in manifests:
        check(manifest)


def test_the_deployment_has_every_manifest_and_every_file_where_a_pod_mounts_it(
    kustomize: Path,
) -> None:
    (kustomization,) = load(DEPLOY / "kustomization.yaml")
    manifests = build(kustomize, DEPLOY)

    written = sorted(identity(each) for path in MANIFESTS for each in load(path))
    maps = {
        each["metadata"]["name"]: each["data"] for each in manifests if each["kind"] == "ConfigMap"
    }
    assert sorted(identity(each) for each in manifests if each["kind"] != "ConfigMap") == written
    assert {each["metadata"]["namespace"] for each in manifests} == {"tracing"}
    files = [
        {Path(file).name: (DEPLOY / file).read_text("utf-8") for file in generated["files"]}
        for generated in kustomization["configMapGenerator"]
    ]
    assert sorted(maps.values(), key=str) == sorted(files, key=str)
    # Each under the name that it has got, with a hash of what is in it.
    assert mounted(manifests) == maps.keys()


def identity(manifest: Any) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def mounted(manifests: list[Any]) -> set[str]:
    return {
        volume["configMap"]["name"]
        for manifest in manifests
        for volume in manifest.get("spec", {})
        .get("template", {})
        .get("spec", {})
        .get("volumes", ())
    }
