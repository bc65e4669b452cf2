"""`ignite-assets sql`: SQL over the lake, one query or interactively."""

import sys
from pathlib import Path

import click

from ignite_assets.cli.answering import answer, failing_in_one_line
from ignite_assets.cli.command import Command
from ignite_assets.cli.results import FORMATS, Format

_SUFFIXES: dict[str, Format] = {".csv": "csv", ".json": "json", ".parquet": "parquet", ".txt": "table"}


@click.command(cls=Command, short_help="Query the lake with SQL.")
@click.argument("query", required=False)
@click.option("--format", "form", type=click.Choice(FORMATS), help="What is written. Default: by --output, else table.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write there rather than to standard output.")  # fmt: skip
def sql(query: str | None, form: Format | None, output: Path | None) -> None:
    """Query the lake with DuckDB's SQL. Each asset is a view, with website and date columns.

    Without a query, one is read from standard input; in a terminal, a prompt takes one after another. A table shows
    the first rows and how many there are; CSV, JSON (an array of objects) and Parquet hold all of them. No credentials
    are needed. Values are written as they are stored, personal data too.

    Exit status: 0 done, 1 the query failed, 2 bad usage or configuration.

    \b
    Examples:
      ignite-assets sql
      ignite-assets sql "SELECT website, date, count(*) FROM visitors GROUP BY ALL ORDER BY ALL"
      ignite-assets sql "FROM locations WHERE date = '2026-11-22'" --output locations.csv
      ignite-assets sql --format json < query.sql
    """
    form = _form(form, output)
    interactive = query is None and sys.stdin.isatty()
    if interactive and output:
        raise click.UsageError("--output needs a query")
    if query is None and not interactive:
        query = sys.stdin.read()

    from ignite_assets import lake as open_lake

    lake = open_lake()
    if lake.is_empty:
        click.echo(f"Nothing has been captured yet in {lake.location}", err=True)
    if interactive:
        from ignite_assets.cli.shell import Shell

        Shell(lake, form).run()
        return
    with failing_in_one_line():
        answer(lake.session, query or "", form, output)


def _form(form: Format | None, output: Path | None) -> Format:
    """The format that is meant. `UsageError` where it can't be."""
    if form == "parquet" and not output:
        raise click.UsageError("--format parquet needs --output")
    if output and not output.parent.is_dir():
        raise click.UsageError(f"there is no folder {output.parent}")
    if form or not output:
        return form or "table"
    if output.suffix.lower() not in _SUFFIXES:
        raise click.UsageError(f"--format is needed: a name that ends in {output.suffix or 'no suffix'} tells none")
    return _SUFFIXES[output.suffix.lower()]
