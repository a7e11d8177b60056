"""Compose files and manifests against their schemas, and what they say of each other.

That Collectors start with these files is shown in tests/e2e/test_gateway.py, what kustomize makes
of them in tests/e2e/test_kustomize.py; no image is built.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import pytest

from bentotrace.config.load import load_config

from ..guide import FOLDER
from .manifests import (
    COMPOSE,
    DEPLOY,
    KUSTOMIZATIONS,
    MANIFESTS,
    ROOT,
    check,
    is_custom,
    load,
    mounted_file,
)


def merged(*paths: Path) -> dict[str, Any]:
    """Merge configurations as a Collector does: mappings deeply, all else replaced."""
    whole: dict[str, Any] = {}
    for path in paths:
        merge(whole, load(path)[0])
    return whole


def merge(whole: dict[str, Any], part: Mapping[str, Any]) -> None:
    for key, value in part.items():
        if isinstance(value, Mapping) and isinstance(whole.get(key), dict):
            merge(whole[key], value)
        else:
            whole[key] = value


def name(path: Path) -> str:
    return path.name


def containers() -> list[Any]:
    return [
        pytest.param(manifest, pod, container, id=container["name"])
        for path in MANIFESTS
        for manifest in load(path)
        if "template" in manifest["spec"] and not is_custom(manifest)
        for pod in [manifest["spec"]["template"]["spec"]]
        for container in pod["containers"]
    ]


@pytest.mark.parametrize("path", COMPOSE, ids=name)
def test_a_compose_file_is_one(path: Path) -> None:
    compose_spec = pytest.importorskip("compose_spec", reason="it reads compose files strictly")

    compose_spec.PyCompose.from_yaml(path.read_text("utf-8"))


@pytest.mark.parametrize("path", COMPOSE, ids=name)
def test_what_a_compose_file_mounts_and_builds_is_there(path: Path) -> None:
    (compose,) = load(path)

    for service in compose["services"].values():
        for mount in service.get("volumes", ()):
            source = mount.partition(":")[0]
            known = source in compose.get("volumes", {})
            assert known or (path.parent / source).is_file(), mount
        if "build" in service:
            context = (path.parent / service["build"]["context"]).resolve()
            assert context == ROOT
            assert (context / service["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize("path", COMPOSE, ids=name)
def test_the_service_of_a_compose_file_sends_to_one_beside_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (compose,) = load(path)
    service = compose["services"]["service"]
    environment = dict(service["environment"])
    named = environment.pop("BENTOML_CONFIG", None)
    file = ROOT / "examples/fastapi/tracing.yaml"
    monkeypatch.syspath_prepend(ROOT / "contrib/bentotrace-kafka/src")

    config = load_config(
        file if named is None else mounted_file(path, service, named),
        environ=environment,
        plugins=[importlib.import_module("bentotrace_kafka")],
    )

    (exporter,) = config.exporters
    assert exporter.target is not None
    host = re.match(r"(?:http://)?([^:/]+):", exporter.target.endpoint)
    assert host is not None
    assert host[1] in compose["services"]
    assert not [note for note in config.notes if note.warning]


def test_a_bento_beside_jaeger_has_the_variables_of_the_guide() -> None:
    (guide,) = load(FOLDER / "bentoml-1.0/docker-compose.yml")
    (compose,) = load(DEPLOY / "compose/bentoml.yaml")
    variables = {
        key: str(each) for key, each in compose["services"]["service"]["environment"].items()
    }
    listed = dict(each.split("=") for each in guide["services"]["iris_classifier"]["environment"])

    assert variables.keys() == listed.keys()
    named = [key for key in listed if key != "BENTOML_CONFIG"]
    assert {key: variables[key] for key in named} == {key: listed[key] for key in named}
    mounted_file(
        DEPLOY / "compose/bentoml.yaml", compose["services"]["service"], variables["BENTOML_CONFIG"]
    )


@pytest.mark.parametrize("path", MANIFESTS, ids=name)
def test_a_manifest_is_one(path: Path) -> None:
    for manifest in load(path):
        if not is_custom(manifest):
            check(manifest)


def test_the_kustomizations_have_every_manifest_and_files_that_are_there() -> None:
    named = set()
    for path in KUSTOMIZATIONS:
        (kustomization,) = load(path)
        resources = {(path.parent / each).resolve() for each in kustomization["resources"]}
        directories = {each for each in resources if each.is_dir()}
        assert {each / "kustomization.yaml" for each in directories} <= set(KUSTOMIZATIONS)
        named |= resources - directories
        for generated in kustomization.get("configMapGenerator", ()):
            for file in generated["files"]:
                assert (path.parent / file).is_file()

    assert sorted(named) == MANIFESTS


@pytest.mark.parametrize(("manifest", "pod", "container"), containers())
def test_a_container_reads_files_that_its_config_map_has(
    manifest: dict[str, Any], pod: dict[str, Any], container: dict[str, Any]
) -> None:
    generated = {
        item["name"]: [Path(file).name for file in item["files"]]
        for path in KUSTOMIZATIONS
        for item in load(path)[0].get("configMapGenerator", ())
    }
    volumes = {volume["name"]: volume for volume in pod.get("volumes", ())}
    claimed = {
        claim["metadata"]["name"] for claim in manifest["spec"].get("volumeClaimTemplates", ())
    }

    there = {
        f"{mount['mountPath']}/{file}"
        for mount in container.get("volumeMounts", ())
        if mount["name"] not in claimed
        for file in generated[volumes[mount["name"]]["configMap"]["name"]]
    }

    variables = {each["name"]: each.get("value") for each in container.get("env", ())}
    read = {argument.partition("--config=")[2] for argument in container.get("args", ())}
    read |= {variables[name] for name in ("BENTOML_CONFIG",) if name in variables}
    assert read <= there
    assert manifest["spec"]["selector"]["matchLabels"].items() <= (
        manifest["spec"]["template"]["metadata"]["labels"].items()
    )


@pytest.mark.parametrize(("manifest", "pod", "container"), containers())
def test_probes_and_services_name_ports_that_a_container_has(
    manifest: dict[str, Any], pod: dict[str, Any], container: dict[str, Any]
) -> None:
    ports = {port["name"] for port in container["ports"]}

    probes = [container[name] for name in ("readinessProbe", "livenessProbe") if name in container]
    assert probes
    assert {probe["httpGet"]["port"] for probe in probes} <= ports
    for path in MANIFESTS:
        for service in load(path):
            labels = manifest["spec"]["template"]["metadata"]["labels"]
            if service["kind"] == "Service" and service["spec"]["selector"] == labels:
                assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_the_bentofile_names_extras_that_are_and_files_of_the_example() -> None:
    (bentofile,) = load(DEPLOY / "bentoml/bentofile.yaml")
    named = [re.match(r"bentotrace\[([\w,]+)\]", each) for each in bentofile["python"]["packages"]]

    (extras,) = (each[1].split(",") for each in named if each)
    assert set(extras) <= set(metadata("bentotrace").get_all("Provides-Extra") or ())
    assert all((ROOT / "examples/iris" / file).is_file() for file in bentofile["include"])


def test_a_gateway_that_is_to_end_has_the_time_to_decide_on_what_waits() -> None:
    (_, gateway) = load(DEPLOY / "kubernetes/gateway.yaml")
    (config,) = load(DEPLOY / "collector/gateway.yaml")
    pod = gateway["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    # Agents ask for its address every 5 s, and name servers may remember it for 30 s.
    waits = int(config["processors"]["tail_sampling"]["decision_wait"].removesuffix("s"))
    goes_on = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert 30 + 5 + waits < goes_on < pod["terminationGracePeriodSeconds"]


def test_every_image_of_others_has_a_version_and_only_one() -> None:
    text = "".join(path.read_text("utf-8") for path in (*COMPOSE, *MANIFESTS))
    own = {"bentotrace-example", "iris_classifier", "iris_classifier:latest"}
    images = set(re.findall(r"image: (\S+)", text)) - own

    names = [image.rpartition(":")[0] for image in sorted(images)]
    assert len(names) == len(set(names)) == 4
    assert all(re.search(r":\d+\.\d+\.\d+$", image) for image in images)


@pytest.mark.parametrize(
    "files",
    [
        ["collector/gateway.yaml"],
        ["collector/gateway.yaml", "collector/contrib.yaml"],
        ["collector/agent.yaml"],
        ["jaeger/jaeger.yaml"],
        ["jaeger/jaeger.yaml", "jaeger/kafka.yaml"],
    ],
    ids=" + ".join,
)
def test_a_collector_uses_every_component_that_it_defines_and_no_other(files: list[str]) -> None:
    config = merged(*(DEPLOY / file for file in files))
    service = config["service"]

    for kind in ("receivers", "processors", "exporters"):
        used = {name for pipeline in service["pipelines"].values() for name in pipeline[kind]}
        assert used == set(config[kind])
    assert set(service.get("extensions", ())) == set(config.get("extensions", ()))


def test_the_dockerfile_copies_what_is_there_and_asks_for_extras_that_are() -> None:
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    copied = re.findall(r"^COPY (?!--from)(\S+)", text, re.MULTILINE)
    extras = re.search(r"whl\)\[([\w,]+)\]", text)

    assert copied
    assert all((ROOT / path).exists() for path in copied)
    assert extras is not None
    assert set(extras[1].split(",")) <= set(metadata("bentotrace").get_all("Provides-Extra") or ())
