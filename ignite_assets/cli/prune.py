"""`ignite-assets prune`: delete old runs from Dagster's records, and nothing that they made."""

import datetime as dt
import re
from typing import Any

import click

from ignite_assets.cli.command import Command, project_settings

_FEWEST_DAYS = 7
_DAYS = {"d": 1, "w": 7}


class _Age(click.ParamType):  # type: ignore[type-arg]  # click is generic from 8.4 on alone
    """An age such as `90d` or `12w`, of a week at least."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dt.timedelta:
        """The age as a duration."""
        found = re.fullmatch(r"(\d{1,5})([dw])", value.strip().lower())
        if not found:
            self.fail(f"{value!r} is not an age: write one as 90d or 12w", param, ctx)
        days = int(found[1]) * _DAYS[found[2]]
        if days < _FEWEST_DAYS:
            self.fail(f"{value} is too young: healer and alerts look at runs of {_FEWEST_DAYS} days", param, ctx)
        return dt.timedelta(days=days)


@click.command(cls=Command, short_help="Delete old runs from Dagster's records.")
@click.option("--runs", "age", type=_Age(), metavar="AGE", required=True, help="Runs that ended longer ago: 90d, 12w.")
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
def prune(age: dt.timedelta, dry_run: bool) -> None:
    """Delete runs, their events and their logs from the Dagster instance, however they were launched.

    What a run made stays on record: partitions keep their metadata, checks and data versions, and nothing is captured,
    derived or exported anew. Lake and exports are not touched. Kept are runs under way, runs of other jobs and assets
    than those of ignite.toml, runs of a backfill that goes on, and failed runs for which Dagster shows a partition as
    failed.

    It may run beside a night, be stopped, and be repeated. dagster.keep_runs_days does the same every day.

    \b
    Examples:
      ignite-assets prune --runs 90d --dry-run
      ignite-assets prune --runs 12w
    """
    from ignite_assets.cli.bars import tracked
    from ignite_assets.dagster.automation.pruning import prune as prune_runs
    from ignite_assets.dagster.instance import dagster_home, open_instance
    from ignite_assets.dagster.keys import AssetKeys

    settings = project_settings()
    before = dt.datetime.now(dt.UTC) - age
    with open_instance(dagster_home(settings)) as instance, tracked():
        done = prune_runs(instance, settings, AssetKeys.of(settings), before, dry_run=dry_run)
    click.echo(f"{'would delete' if dry_run else 'deleted'} {done}")
