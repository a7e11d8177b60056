from __future__ import annotations

import importlib
import types
from collections.abc import Callable

import pytest

import bentotrace
from bentotrace import exceptions

RunPython = Callable[[str], str]


def test_every_public_name_is_there() -> None:
    for name in bentotrace.__all__:
        assert getattr(bentotrace, name).__doc__, name


def test_every_name_in_the_namespace_is_public_or_private_on_purpose() -> None:
    public = {
        name
        for name, value in vars(bentotrace).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }

    assert public - set(bentotrace.__all__) <= {"annotations", "Mapping", "TYPE_CHECKING", "Any"}


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        bentotrace.nothing  # noqa: B018


@pytest.mark.parametrize(
    "module", ["exceptions", "hookspecs", "plugin", "transport", "transport.udp", "testing"]
)
def test_a_module_for_authors_says_what_it_exports(module: str) -> None:
    loaded = importlib.import_module(f"bentotrace.{module}")

    assert loaded.__doc__
    assert len(set(loaded.__all__)) == len(loaded.__all__)


def test_every_error_is_in_the_tree_of_the_docstring() -> None:
    for name in exceptions.__all__:
        assert issubclass(getattr(exceptions, name), exceptions.BentotraceError)
        assert name in (exceptions.__doc__ or "")


def test_importing_bentotrace_imports_nothing_heavy(run_python: RunPython) -> None:
    said = run_python(
        """
        import sys
        import bentotrace
        heavy = {"grpc", "urllib3", "ssl", "requests", "google.protobuf", "pluggy", "cattrs"}
        print(sorted(heavy & set(sys.modules)))
        print([name for name in sys.modules if name.startswith("bentotrace_")])
        """
    )

    assert said.splitlines() == ["[]", "[]"]


def test_building_otlp_over_http_leaves_grpc_out(run_python: RunPython) -> None:
    said = run_python(
        """
        import sys
        import bentotrace
        with bentotrace.build({"exporter_type": "otlp", "otlp": {"protocol": "http"}}):
            print(sorted({"grpc", "google.protobuf", "requests"} & set(sys.modules)))
        """
    )

    assert said == "[]\n"


def test_none_builds_a_pipeline_without_an_exporter(run_python: RunPython) -> None:
    said = run_python(
        """
        import sys
        import bentotrace
        with bentotrace.build({"exporter_type": "none", "sample_rate": 1}) as tracing:
            tracing.provider.get_tracer("test").start_span("one").end()
            print(tracing.status())
        print([name for name in sys.modules if name.startswith("bentotrace_")])
        """
    )

    assert said.splitlines() == ["Status(destinations=())", "[]"]
