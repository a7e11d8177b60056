"""``bentotrace match``: is a request with this URL traced?"""

from __future__ import annotations

import click

from bentotrace import registry
from bentotrace.cli.reading import read_config
from bentotrace.config.load import Config
from bentotrace.exceptions import BentotraceError
from bentotrace.pipeline.urls import URLPatterns

__all__ = ["match"]


@click.command()
@click.argument("url")
@click.argument("file", type=click.Path(), required=False)
@click.option("--service", help="The service of a BentoML file whose block is meant.")
def match(url: str, file: str | None, service: str | None) -> int:
    """Tell which pattern of excluded_urls in FILE, or in the environment, matches a URL.

    Of a URL that is traced, it tells which rate applies, where sample_rates gives some.
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
        config = read_config(file, service, exporter_type=registry.NONE)
    except BentotraceError as error:
        click.echo(str(error), err=True)
        return 2
    for note in config.notes:
        if note.warning:
            click.echo(f"warning: {note}", err=True)
    request = {"url.path" if url.startswith("/") else "url.full": url}
    patterns = config.options.excluded_urls
    found = URLPatterns(patterns).find(request)
    if found is not None:
        click.echo(f"excluded by {patterns[found]}, {_source(config, 'excluded_urls')}")
        return 0
    plural = "" if len(patterns) == 1 else "s"
    click.echo(f"traced: none of {len(patterns)} pattern{plural} matches")
    rates = config.options.effective_sample_rates
    if rates:
        found = URLPatterns([item.match for item in rates]).find(request)
        rate, which, option = config.options.sample_rate, "sample_rate", "sample_rate"
        if found is not None:
            rate, option = rates[found].rate, "sample_rates"
            which = f"sample_rates[{found}], {rates[found].match}"
        click.echo(f"at the rate {rate:g} by {which}, {_source(config, option)}")
    return 1


def _source(config: Config, option: str) -> str:
    """Tell where the value of a common option comes from."""
    (setting,) = [item for item in config.settings if item.path == (option,)]
    assert setting.effective is not None
    return setting.effective.source
