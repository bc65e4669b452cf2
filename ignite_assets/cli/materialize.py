"""`ignite-assets materialize`: capture days of websites through Dagster, and print the results."""

import datetime as dt
import json
from typing import TYPE_CHECKING

import click

from ignite_assets.cli.choosing import DayType, chosen
from ignite_assets.cli.command import Command, project_settings

if TYPE_CHECKING:
    from ignite_assets.api.horizon import Horizon
    from ignite_assets.cli.choosing import Day
    from ignite_assets.cli.runs.execution import Launcher
    from ignite_assets.cli.runs.plan import Held, PartitionResult, Plan
    from ignite_assets.config import Settings

_DAY = DayType()


@click.command(cls=Command, short_help="Capture partitions into the lake.")
@click.option(
    "--date", "date", type=_DAY, metavar="DATE", help="The look-back date: YYYY-MM-DD or yesterday, the default."
)
@click.option("--from", "first", type=_DAY, metavar="DATE", help="First date of a range; one run for each website.")
@click.option("--to", "last", type=_DAY, metavar="DATE", help="Last date of a range. Default: yesterday.")
@click.option(
    "--website", "websites", multiple=True, metavar="KEY", help="Only this website; several as a,b or repeated."
)
@click.option(
    "--select",
    "assets",
    multiple=True,
    metavar="ASSET",
    help="Only these assets: a,b or repeated; group:look_back, group:current_state and group:derived name several.",
)
@click.option("--force", is_flag=True, help="Capture again what is there, also what was captured on time.")
@click.option("--captures-only", is_flag=True, help="With --from: capture only, and derive nothing.")
@click.option("--submit", is_flag=True, help="Hand the runs to Dagster's own queue, and follow them until they end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.option("--verbose", is_flag=True, help="Print a line for each partition, however many there are.")
def materialize(
    date: "Day | None",
    first: "Day | None",
    last: "Day | None",
    websites: tuple[str, ...],
    assets: tuple[str, ...],
    force: bool,
    captures_only: bool,
    submit: bool,
    as_json: bool,
    verbose: bool,
) -> None:
    """Capture partitions, commit them to the lake, and derive what depends on them.

    By default: yesterday, every website, and every asset that can be captured for that date. Runs are recorded in the
    Dagster instance of DAGSTER_HOME, or of one beside the lake. A website that fails never stops the others. With a
    range, only missing partitions are captured, so you can repeat an interrupted command; of a single day, those that
    were not captured on time. What the lake holds is there, also when Dagster has no record of it: it gets one.
    Captures of a range change the windows of later days: derived partitions that are stale afterwards are derived
    again.

    With --submit, Dagster's daemon executes the runs, by its own limits and launcher, and Ctrl-C leaves them to it. The
    code location is that of the workspace.yaml beside ignite.toml; without one, ignite_assets.definitions.

    Prints a line for each partition, or for each asset where there are many.

    Exit status: 0 all landed or was there, and is sound; 1 something failed or was refused; 2 bad usage or
    configuration; 3 all landed, and the check `sound` doubts some of it.

    \b
    Examples:
      ignite-assets materialize
      ignite-assets materialize --date 2026-11-22 --website acme-honda
      ignite-assets materialize --from 2026-11-01 --to 2026-11-22 --select visitors,locations
      ignite-assets materialize --from 2026-11-01 --select group:look_back
    """
    from ignite_assets.api.horizon import Horizon
    from ignite_assets.cli.runs.plan import plan
    from ignite_assets.tables.registry import TABLES

    settings = project_settings()
    horizon = Horizon(settings.partitions.zone)
    days = _days(settings, horizon, date, first, last)
    chosen_websites = chosen(websites, sorted(settings.websites), "website")
    chosen_assets = _chosen_assets(assets, captures_only=captures_only)

    from ignite_assets.cli.progress import carry_out, merged, print_results, started

    if not any(horizon.refusal(table, day) is None for table in TABLES if table.name in chosen_assets for day in days):
        refused = plan(days, chosen_websites, chosen_assets, horizon, named=bool(assets)).refused
        results = merged(refused, [])
    else:
        with started(settings, len(chosen_websites), submit=submit) as launcher:
            there = (
                [] if force else _landed(settings, launcher, chosen_websites, chosen_assets, days, every=bool(first))
            )
            held = _held(settings) if days[0] < horizon.oldest() else set()
            planned = plan(days, chosen_websites, chosen_assets, horizon, named=bool(assets), landed=there, held=held)
            if planned.landed:
                told = f"{len(planned.landed)} partitions were there already; --force captures them again"
                click.echo(told, err=True)
            results = carry_out(planned, launcher, force=force)
            if first and not captures_only:
                results = merged(results, carry_out(_follow_up(settings, results, days[0]), launcher))
    if as_json:
        click.echo(json.dumps({"partitions": [result.as_json() for result in results]}, indent=2))
    else:
        print_results(results, verbose=verbose)
    raise SystemExit(_exit_status(results))


def _exit_status(results: "list[PartitionResult]") -> int:
    if not all(result.is_there for result in results):
        return 1
    return 0 if all(result.is_sound for result in results) else 3


def _landed(
    settings: "Settings",
    launcher: "Launcher",
    websites: list[str],
    assets: list[str],
    days: list[dt.date],
    *,
    every: bool,
) -> "list[PartitionResult]":
    """What is there and isn't captured again: everything, or what was captured on time."""
    from ignite_assets.cli.runs.execution import landed, recorded
    from ignite_assets.storage.lake import Lake

    on_time = None if every else settings.partitions.zone
    kept = landed(Lake(settings.root), websites, assets, days, on_time=on_time)
    return recorded(launcher.instance, kept, launcher.keys)


def _held(settings: "Settings") -> "set[Held]":
    """What the lake holds of assets that others are derived from."""
    from ignite_assets.storage.lake import Lake
    from ignite_assets.tables.registry import DERIVED

    lake = Lake(settings.root)
    found = (partition for row in DERIVED for partition in lake.partitions(row.main))
    return {(partition.asset, partition.website, partition.date) for partition in found}


def _chosen_assets(named: tuple[str, ...], *, captures_only: bool) -> list[str]:
    from ignite_assets.tables.registry import TABLES

    due = [table for table in TABLES if not (captures_only and table.history == "derived")]
    groups: dict[str, list[str]] = {}
    for table in due:
        groups.setdefault(table.history, []).append(table.name)
    return chosen(named, [table.name for table in due], "asset", groups=groups)


def _follow_up(settings: "Settings", results: "list[PartitionResult]", since: dt.date) -> "Plan":
    """The runs that derive what is missing or stale after these captures."""
    from ignite_assets.cli.runs.plan import Plan
    from ignite_assets.dagster.stale import inputs_of
    from ignite_assets.dagster.website_runs import runs_of
    from ignite_assets.tables.registry import DERIVED

    landed = {(each.website, each.asset) for each in results if each.is_there}
    runs = []
    for website in sorted({website for website, _ in landed}):
        due = {}
        for row in DERIVED:
            inputs = inputs_of(settings, row)(website)
            if any((website, asset) in landed for asset in row.reads):
                due[row.name] = sorted({*inputs.missing(since), *inputs.stale(since)})
        runs += runs_of(website, due)
    return Plan(runs, refused=[])


def _days(
    settings: "Settings",
    horizon: "Horizon",
    date: "Day | None",
    first: "Day | None",
    last: "Day | None",
) -> list[dt.date]:
    """The dates asked for. `UsageError` for those that are no partitions: not closed yet, or before the start."""
    if date and (first or last):
        raise click.UsageError("--date is one date, --from and --to are a range: give one or the other")
    if last and not first:
        raise click.UsageError("--to needs --from")
    asked = first or date
    start = asked(horizon) if asked else horizon.yesterday()
    end = last(horizon) if last else horizon.yesterday() if first else start
    if end > horizon.yesterday():
        raise click.UsageError(f"{end} has not closed yet; the newest date is {horizon.yesterday()}")
    if start < settings.partitions.start_date:
        raise click.UsageError(f"{start} is before partitions.start_date, {settings.partitions.start_date}")
    if start > end:
        raise click.UsageError(f"--from {start} is after --to {end}")
    return [start + dt.timedelta(days=n) for n in range((end - start).days + 1)]
