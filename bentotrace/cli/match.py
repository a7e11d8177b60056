"""``bentotrace match``: is a request with this URL traced?"""

from __future__ import annotations

import click

import bentotrace
from bentotrace import registry
from bentotrace.exceptions import ConfigError
from bentotrace.pipeline.sampler import ExcludedURLs

__all__ = ["match"]


@click.command()
@click.argument("url")
@click.argument("file", type=click.Path(), required=False)
@click.option("--service", help="The service of a BentoML file whose block is meant.")
def match(url: str, file: str | None, service: str | None) -> int:
    """Tell which pattern of excluded_urls in FILE, or in the environment, matches a URL.

    URL is a whole one, or a path. Without FILE it is the file that BENTOTRACE_CONFIG or
    BENTOML_CONFIG names. The exit code is 0 when the URL is excluded, 1 when it is traced, and 2
    when that cannot be told.
    """
    # No server sees a fragment.
    url = url.partition("#")[0]
    if not url.startswith("/") and "://" not in url:
        example = "http://localhost:3000/healthz, or a path such as /healthz"
        raise click.BadParameter(f"{url!r} is none; write it as {example}", param_hint="URL")
    try:
        # The exporter is no matter here, so its plugin is not loaded.
        config = bentotrace.load_config(file, service=service, exporter_type=registry.NONE)
    except ConfigError as error:
        click.echo(str(error), err=True)
        return 2
    for note in config.notes:
        if note.warning:
            click.echo(f"warning: {note}", err=True)
    patterns = config.options.excluded_urls
    found = ExcludedURLs(patterns).find({"url.path" if url.startswith("/") else "url.full": url})
    if found is None:
        plural = "" if len(patterns) == 1 else "s"
        click.echo(f"traced: none of {len(patterns)} pattern{plural} matches")
        return 1
    (setting,) = [item for item in config.settings if item.path == ("excluded_urls",)]
    assert setting.effective is not None
    click.echo(f"excluded by {found}, {setting.effective.source}")
    return 0
