"""`ignite-assets export`: write a website's audiences as files for ad platforms, or see what would be written."""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ignite_assets.cli.choosing import DayType, chosen, split
from ignite_assets.cli.command import Command, project_settings
from ignite_assets.cli.text import aligned

if TYPE_CHECKING:
    import dagster as dg

    from ignite_assets.cli.choosing import Day
    from ignite_assets.config import Settings
    from ignite_assets.dagster.assets.exports import Row

    Due = tuple[str, dt.date]


@click.command(cls=Command, short_help="Export audiences for the ad platforms.")
@click.option("--website", "websites", multiple=True, metavar="KEY", help="Only these websites: a,b or repeated.")
@click.option("--name", "names", multiple=True, metavar="EXPORT", help="Only these exports: a,b or repeated.")
@click.option("--date", type=DayType(), metavar="DATE",
              help="Last day of the window: YYYY-MM-DD or yesterday. Default: the newest captured.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@click.option("--force", metavar="REASON", help="Write lists that would be held; the manifest records the reason.")
@click.option("--retire", metavar="NAME", help="Owe nothing more to the lists of an export that is gone.")
@click.option("--reason", metavar="REASON", help="Why they are retired; it is recorded in the lake.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def export(
    websites: tuple[str, ...],
    names: tuple[str, ...],
    date: "Day | None",
    dry_run: bool,
    force: str | None,
    retire: str | None,
    reason: str | None,
    as_json: bool,
) -> None:
    """Write the files of each export in ignite.toml: people who joined and left, without anyone who opted out.

    A list is held, and its last export stands, when days of its window are missing, when a capture of it isn't sound,
    when it is too small, or when too many would leave, join or be replaced. People who opted out are removed even then.
    They are also removed from each list that was ever written and that no export asks for any more, until that is
    retired.

    Exit status: 0 all is well; 1 something was held or failed; 2 bad usage or configuration; 3 lists were held, and for
    nothing but captures that aren't sound.

    \b
    Examples:
      ignite-assets export --dry-run
      ignite-assets export --website acme-honda --name used-suv-meta --force "the site was down for a week"
      ignite-assets export --retire used-suv-meta --reason "the list was deleted in Ads Manager"
    """
    from ignite_assets.audiences import lists
    from ignite_assets.storage.lake import Lake

    settings = project_settings()
    if not dry_run:
        lists.adopt(Lake(settings.root), settings.rules())
    if retire is not None:
        _retire(settings, retire, reason, websites)
        return
    if force is not None and not force.strip():
        raise click.UsageError("--force needs a reason: the manifest keeps it")
    if reason is not None:
        raise click.UsageError("--reason is for --retire; --force takes its own")
    names, chosen_websites = _chosen(names, websites, settings)
    day = asked_day(date, settings)
    due = list(_due(settings, names, chosen_websites, day))
    rows = [*(work_out if dry_run else write_exports)(settings, due, names=names, force=force)]
    rows += _without_a_day(settings, names, chosen_websites, due, named=bool(websites), dry_run=dry_run)
    if as_json:
        click.echo(json.dumps({"lists": rows}, indent=2))
    else:
        print_rows(rows)
    raise SystemExit(_exit_status(rows))


def _exit_status(rows: "list[Row]") -> int:
    from ignite_assets.audiences.holding import is_well
    from ignite_assets.tables.checks import NOT_SOUND

    troubled = [row for row in rows if not is_well(str(row["status"]))]
    if not rows or not all(NOT_SOUND in reason for row in troubled for reason in str(row["reasons"]).split("; ")):
        return 1
    return 3 if troubled else 0


def _chosen(
    names: tuple[str, ...], websites: tuple[str, ...], settings: "Settings"
) -> tuple[tuple[str, ...], list[str]]:
    """The exports that are named, and the websites: those named, else all that are configured or owed removals."""
    from ignite_assets.audiences.exports import unasked
    from ignite_assets.storage.lake import Lake

    owed = unasked(Lake(settings.root), settings.rules())
    if not settings.exports and not owed:
        raise click.UsageError(f"{settings.path} has no [[exports]]")
    exports = sorted({rule.name for rule in settings.exports} | {of.name for of in owed})
    known = sorted({*settings.websites} | {of.website for of in owed})
    return tuple(chosen(names, exports, "export")) if names else (), chosen(websites, known, "website")


def _retire(settings: "Settings", name: str, reason: str | None, websites: tuple[str, ...]) -> None:
    from ignite_assets.audiences import lists
    from ignite_assets.audiences.exports import unasked
    from ignite_assets.storage.lake import Lake

    if not (reason or "").strip():
        raise click.UsageError("--retire needs --reason: the lake keeps it")
    lake = Lake(settings.root)
    owed = unasked(lake, settings.rules())
    of_name = [of for of in owed if of.name == name and (of.website in split(websites) or not websites)]
    if not of_name:
        there = sorted({of.name for of in owed})
        told = f"there are {', '.join(there)}" if there else "there is none"
        raise click.UsageError(f"no list of {name} that nothing asks for any more; {told}")
    for of in of_name:
        lists.note(lake, of, "retired", reason=reason)
        click.echo(f"{of.title}: retired; people who opt out are no longer removed from it")


def asked_day(date: "Day | None", settings: "Settings") -> dt.date | None:
    """The day that was asked for, if it has a partition."""
    from ignite_assets.api.horizon import Horizon

    if date is None:
        return None
    horizon = Horizon(settings.partitions.zone)
    day, first, last = date(horizon), settings.partitions.start_date, horizon.yesterday()
    if not first <= day <= last:
        raise click.UsageError(f"--date {day}: there are days from {first} to {last}")
    return day


def _due(settings: "Settings", names: tuple[str, ...], websites: list[str], day: dt.date | None) -> "Iterator[Due]":
    """Each website that an export covers, and the day it is for: of those that have a captured one."""
    from ignite_assets.audiences.membership import newest_day
    from ignite_assets.storage.lake import Lake

    lake = Lake(settings.root)
    for website in websites:
        covering = [rule for rule in settings.rules() if rule.covers(website) and (rule.name in names or not names)]
        newest = max(filter(None, (newest_day(lake, rule, website) for rule in covering)), default=None)
        if covering and website in settings.websites and (last := day or newest):
            yield website, last


def _without_a_day(
    settings: "Settings",
    names: tuple[str, ...],
    websites: list[str],
    due: "list[Due]",
    *,
    named: bool,
    dry_run: bool,
) -> "Iterator[Row]":
    """The rows of the websites that can't be exported: why, and who was removed from their lists nevertheless."""
    from ignite_assets.dagster.assets.exports import held_row, run_removals
    from ignite_assets.storage.lake import Lake

    for website in sorted({*websites} - {website for website, _ in due}):
        rules = [rule for rule in settings.rules() if rule.name in names or not names]
        covering = [rule for rule in rules if rule.covers(website) and website in settings.websites]
        for rule in covering:
            yield held_row(website, rule.name, f"{rule.members_asset} has never been captured")
        rows = run_removals(settings, Lake(settings.root), website, dry_run=dry_run).rows()
        yield from (row for row in rows if row["export"] in names or not names)
        if named and not covering and not rows:
            yield held_row(website, ", ".join(names), "no export that was asked for covers this website")


def work_out(
    settings: "Settings", due: "list[Due]", *, names: tuple[str, ...] = (), force: str | None = None
) -> "Iterator[Row]":
    """What would be written, and nothing written; a row a list."""
    from ignite_assets.cli.bars import tracked
    from ignite_assets.dagster.assets.exports import run_exports
    from ignite_assets.storage.lake import Lake

    lake = Lake(settings.root)
    with tracked():
        for website, day in due:
            yield from run_exports(settings, lake, names, website, day, force=force, dry_run=True).rows()


def write_exports(
    settings: "Settings", due: "list[Due]", *, names: tuple[str, ...] = (), force: str | None = None
) -> "Iterator[Row]":
    """Export through Dagster, so that it is on record there; a row a list."""
    from ignite_assets.cli.bars import tracked
    from ignite_assets.cli.runs.queue import QUIET
    from ignite_assets.dagster.assets.exports import ASSET, JOB
    from ignite_assets.dagster.build import build_defs
    from ignite_assets.dagster.instance import dagster_home, open_instance
    from ignite_assets.dagster.keys import AssetKeys
    from ignite_assets.dagster.partitions import partition_key

    step = AssetKeys.of(settings).step(ASSET)
    with open_instance(dagster_home(settings)) as instance, tracked():
        job = build_defs(settings, retry_policy=None).resolve_job_def(settings.dagster.named(JOB))
        for website, day in due:
            result = job.execute_in_process(
                instance=instance,
                partition_key=partition_key(day, website),
                raise_on_error=False,
                run_config={"ops": {step: {"config": {"names": list(names), "force": force or ""}}}, **QUIET},
            )
            yield from _rows(result, website, names, day)


def _rows(result: "dg.ExecuteInProcessResult", website: str, names: Sequence[str], day: dt.date) -> "Iterator[Row]":
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
        click.echo("nothing to export: no export covers a website")
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
