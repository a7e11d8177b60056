"""The snippets of BentoML's guides, served by ``bentoml serve``, and what BentoML refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

pytest.importorskip("bentoml", reason="These tests serve with BentoML.")
pytest.importorskip("trustme", reason="the OTLP snippet names a certificate")

import trustme

from bentotrace.testing import (
    JaegerHTTPReceiver,
    JaegerUDPReceiver,
    OTLPHTTPReceiver,
    Receiver,
    ZipkinReceiver,
)

from ...guide import FOLDER, SNIPPETS
from .services import IRIS, WITHOUT_A_LINE
from .serving import RUN, run, serving

Write = Callable[[str, str], Path]

RECEIVERS: Mapping[str, type[Receiver]] = {
    "thrift_compact": JaegerUDPReceiver,
    "thrift_http": JaegerHTTPReceiver,
    "zipkin": ZipkinReceiver,
    "otlp_http": OTLPHTTPReceiver,
}
SERVICES = {snippet.name: snippet for snippet in SNIPPETS if snippet.name.endswith(".py")}
CONFIGURATION = next(each for each in SNIPPETS if each.name.endswith("bentoml_configuration.yaml"))
GRPC = "Error: [serve] `serve-grpc` failed: <class '_bentoml_sdk.service.factory.Service'> type doesn't support gRPC serving"


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_of_the_guide_sends_to_its_server(
    name: str, write: Write, directory: Path
) -> None:
    certificate = directory / "cert.pem"
    trustme.CA().cert_pem.write_to_path(str(certificate))
    snippet = SERVICES[name]
    with RECEIVERS[snippet.wire]() as receiver:
        host, _, port = receiver.address.rpartition(":")
        write("service.py", snippet.text(int(port), certificate))
        variables = snippet.environment(host, int(port))
        with serving(directory, "service:MyService", start=RUN, **variables) as service:
            assert service.get("/livez") == 200
            assert service.end() == 0

    assert not receiver.errors
    names = [span.name for span in receiver.spans]
    assert "GET /livez" in names
    # Its pattern is readyz.
    assert ("GET /readyz" in names) is not name.endswith("common.py")


@pytest.mark.parametrize("target", ["iris_classifier:latest", "$BENTO_BUNDLE_PATH"])
def test_a_bento_is_served_with_the_configuration_of_the_guide(
    target: str, write: Write, directory: Path
) -> None:
    write("service.py", WITHOUT_A_LINE)
    write(
        "bentofile.yaml",
        """\
        service: "service:Iris"
        name: iris_classifier
        include: ["service.py"]
        python: {lock_packages: false}
        """,
    )
    tag = run(directory, "build", "-o", "tag").stdout.strip().removeprefix("__tag__:")
    path = directory.parent / "bentoml" / "bentos" / tag.replace(":", "/")
    target = target.replace("$BENTO_BUNDLE_PATH", str(path))
    with JaegerUDPReceiver() as receiver:
        host, _, port = receiver.address.rpartition(":")
        text = CONFIGURATION.text(int(port)).replace("version: 1\n", "")
        write("bentoml_configuration.yaml", text)
        variables = {
            **CONFIGURATION.environment(host, int(port)),
            "BENTOML_CONFIG": "bentoml_configuration.yaml",
        }
        with serving(directory, target, start=RUN, **variables) as iris:
            for _ in range(30):
                iris.ask("/classify", petal=1.0)
            assert iris.end() == 0

    names = [span.name for span in receiver.spans]
    assert 0 < names.count("POST /classify") < 30
    assert iris.said().count(f"tracing to jaeger (thrift over UDP) at {host}:{port}") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("serve-grpc", "service:Iris"), GRPC),
        (("serve", "service:Iris", "--config", "x.yml"), "Error: No such option '--config'."),
        # What the image of a bento runs with the arguments that follow its name.
        (
            ("serve", "-p", "5000:5000", "--config", "/tmp/my_config_file.yml", "service:Iris"),
            "Error: No such option '--config'.",
        ),
    ],
)
def test_what_bentoml_refuses_it_refuses_in_these_words(
    arguments: Sequence[str], words: str, write: Write, directory: Path
) -> None:
    write("service.py", WITHOUT_A_LINE)

    done = run(directory, *arguments, start=RUN)

    assert done.returncode != 0
    assert words in done.stderr
    assert (FOLDER.parents[2] / "docs" / "guide.md").read_text("utf-8").count(words[-24:]) == 1


JAEGER = "exporter_type: jaeger, sample_rate: 1.0, jaeger"
REFUSED = {
    "api_server": (
        f"api_server: {{tracing: {{{JAEGER}: {{protocol: thrift}}}}}}",
        "Wrong key 'tracing'",
    ),
    "tracing": (
        f"tracing: {{{JAEGER}: {{protocol: grpc, grpc: {{endpoint: 'http://localhost:14250'}}}}}}",
        "Wrong key 'endpoint'",
    ),
}


@pytest.mark.parametrize("layout", REFUSED)
def test_a_file_that_bentoml_refuses_is_refused_in_the_words_of_the_page(
    layout: str, write: Write, directory: Path
) -> None:
    text, words = REFUSED[layout]
    write("service.py", IRIS)
    write("bentoml.yaml", text)

    done = run(directory, "serve", "service:Iris", BENTOML_CONFIG="bentoml.yaml")

    assert done.returncode == 1
    assert words in done.stdout + done.stderr
    assert words in (FOLDER.parents[2] / "docs" / "bentoml.md").read_text("utf-8").replace(
        "\n", " "
    )


@pytest.mark.parametrize(("service", "start"), [(IRIS, ()), (WITHOUT_A_LINE, RUN)])
def test_what_bentoml_says_of_version_1_comes_with_what_to_do(
    service: str, start: Sequence[str], write: Write, directory: Path
) -> None:
    write("service.py", service)
    write("bentoml.yaml", f"version: 1\ntracing: {{{JAEGER}: {{protocol: thrift}}}}")

    done = run(directory, "serve", "service:Iris", start=start, BENTOML_CONFIG="bentoml.yaml")

    assert done.returncode == 1
    output = done.stdout + done.stderr
    advice = "BentoML refuses version: 1 for a class with @bentoml.service, and version: 2 for its"
    assert output.count(advice) == output.count("Key 'version' error:") == 1


def test_bentoml_refuses_version_2_as_the_message_says(write: Write, directory: Path) -> None:
    write("service.py", WITHOUT_A_LINE)
    write("bentoml.yaml", "version: 2\nservices: {}")

    done = run(directory, "serve", "service:Iris", BENTOML_CONFIG="bentoml.yaml")

    assert done.returncode == 1
    assert "Key 'version' error:" in done.stderr
