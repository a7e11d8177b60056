"""What the real kustomize makes of ``deploy/``, which is what ``kubectl apply -k`` sends."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ..deploy.manifests import DEPLOY, KUSTOMIZATIONS, check, is_custom, load, parse
from .processes import environment

pytestmark = pytest.mark.e2e

APPLIED = [path.parent for path in KUSTOMIZATIONS if "namespace" in load(path)[0]]


def name(directory: Path) -> str:
    return str(directory.relative_to(DEPLOY.parent))


def build(kustomize: Path, directory: Path) -> list[Any]:
    """Return the manifests of a directory, of which kustomize has nothing to warn."""
    done = subprocess.run(
        [str(kustomize), "build", str(directory)],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
    )
    assert (done.returncode, done.stderr) == (0, "")
    return parse(done.stdout)


@pytest.mark.parametrize("directory", APPLIED, ids=name)
def test_a_kustomization_makes_manifests(directory: Path, kustomize: Path) -> None:
    manifests = build(kustomize, directory)

    assert {each["metadata"]["namespace"] for each in manifests} == {"tracing"}
    for manifest in manifests:
        if not is_custom(manifest):
            check(manifest)


@pytest.mark.parametrize("directory", APPLIED, ids=name)
def test_a_deployment_has_every_manifest_and_every_file_where_a_pod_mounts_it(
    directory: Path, kustomize: Path
) -> None:
    manifests = build(kustomize, directory)

    written, files = written_in(directory)
    maps = {
        each["metadata"]["name"]: each["data"] for each in manifests if each["kind"] == "ConfigMap"
    }
    found = [identity(each) for each in manifests if each["kind"] != "ConfigMap"]
    assert sorted(found) == sorted(written)
    assert sorted(maps.values(), key=str) == sorted(files, key=str)
    # Each under the name that it has got, with a hash of what is in it.
    assert mounted(manifests) == maps.keys()


def test_what_the_operator_reads_is_as_its_definitions_say(strimzi: Path, kustomize: Path) -> None:
    custom = [each for each in build(kustomize, DEPLOY / "kubernetes/kafka") if is_custom(each)]

    assert {each["kind"] for each in custom} == {"Kafka", "KafkaNodePool", "KafkaTopic"}
    for manifest in custom:
        (definition,) = load(strimzi / f"{manifest['kind']}.yaml")
        group, version = manifest["apiVersion"].split("/")
        assert group == definition["spec"]["group"]
        (schema,) = (
            each["schema"]["openAPIV3Schema"]
            for each in definition["spec"]["versions"]
            if each["name"] == version
        )
        jsonschema.validate(manifest, strict(schema))


def test_an_unknown_field_of_the_operator_is_found(strimzi: Path) -> None:
    (definition,) = load(strimzi / "KafkaTopic.yaml")
    schema = strict(definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"])

    with pytest.raises(jsonschema.ValidationError, match="partition"):
        jsonschema.validate({"spec": {"partition": 6}}, schema)


def strict(schema: Any) -> Any:
    """Return a schema of Kubernetes as JSON Schema that allows no unknown field."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    # The root and "metadata" have no properties of their own.
    is_open = "x-kubernetes-preserve-unknown-fields" in schema or "apiVersion" in schema.get(
        "properties", {}
    )
    if isinstance(schema.get("properties"), dict) and not is_open:
        made.setdefault("additionalProperties", False)
    return made


@pytest.mark.parametrize("directory", APPLIED, ids=name)
def test_a_container_sends_to_a_port_of_a_service_beside_it(
    directory: Path, kustomize: Path
) -> None:
    manifests = build(kustomize, directory)

    ports = {
        f"{each['metadata']['name']}:{port['port']}"
        for each in manifests
        if each["kind"] == "Service"
        for port in each["spec"]["ports"]
    }
    # The operator makes a service for a cluster.
    ports |= {
        f"{each['metadata']['name']}-kafka-bootstrap:{listener['port']}"
        for each in manifests
        if each["kind"] == "Kafka"
        for listener in each["spec"]["kafka"]["listeners"]
    }
    sent = {
        address
        for container in containers(manifests)
        for variable in container.get("env", ())
        for address in re.findall(r"([\w-]+:\d+)(?:/|$)", variable.get("value", ""))
    }
    # The gateway variant sends to the address of the node.
    assert sent or directory == DEPLOY
    assert sent <= ports


def written_in(directory: Path) -> tuple[list[tuple[str, str]], list[dict[str, str]]]:
    """Return the manifests of a kustomization and of those that it names, and its config maps."""
    (kustomization,) = load(directory / "kustomization.yaml")
    manifests = []
    files = [
        {Path(file).name: (directory / file).read_text("utf-8") for file in generated["files"]}
        for generated in kustomization.get("configMapGenerator", ())
    ]
    for resource in kustomization["resources"]:
        path = (directory / resource).resolve()
        if path.is_dir():
            more, other = written_in(path)
            manifests += more
            files += other
        else:
            manifests += [identity(each) for each in load(path)]
    return manifests, files


def identity(manifest: Any) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def pods(manifests: list[Any]) -> list[Any]:
    return [
        each["spec"]["template"]["spec"]
        for each in manifests
        if not is_custom(each) and "template" in each.get("spec", {})
    ]


def containers(manifests: list[Any]) -> list[Any]:
    return [container for pod in pods(manifests) for container in pod["containers"]]


def mounted(manifests: list[Any]) -> set[str]:
    return {
        volume["configMap"]["name"]
        for pod in pods(manifests)
        for volume in pod.get("volumes", ())
        if "configMap" in volume
    }
