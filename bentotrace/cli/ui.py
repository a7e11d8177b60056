"""``bentotrace ui``: receive spans on the usual ports, and show them in the browser."""

from __future__ import annotations

import os
import secrets
import signal
import sqlite3
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bentotrace.cli.viewer import open_page, require_viewer
from bentotrace.exceptions import BentotraceError

if TYPE_CHECKING:
    from bentotrace.ui.server import Viewer
    from bentotrace.ui.store import Store

__all__ = ["load_file", "ui"]

_LOAD_SECONDS = 30.0
_POLL_SECONDS = 0.05
_PORT = click.IntRange(0, 65535)


@click.command()
@click.argument("files", nargs=-1, type=click.Path())
@click.option("--host", default="127.0.0.1", show_default=True, help="The address of every port.")
@click.option("--port", default=16686, show_default=True, type=_PORT, help="Page and query API.")
@click.option(
    "--otlp-http-port", default=4318, show_default=True, type=_PORT, help="OTLP over HTTP."
)
@click.option(
    "--otlp-grpc-port", default=4317, show_default=True, type=_PORT, help="OTLP over gRPC."
)
@click.option(
    "--jaeger-grpc-port", default=14250, show_default=True, type=_PORT, help="Jaeger over gRPC."
)
@click.option(
    "--jaeger-http-port",
    default=14268,
    show_default=True,
    type=_PORT,
    help="Jaeger's Thrift over HTTP.",
)
@click.option(
    "--jaeger-udp-port",
    default=6831,
    show_default=True,
    type=_PORT,
    help="Jaeger's compact Thrift.",
)
@click.option(
    "--jaeger-udp-binary-port",
    default=6832,
    show_default=True,
    type=_PORT,
    help="Jaeger's binary Thrift.",
)
@click.option(
    "--zipkin-port",
    default=9411,
    show_default=True,
    type=_PORT,
    help="Zipkin, spans and query API.",
)
@click.option("--store", type=click.Path(), help="The file; default: in the cache directory.")
@click.option("--memory", is_flag=True, help="Keep spans in memory only.")
@click.option(
    "--max-spans",
    default=500_000,
    show_default=True,
    type=click.IntRange(1),
    help="Spans kept; the oldest traces are removed first.",
)
@click.option("--no-open", is_flag=True, help="Do not open the browser.")
@click.option(
    "--export",
    type=(str, click.Path(dir_okay=False)),
    metavar="TRACE_ID PAGE",
    help="Write a trace of the store, or of FILES, as one HTML file, and stop.",
)
def ui(
    files: tuple[str, ...],
    host: str,
    port: int,
    store: str | None,
    memory: bool,
    max_spans: int,
    no_open: bool,
    export: tuple[str, str] | None,
    **ports: int,
) -> int:
    """Receive spans in every format on the usual ports, and show them in the browser.

    FILES of OTLP JSON lines, Jaeger's JSON or Zipkin's are opened too. Port 0 selects a free one.
    With --host other than loopback the page needs the token that is printed with its address.
    """
    # gRPC's core otherwise logs every connection that ends.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    if memory and store is not None:
        raise click.UsageError("--memory and --store exclude each other")
    if not host.strip():
        raise click.UsageError("--host needs an address, such as 127.0.0.1")
    require_viewer()
    from bentotrace.ui.safety import is_loopback
    from bentotrace.ui.server import TAKEN, Settings, Viewer

    if memory or (export is not None and files):
        path = None
    else:
        path = _default_store() if store is None else Path(store)
    if export is not None:
        return _export(export[0], Path(export[1]), path, files)
    receivers = {name.removesuffix("_port"): value for name, value in ports.items()}
    settings = Settings(
        host=host,
        ports={"page": port, **receivers},
        store=path,
        max_spans=max_spans,
        token="" if is_loopback(host) else secrets.token_urlsafe(24),
    )
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with Viewer(settings) as viewer:
        loaded = sum(load_file(file, viewer.store, path) for file in files)
        kept = viewer.store.counts()["spans"]
        if kept < loaded:
            click.echo(f"kept {kept} of {loaded} spans; raise --max-spans", err=True)
        _print_listeners(viewer)
        problems = {listener.name: listener.problem for listener in viewer.listeners}
        if all(problems.values()):
            if TAKEN not in problems.values():
                raise BentotraceError(
                    f"no port of {host} can be opened: {problems['page']}; see --host"
                )
            raise BentotraceError(
                "no port is free; stop what uses them, or choose others, such as --port 0"
            )
        page = (
            f"open {viewer.url}" if viewer.url else f"the page is not available: {problems['page']}"
        )
        click.echo(page)
        click.echo("press Ctrl-C to stop")
        if viewer.url and not no_open:
            open_page(viewer.url)
        stopped.wait()
    return 0


def _export(trace_id: str, page: Path, path: Path | None, files: tuple[str, ...]) -> int:
    """Write a trace of a store, or of some files, as an HTML file."""
    from bentotrace.ui.database import StoreFile
    from bentotrace.ui.page_file import write_page
    from bentotrace.ui.store import Store
    from bentotrace.ui.values import text

    with closing(Store(None, sys.maxsize) if path is None else StoreFile(path)) as store:
        if isinstance(store, Store):
            for file in files:
                load_file(file, store, None)
        try:
            content = write_page(store, text(trace_id).lower().zfill(32))
        except LookupError:
            place = ", ".join(files) if files else str(path or "memory")
            raise BentotraceError(f"there is no trace {trace_id} in {place}") from None
    try:
        page.write_text(content, "utf-8", "replace")
    except OSError as error:
        raise BentotraceError(f"{page} cannot be written: {error.strerror}") from error
    click.echo(f"{page}: {len(content.encode('utf-8', 'replace')) // 1000} kB")
    return 0


def load_file(file: str, store: Store, path: Path | None) -> int:
    """Add the spans of a file to a store, print how many there are, and return it."""
    from bentotrace.ui.database import cannot_use
    from bentotrace.ui.files import read_file
    from bentotrace.ui.store import StoreFullError

    decoded = read_file(Path(file))
    end = time.monotonic() + _LOAD_SECONDS
    while True:
        try:
            store.add(decoded.spans).result()
            break
        except StoreFullError as error:
            # Senders already fill the queue, which the store empties.
            if time.monotonic() > end:
                reason = "too many spans arrive; stop the programs that send them"
                raise BentotraceError(f"{file} cannot be loaded: {reason}") from error
            time.sleep(_POLL_SECONDS)
        except sqlite3.Error as error:
            raise cannot_use(path, error) from error
    refused = f", {decoded.refused} refused: {decoded.reason}" if decoded.refused else ""
    spans = "1 span" if len(decoded.spans) == 1 else f"{len(decoded.spans)} spans"
    click.echo(f"{file}: {spans}{refused}")
    return len(decoded.spans)


def _default_store() -> Path:
    try:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError as error:
        raise BentotraceError(
            "there is no home directory; name a file with --store, or use --memory"
        ) from error
    return Path(cache) / "bentotrace" / "ui.sqlite"


def _print_listeners(viewer: Viewer) -> None:
    for listener in viewer.listeners:
        if listener.problem:
            problem = f"{listener.title}: not available, {listener.problem}"
            click.echo(f"  {listener.port:>5}  {problem}", err=True)
        else:
            click.echo(f"  {listener.port:>5}  {listener.title}")
