from __future__ import annotations

from typing import Any

BROKEN = """
    from bentotrace.hookspecs import hookimpl
    from bentotrace.plugin import ExporterPlugin
    from attrs import frozen

    @frozen
    class Options:
        pass

    def create(options, context):
        raise OSError("no such device")

    @hookimpl
    def bentotrace_exporter():
        return ExporterPlugin(name="broken", config=Options, create=create, summary="")
"""


def test_exporters_are_checked_by_making_and_closing_them(distributions: Any) -> None:
    distributions.add("broken", "broken_exporter", BROKEN, exporter="broken")
    script = """
        import threading
        import bentotrace
        from bentotrace.pipeline.build import check_exporters

        check_exporters(bentotrace.load_config({"exporter_type": "console"}))
        print(threading.active_count())
        try:
            check_exporters(bentotrace.load_config({"exporter_type": ["console", "broken"]}))
        except bentotrace.PluginError as error:
            print(error)
    """

    assert distributions.run(script) == (
        "1\nexporter 'broken' cannot be made: OSError: no such device\n"
    )
