"""`ignite-assets sql`: SQL over the lake, or a DuckDB file of views for other programs."""

import sys
from pathlib import Path

import click

from ignite_assets.cli.answering import answer, failing_in_one_line
from ignite_assets.cli.command import Command
from ignite_assets.cli.results import FORMATS, Format

_SUFFIXES: dict[str, Format] = {".csv": "csv", ".json": "json", ".parquet": "parquet", ".txt": "table"}
_NO_QUERY = """there is no query. Give one:

  ignite-assets sql "SELECT website, date, count(*) FROM visitors GROUP BY ALL ORDER BY ALL"
  ignite-assets sql < query.sql

SHOW TABLES lists the assets. To explore them, save a file of views and open it with DuckDB:

  ignite-assets sql --save lake.duckdb"""


@click.command(cls=Command, short_help="Query the lake with SQL.")
@click.argument("query", required=False)
@click.option("--format", "form", type=click.Choice(FORMATS), help="What is written. Default: by --output, else table.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write there rather than to standard output.")  # fmt: skip
@click.option("--save", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Instead of a query: write a DuckDB file with a view for each asset.")  # fmt: skip
def sql(query: str | None, form: Format | None, output: Path | None, save: Path | None) -> None:
    """Query the lake with DuckDB's SQL. Each asset is a view, with website and date columns.

    Without a query, one is read from standard input. A table shows the first rows and how many there are; CSV, JSON (an
    array of objects) and Parquet hold all of them. Each partition is read in one version. No credentials are needed.
    Values are written as they are stored, personal data too.

    --save writes a file of views that the DuckDB shell, DBeaver or a notebook opens. It holds no rows: partitions
    captured later are in it. For an asset's first partition, or a lake that moved, save it again: only a file that
    --save wrote is replaced. The lake has to be on a local path.

    Exit status: 0 done, 1 the query failed, 2 bad usage or configuration.

    \b
    Examples:
      ignite-assets sql "SHOW TABLES"
      ignite-assets sql "SELECT website, date, count(*) FROM visitors GROUP BY ALL ORDER BY ALL"
      ignite-assets sql "FROM locations WHERE date = '2026-11-22'" --output locations.csv
      ignite-assets sql --format json < query.sql
      ignite-assets sql --save lake.duckdb
    """
    if save and (query or form or output):
        raise click.UsageError("--save takes no query, and neither --format nor --output")
    form = _form(form, output)
    _check_folder(save or output)
    if query is None and not save:
        if sys.stdin.isatty():
            raise click.UsageError(_NO_QUERY)
        query = sys.stdin.read()

    from ignite_assets import lake as open_lake

    lake = open_lake()
    if lake.is_empty:
        click.echo(f"Nothing has been captured yet in {lake.location}", err=True)
    with failing_in_one_line():
        if save:
            click.echo(f"{save} has a view for each of {len(lake.save_views(save))} assets of {lake.location}")
        else:
            answer(lake.session, query or "", form, output)


def _check_folder(file: Path | None) -> None:
    if file and not file.parent.is_dir():
        raise click.UsageError(f"there is no folder {file.parent}")


def _form(form: Format | None, output: Path | None) -> Format:
    """The format that is meant. `UsageError` where it can't be."""
    if form == "parquet" and not output:
        raise click.UsageError("--format parquet needs --output")
    if form or not output:
        return form or "table"
    if output.suffix.lower() not in _SUFFIXES:
        raise click.UsageError(f"--format is needed: a name that ends in {output.suffix or 'no suffix'} tells none")
    return _SUFFIXES[output.suffix.lower()]
