"""The services of the compose files as processes: the same commands, files and variables."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..deploy.manifests import DEPLOY, ROOT, load, mounted_file
from ..ports import free_ports
from .processes import LOOPBACK, environment, running

_BUILD_TIMEOUT = 120.0
_START_TIMEOUT = 90.0
BIN = Path(sys.executable).parent


def service(file: str, name: str) -> Mapping[str, Any]:
    """Return a service of a compose file."""
    (compose,) = load(DEPLOY / "compose" / file)
    found: Mapping[str, Any] = compose["services"][name]
    return found


def variables(file: str, name: str, **addresses: str) -> dict[str, str]:
    """Return the environment of a service, with files of this repository for those that it mounts.

    Args:
        file: of ``deploy/compose``.
        name: of the service.
        addresses: for each service that it names, where that is: ``HOST:PORT``.
    """
    found = service(file, name)
    values = {key: str(value) for key, value in found["environment"].items()}
    for key, value in [*values.items()]:
        if value.startswith("/"):
            values[key] = str(mounted_file(DEPLOY / "compose" / file, found, value))
        for other, address in addresses.items():
            head, colon, tail = value.partition(f"{other}:")
            if colon:
                values[key] = head + address + tail.lstrip("0123456789")
            elif value == other and key.endswith("_HOST"):
                values[key], _, values[key.removesuffix("HOST") + "PORT"] = address.rpartition(":")
    return values


def build_bento(directory: Path) -> Path:
    """Build the bento of ``deploy/bentoml`` in a directory, and give its own."""
    (bentofile,) = load(DEPLOY / "bentoml/bentofile.yaml")
    # Otherwise BentoML asks an index for the version of each package, also of bentotrace.
    bentofile["python"]["lock_packages"] = False
    # JSON is YAML.
    (directory / "bentofile.yaml").write_text(json.dumps(bentofile), "utf-8")
    arguments = ["build", "-f", str(directory / "bentofile.yaml"), "-o", "tag"]
    done = subprocess.run(
        [BIN / "bentoml", *arguments, str(ROOT / "examples/iris")],
        capture_output=True,
        text=True,
        timeout=_BUILD_TIMEOUT,
        env=environment(BENTOML_HOME=str(directory), BENTOML_DO_NOT_TRACK="true"),
        cwd=directory,
    )
    assert done.returncode == 0, done.stderr
    tag = done.stdout.strip().removeprefix("__tag__:")
    return directory / "bentos" / tag.replace(":", "/")


@contextmanager
def running_service(directory: Path, variables: Mapping[str, str]) -> Iterator[str]:
    """Run the service of the Dockerfile, with the variables of a container; give its URL."""
    (port,) = free_ports()
    url = f"http://{LOOPBACK}:{port}"
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    program, *arguments = [
        word
        for instruction in ("ENTRYPOINT", "CMD")
        for line in text.splitlines()
        if line.startswith(f"{instruction} ")
        for word in json.loads(line.removeprefix(instruction))
    ]
    replaced = {"0.0.0.0": LOOPBACK, "8000": str(port)}
    served = shutil.copytree(ROOT / "examples/fastapi", directory / "service")
    with running(
        [str(BIN / program), *(replaced.get(word, word) for word in arguments)],
        log=directory / "service.log",
        health=f"{url}/healthz",
        within=_START_TIMEOUT,
        variables={"PATH": f"{BIN}:{environment()['PATH']}", **variables},
        directory=served,
    ):
        yield url


@contextmanager
def running_bento(bento: Path, log: Path, variables: Mapping[str, str]) -> Iterator[str]:
    """Run a bento as its image does, with the variables of a container; give its URL."""
    (port,) = free_ports()
    url = f"http://{LOOPBACK}:{port}"
    # What the Dockerfile of a bento sets, and what is not to be reached from elsewhere.
    image = {
        "BENTO_PATH": str(bento),
        "BENTOML_HOME": str(bento.parents[2]),
        "BENTOML_CONTAINERIZED": "true",
        "BENTOML_HOST": LOOPBACK,
        "BENTOML_DO_NOT_TRACK": "true",
        "PORT": str(port),
    }
    path = f"{BIN}:{environment()['PATH']}"
    with running(
        ["bash", str(bento / "env/docker/entrypoint.sh")],
        log=log,
        health=f"{url}/readyz",
        within=_START_TIMEOUT,
        variables={**image, "PATH": path, **variables},
        directory=bento,
    ):
        yield url
