"""``bentotrace new-exporter``: write the distribution of an exporter, with its tests."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bentotrace._version import __version__
from bentotrace.discovery.finder import find
from bentotrace.plugin import API_VERSION

if TYPE_CHECKING:
    import jinja2

__all__ = ["new_exporter", "render_exporter"]

_TEMPLATES = Path(__file__).with_name("templates") / "exporter"
_SUFFIX = ".jinja"
_TRANSPORTS = {
    "http": "Spans as JSON over HTTP",
    "grpc": "Spans as JSON over gRPC",
    "udp": "Spans as JSON over UDP",
    "none": "Spans as JSON in a file",
}


@click.command("new-exporter")
@click.argument("name")
@click.option(
    "--transport",
    type=click.Choice(list(_TRANSPORTS)),
    default="http",
    show_default=True,
    help="How the exporter sends; none writes to a file.",
)
@click.option("--extension", is_flag=True, help="Write the extension NAME_filter, too.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="The new directory; by default bentotrace-NAME in the current one.",
)
def new_exporter(name: str, transport: str, extension: bool, output: Path | None) -> None:
    """Write the distribution of the exporter NAME, whose own tests pass.

    NAME is the exporter_type in a configuration, such as "acme".
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name) or name == "none":
        raise click.BadParameter(
            f"{name!r} is not a name of an exporter; use lower-case letters, digits and _, "
            f"such as acme_cloud",
            param_hint="NAME",
        )
    if any(claim.name == name and claim.distribution == "bentotrace" for claim in find()):
        raise click.BadParameter(
            f"bentotrace itself has the exporter {name}; choose another name", param_hint="NAME"
        )
    folder = output or Path(f"bentotrace-{name.replace('_', '-')}")
    _write_files(folder, list(render_exporter(name, transport, extension)))
    click.echo(
        f"{folder} has the exporter {name}. Install it and run its tests:\n"
        f"  cd {folder} && pip install -e '.[test]' && pytest"
    )


def _write_files(folder: Path, files: Iterable[tuple[str, str]]) -> None:
    """Create a directory with files, given as pairs of path and text."""
    # A deleted working directory is an error of its own.
    Path.cwd()
    path = folder
    try:
        folder.mkdir(parents=True)
        for name, text in files:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        exists = path == folder and isinstance(error, FileExistsError)
        reason = "exists" if exists else f"cannot be written: {error.strerror}"
        raise click.ClickException(
            f"{path} {reason}; name another directory with --output"
        ) from error


def render_exporter(name: str, transport: str, extension: bool) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of each file of a distribution."""
    environment = _environment()
    package = f"bentotrace_{name}"
    values: dict[str, Any] = {
        "name": name,
        "distribution": package.replace("_", "-"),
        "package": package,
        "class_name": "".join(word.capitalize() for word in name.split("_")),
        "variable": name.upper(),
        "transport": transport,
        "summary": _TRANSPORTS[transport],
        "extension": extension,
        "version": __version__,
        "api_version": API_VERSION,
    }
    for template in sorted(_TEMPLATES.rglob(f"*{_SUFFIX}")):
        found = template.relative_to(_TEMPLATES).as_posix()
        text = environment.get_template(found).render(values)
        path = found.removesuffix(_SUFFIX).replace("PACKAGE", package)
        # A file that this exporter does not need is one large condition.
        if text.strip() or path.endswith("py.typed"):
            yield path, text.strip("\n") + "\n" if text.strip() else ""


def _environment() -> jinja2.Environment:
    try:
        import jinja2
    except ImportError as error:
        raise click.ClickException(
            f"new-exporter needs {error.name}; pip install 'bentotrace[authors]'"
        ) from None
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
