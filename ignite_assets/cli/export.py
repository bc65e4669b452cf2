"""`ignite-assets export`: send a website's audiences to the ad platforms' folders, or see what would be sent."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ignite_assets.cli.command import Command
from ignite_assets.cli.text import aligned

if TYPE_CHECKING:
    import dagster as dg

    from ignite_assets.audiences.rules import ExportRule
    from ignite_assets.config import Settings
    from ignite_assets.dagster.assets.exports import Row

    Due = tuple[str, list[ExportRule], dt.date]


@click.command(cls=Command, short_help="Export audiences for the ad platforms.")
@click.option("--website", "websites", multiple=True, metavar="KEY", help="Only this website; repeatable.")
@click.option("--name", "names", multiple=True, metavar="EXPORT", help="Only this export; repeatable.")
@click.option("--date", type=click.DateTime(["%Y-%m-%d"]), help="Last day of the window. Default: the newest captured.")
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@click.option("--force", metavar="REASON", help="Write lists that would be held; the manifest records the reason.")
def export(
    websites: tuple[str, ...], names: tuple[str, ...], date: dt.datetime | None, dry_run: bool, force: str | None
) -> None:
    """Write the files of each export in ignite.toml: people who joined and left, without anyone who opted out.

    A list is held, and its last export stands, when days of its window are missing, when it is too small, or when too
    many would leave. People who opted out are removed even then.

    Exit status: 0 every list was written, 1 something was held or failed, 2 bad usage or configuration.

    \b
    Examples:
      ignite-assets export --dry-run
      ignite-assets export --website acme-honda --name used-suv-meta --force "the site was down for a week"
    """
    from ignite_assets.audiences.holding import SENT
    from ignite_assets.config import load_settings

    if force is not None and not force.strip():
        raise click.UsageError("--force needs a reason, which the manifest records")
    settings = load_settings()
    rules = _chosen(names, settings)
    if unknown := sorted(set(websites) - set(settings.websites)):
        raise click.UsageError(f"there is no website {', '.join(unknown)}; there are {', '.join(settings.websites)}")
    day = asked_day(date, settings)
    due = list(_due(settings, rules, sorted(set(websites) or settings.websites), day))
    rows = list((work_out if dry_run else send)(settings, due, force=force))
    print_rows(rows)
    raise SystemExit(0 if all(row["status"] in SENT for row in rows) else 1)


def asked_day(date: dt.datetime | None, settings: "Settings") -> dt.date | None:
    """The day that was asked for, if it has a partition."""
    from ignite_assets.api.horizon import Horizon

    if date is None:
        return None
    first, last = settings.partitions.start_date, Horizon(settings.partitions.zone).yesterday()
    if not first <= date.date() <= last:
        raise click.UsageError(f"--date {date.date()}: there are days from {first} to {last}")
    return date.date()


def _chosen(names: tuple[str, ...], settings: "Settings") -> list["ExportRule"]:
    rules = settings.rules()
    known = [rule.name for rule in rules]
    if not known:
        raise click.UsageError(f"{settings.path} has no [[exports]]")
    if unknown := sorted(set(names) - set(known)):
        raise click.UsageError(f"there is no export {', '.join(unknown)}; there are {', '.join(known)}")
    return [rule for rule in rules if rule.name in names or not names]


def _due(settings: "Settings", rules: list["ExportRule"], websites: list[str], day: dt.date | None) -> "Iterator[Due]":
    """Each website with its exports and the day they are for."""
    from ignite_assets.audiences.membership import newest_day
    from ignite_assets.storage.lake import Lake

    lake = Lake(settings.root)
    for website in websites:
        covering = [rule for rule in rules if rule.covers(website)]
        newest = max(filter(None, (newest_day(lake, rule, website) for rule in covering)), default=None)
        if last := day or newest:
            yield website, covering, last


def work_out(settings: "Settings", due: "list[Due]", *, force: str | None = None) -> "Iterator[Row]":
    """What would be sent, and nothing written; a row a list."""
    from ignite_assets.cli.bars import tracked
    from ignite_assets.dagster.assets.exports import run_exports
    from ignite_assets.storage.lake import Lake

    lake = Lake(settings.root)
    with tracked():
        for website, rules, day in due:
            yield from run_exports(settings, lake, rules, website, day, force=force, dry_run=True).rows()


def send(settings: "Settings", due: "list[Due]", *, force: str | None = None) -> "Iterator[Row]":
    """Export through Dagster, so that what was sent is on record; a row a list."""
    from ignite_assets.cli.bars import tracked
    from ignite_assets.cli.runs.execution import QUIET
    from ignite_assets.dagster.assets.exports import ASSET, JOB
    from ignite_assets.dagster.build import build_defs
    from ignite_assets.dagster.instance import dagster_home, open_instance
    from ignite_assets.dagster.partitions import partition_key

    with open_instance(dagster_home(settings)) as instance, tracked():
        job = build_defs(settings, retry_policy=None).resolve_job_def(JOB)
        for website, rules, day in due:
            names = [rule.name for rule in rules]
            result = job.execute_in_process(
                instance=instance,
                partition_key=partition_key(day, website),
                raise_on_error=False,
                run_config={"ops": {ASSET: {"config": {"names": names, "force": force or ""}}}, **QUIET},
            )
            yield from _rows(result, website, names, day)


def _rows(result: "dg.ExecuteInProcessResult", website: str, names: list[str], day: dt.date) -> "Iterator[Row]":
    """What a run recorded; of one that recorded nothing, that it failed."""
    from ignite_assets.dagster.assets.exports import failed_row, rows_of

    recorded = [event.materialization for event in result.get_asset_materialization_events()]
    for materialization in recorded:
        yield from rows_of(materialization)
    if not (recorded or result.success):
        yield failed_row(website, ", ".join(names), day, f"run {result.run_id} in Dagster has the reason")


_COLUMNS = ("website", "export", "audience", "date", "status", "members", "adds", "removes", "suppressed", "malformed")


def print_rows(rows: "list[Row]") -> None:
    """A line a list, then why it was held and where its files are."""
    if not rows:
        click.echo("nothing to export: no website of an export has a captured day")
        return
    cells = [[f"{row[name]:,}" if isinstance(row[name], int) else str(row[name]) for name in _COLUMNS] for row in rows]
    for line in aligned([_COLUMNS, *cells], right=(5, 6, 7, 8, 9)):
        click.echo(line)
    for row in rows:
        name = " ".join(str(row[part]) for part in ("website", "export", "audience") if row[part])
        for told in (row["reasons"], _from_here(str(row["folder"]))):
            if told:
                click.echo(f"{name}: {told}")


def _from_here(place: str) -> str:
    """A path below the working directory as it is typed there; any other place as it is."""
    return place.removeprefix(f"{Path.cwd()}/")
