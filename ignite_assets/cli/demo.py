"""`ignite-assets demo`: the whole thing, on the sandbox: some nights of every demo dealer, and a first query."""

import datetime as dt
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ignite_assets.cli.command import Command
from ignite_assets.cli.export import print_rows, write_exports

if TYPE_CHECKING:
    from ignite_assets.config import Settings

_EXPORTED = "summit-ford"
_OLDER = ("visitors", "locations", "location_details", "audience_members")
"""What the pages need of the days before the full nights."""
_QUERY = """\
SELECT website, date, count(*) AS visitors
FROM read_parquet('{root}/visitors/*/*/*.parquet', hive_partitioning = true)
GROUP BY ALL ORDER BY website, date"""


@click.command(cls=Command, short_help="Capture some nights of three made-up dealers.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(".demo"), show_default=True,
              help="Folder of its lake, configuration and Dagster instance.")  # fmt: skip
@click.option("--nights", type=click.IntRange(1, 30), default=3, show_default=True,
              help="How many nights to capture in full.")  # fmt: skip
@click.option("--days", type=click.IntRange(1, 30), default=30, show_default=True,
              help="How many days in all: what the reports need of those before the nights.")  # fmt: skip
@click.option("--verbose", is_flag=True, help="Print a line for each partition, however many there are.")
def demo(folder: Path, nights: int, days: int, verbose: bool) -> None:
    """Capture the last days of three made-up dealers through Dagster, and query what landed.

    Needs no configuration, no credentials and no network: the platform is the embedded sandbox, and its data stays
    in a folder of its own.

    \b
    Example:
      ignite-assets demo --nights 7 --days 14
    """
    from ignite_assets.api.horizon import Horizon
    from ignite_assets.cli.progress import carry_out, print_results, started
    from ignite_assets.cli.runs.plan import Plan, plan
    from ignite_assets.cli.sandbox import write_configuration
    from ignite_assets.config import load_settings
    from ignite_assets.dagster.instance import HOME_VARIABLE
    from ignite_assets.sandbox import SandboxServer
    from ignite_assets.tables.registry import TABLES
    from ignite_assets.tables.windows import days_between

    os.environ.pop(HOME_VARIABLE, None)  # made-up data has no place in a real instance
    with SandboxServer() as server:
        os.environ.update(write_configuration(server, folder))
        settings = load_settings()
        horizon = Horizon(settings.partitions.zone)
        last, websites = horizon.yesterday(), sorted(settings.websites)
        due = days_between(last - dt.timedelta(days=max(days, nights) - 1), last)
        click.echo(f"Capturing {due[0]} to {last} for {', '.join(websites)} from {server.url}\n")
        older = plan(due[:-nights], websites, _OLDER, horizon, named=True)
        every = [table.name for table in TABLES]
        # The newest night by runs of its own, as nights are captured: their checks say more than those of a range.
        full = [plan(some, websites, every, horizon, named=False) for some in (due[-nights:-1], due[-1:])]
        planned = Plan([run for each in (older, *full) for run in each.runs], older.refused)
        with started(settings, len(planned.runs)) as launcher:
            results = carry_out(planned, launcher)
    print_results(results, verbose=verbose)
    _show_lake(Path(settings.root))
    _show_export(settings, last)
    _show_reports(settings, last)
    _show_where_to_look(folder)
    raise SystemExit(0 if all(result.status == "materialized" for result in results) else 1)


def _show_lake(root: Path) -> None:
    import duckdb

    shown = Path(os.path.relpath(root))
    files = sorted(shown.glob("*/*/*/*.parquet"))
    click.echo(f"\n{len(files)} Parquet files under {shown}, such as\n  {files[0] if files else ''}\n")
    query = _QUERY.format(root=shown)
    click.echo(f"Their first DuckDB query:\n\n{query}\n")
    click.echo(str(duckdb.sql(query)))


def _show_export(settings: "Settings", day: dt.date) -> None:
    """Write the largest dealer's export: the others' lists are too small for its destination, and would be held."""
    click.echo("The first export of an audience, without anyone who opted out:\n")
    print_rows(list(write_exports(settings, [(_EXPORTED, day)])))


def _show_reports(settings: "Settings", day: dt.date) -> None:
    from ignite_assets.cli.report import write

    click.echo("\nA page of each website's day, to open in a browser:\n")
    for page in write(settings, [(website, day) for website in sorted(settings.websites)]):
        click.echo(f"  {os.path.relpath(page.place) if page.place else page.trouble}")


def _show_where_to_look(folder: Path) -> None:
    bin_ = "" if shutil.which("ignite-assets") else f"{os.path.relpath(Path(sys.executable).parent)}/"
    click.echo("\nTo see the runs in Dagster's UI:\n")
    click.echo(f"  {bin_}ignite-assets sandbox --folder {folder} -- {bin_}dagster dev -m ignite_assets.definitions")
