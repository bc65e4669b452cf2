"""The jobs and what starts them: the nightly capture, and the healer that brings missing days back.

What is derived from captures follows them in the same runs.

Thin shells over pure functions. Backfills need no job: launch them from an asset's page in Dagster, or with
`ignite-assets materialize --from … --to …`.
"""

import datetime as dt
import math
import warnings
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import dagster as dg

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.horizon import LOOK_BACK_DAYS, Horizon
from ignite_assets.api.table import Table
from ignite_assets.config import Settings
from ignite_assets.dagster.automation.daily import Requests, daily_schedule, for_closed_day, night_of
from ignite_assets.dagster.instance import UNFINISHED
from ignite_assets.dagster.keys import PLAIN, AssetKeys
from ignite_assets.dagster.liveness import give_up_lost_runs
from ignite_assets.dagster.partitions import keys_of, partition_key, read_key
from ignite_assets.dagster.private import recorded_partitions
from ignite_assets.dagster.records import reconcile
from ignite_assets.dagster.stale import stale_partitions
from ignite_assets.dagster.waiting import waiting
from ignite_assets.dagster.website_runs import WebsiteRun, night_request, runs_of
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.derived.row import Derived
from ignite_assets.tables.windows import days_between

COMMAND = "materialize"
"""The job of the runs that the command line launches."""
EXPIRING_DAYS = 3
"""A gap this close to the end of the look-back window is named as expiring."""
_NAMED = 5
_NIGHTS_FOR_OLDER_DAYS = 30
_WEBSITES_A_NIGHT = 60
"""Of more websites, the healer goes by the records, and looks at the files of so many a night: a file that is gone
while its record stands is found when the website's turn comes."""


@dataclass(frozen=True, order=True)
class Gap:
    """A website's day that lacks assets which can still be captured, or be derived from what is there."""

    date: dt.date
    website: str
    assets: tuple[str, ...]
    """What is to be captured."""
    derived: tuple[str, ...] = ()
    """What is to be derived, its main input being there or among `assets`."""

    @property
    def key(self) -> str:
        """The partition's key."""
        return f"{self.date}|{self.website}"


def build_schedules(
    settings: Settings,
    endpoints: tuple[Endpoint, ...],
    derived: tuple[Derived, ...],
    horizon: Horizon,
    executor: dg.ExecutorDefinition,
    keys: AssetKeys = PLAIN,
    lake: Callable[[], Lake] | None = None,
) -> tuple[list[dg.ScheduleDefinition], list[Any]]:
    """The two schedules, and their jobs with that of the command line.

    Without a lake of ours, Dagster's records say what is there.
    """
    named = settings.dagster.named
    # Dagster warns, where a job is used, that a backfill of it would take the smallest policy of its assets'. These
    # jobs take no backfills of many partitions: `partitions_of` tells what to do instead.
    warnings.filterwarnings("ignore", ".*materializes assets with varying BackfillPolicies", UserWarning)
    tables: tuple[Table, ...] = (*endpoints, *derived)
    selection = dg.AssetSelection.assets(*keys.all(t.name for t in tables)).without_checks()
    nightly = dg.define_asset_job(
        named("nightly"),
        selection,
        description=(
            "Captures every endpoint of one website for the day that just closed, and derives from it; runs every "
            "night."
        ),
        executor_def=executor,
    )
    heal = dg.define_asset_job(
        named("heal"),
        selection,
        description="Captures and derives what is missing of one website's day; runs every night.",
        executor_def=executor,
    )

    command = dg.define_asset_job(
        named(COMMAND),
        selection,
        description="Captures and derives days of one website; started by `ignite-assets materialize`.",
        executor_def=executor,
    )

    def capture(day: dt.date) -> Requests:
        websites, at_once = sorted(settings.websites), settings.schedule.websites_per_run
        yield from nightly_requests(day, websites, endpoints, horizon, derived, keys, websites_per_run=at_once)

    def looked_at(context: dg.ScheduleEvaluationContext, going: Collection[str]) -> list[str]:
        """The websites whose files are looked at tonight: those whose turn it is, and those that may lack something."""
        turn = in_turn(sorted(settings.websites), night_of(context, settings))
        others = sorted(settings.websites.keys() - turn)
        if not others:
            return sorted(turn)
        days = days_between(max(settings.partitions.start_date, horizon.oldest()), horizon.yesterday())
        there = partitions_there(context.instance, tables, others, days, None, keys)
        gaps = find_gaps(endpoints, others, there, horizon, derived=derived, days=days, under_way=going)
        since = context.scheduled_execution_time - dt.timedelta(days=1)
        runs = context.instance.get_runs(dg.RunsFilter(updated_after=since))
        other_jobs = [run for run in runs if run.job_name != nightly.name and keys.concerns(run)]
        again = websites_made_again(other_jobs, others, horizon.yesterday())
        return sorted(turn | {gap.website for gap in gaps} | again)

    def close_gaps(context: dg.ScheduleEvaluationContext) -> Requests:
        give_up_lost_runs(context.instance, horizon, keys)
        held, going = lake().listed_once() if lake else None, under_way(context.instance, settings.websites, keys)
        websites = looked_at(context, going) if held else sorted(settings.websites)
        nights = nights_of_a_round(settings.websites) if held else 1
        days = healed_days(settings.partitions.start_date, horizon, nights)
        there = partitions_there(context.instance, tables, websites, days, held, keys)
        gaps = find_gaps(
            endpoints,
            websites,
            there,
            horizon,
            derived=derived,
            stale=stale_keys(stale_partitions(settings, derived, horizon, held, websites)),
            days=days,
            under_way=going,
        )
        alone = waiting(context.instance, horizon, settings.websites, keys)
        gaps = [gap for gap in gaps if gap.website not in alone]
        for line in expiring(gaps, horizon):
            context.log.warning(line)
        most = settings.schedule.heal_runs_per_tick
        yield from healing_requests(gaps, night_of(context, settings), most, horizon, keys)

    at, heal_at = settings.schedule.nightly, settings.schedule.heal
    nightly_schedule = daily_schedule(
        settings,
        named("nightly_schedule"),
        nightly,
        at,
        f"Every night at {at:%H:%M}: captures the day that just closed while the platform's window holds only that "
        f"day, {_runs_of(settings)}.",
        for_closed_day(settings, capture),
    )
    heal_schedule = daily_schedule(
        settings,
        named("heal_schedule"),
        heal,
        heal_at,
        f"Every night at {heal_at:%H:%M}: captures missing days that the platform can still answer for, oldest first, "
        "and derives from them.",
        close_gaps,
    )
    return [nightly_schedule, heal_schedule], [nightly, heal, command]


def _runs_of(settings: Settings) -> str:
    several = settings.schedule.websites_per_run
    return "one run for each website" if several == 1 else f"in runs of {several} websites"


def healed_days(start: dt.date, horizon: Horizon, nights: int = 1) -> list[dt.date]:
    """The days that a night's healer looks at: those that can be captured, and one in thirty of the older ones.

    Of an older day, what the lake holds without a record, or without what is derived from it, waits a month at most.
    `nights`: those since the same websites were looked at, each of which adds its older days.
    """
    oldest, last = horizon.oldest(), horizon.yesterday()
    return [
        day for day in days_between(start, last) if day >= oldest or (last - day).days % _NIGHTS_FOR_OLDER_DAYS < nights
    ]


def nights_of_a_round(websites: Collection[str]) -> int:
    """The nights in which the files of every website are looked at once."""
    return max(1, math.ceil(len(websites) / _WEBSITES_A_NIGHT))


def in_turn(websites: Sequence[str], night: dt.date) -> set[str]:
    """The websites whose files are looked at in a night, whatever is on record."""
    nights = nights_of_a_round(websites)
    return set(websites[night.toordinal() % nights :: nights])


def websites_made_again(runs: Iterable[dg.DagsterRun], websites: Collection[str], last: dt.date) -> set[str]:
    """The websites of which runs made other days than the last: what is derived from these may be stale."""
    made = (read_key(key) for run in runs for key in keys_of(run.tags, websites))
    return {website for day, website in made if day != last}.intersection(websites)


def partitions_there(
    instance: dg.DagsterInstance,
    tables: Iterable[Table],
    websites: Collection[str],
    days: Collection[dt.date],
    lake: Lake | None,
    keys: AssetKeys,
) -> Mapping[str, Collection[str]]:
    """By asset, the keys of the partitions of some days that the lake holds; without a lake of ours, on record."""
    if lake:
        return reconcile(instance, lake, tables, websites, days, keys)
    return {table.name: recorded_partitions(instance, keys[table.name], days) for table in tables}


def nightly_requests(
    day: dt.date,
    websites: Sequence[str],
    endpoints: Sequence[Endpoint],
    horizon: Horizon,
    derived: Sequence[Derived] = (),
    keys: AssetKeys = PLAIN,
    *,
    websites_per_run: int = 1,
) -> Requests:
    """Runs of so many websites over the assets that the day allows: a tick that comes late finds the present gone.

    `websites`: all that are configured, in order, since a run of several names its first and its last.
    """
    allowed = [endpoint for endpoint in endpoints if horizon.refusal(endpoint, day) is None]
    if not allowed:
        early = day > horizon.yesterday()
        yield dg.SkipReason(f"{day} has not closed yet" if early else f"{day} can't be captured any more")
        return
    captured = {endpoint.name for endpoint in allowed}
    due: list[Table] = [*allowed, *(row for row in derived if row.main in captured)]
    for at in range(0, len(websites), websites_per_run):
        yield night_request(websites[at : at + websites_per_run], day, [table.name for table in due], keys)


def find_gaps(
    endpoints: Sequence[Endpoint],
    websites: Sequence[str],
    materialized: Mapping[str, Collection[str]],
    horizon: Horizon,
    *,
    derived: Sequence[Derived] = (),
    stale: Mapping[str, Collection[str]] = MappingProxyType({}),
    days: Iterable[dt.date],
    under_way: Collection[str] = (),
) -> list[Gap]:
    """What is wanted of some days, can still be captured, isn't materialized and has no run under way.

    In the order of the days. A derived partition is wanted whose main input is there or is a gap itself, however old
    the day is; and again when it is `stale` (keys by asset).
    """
    gaps = []
    for day in days:
        wanted = [endpoint.name for endpoint in endpoints if horizon.refusal(endpoint, day) is None]
        for website in websites:
            key = f"{day}|{website}"
            assets = tuple(name for name in wanted if key not in materialized[name])
            follow = tuple(
                row.name
                for row in derived
                if (key not in materialized[row.name] or key in stale.get(row.name, ()))
                and (row.main in assets or key in materialized[row.main])
            )
            if (assets or follow) and key not in under_way:
                gaps.append(Gap(day, website, assets, follow))
    return gaps


def healing_requests(
    gaps: Sequence[Gap],
    night: dt.date,
    most: int,
    horizon: Horizon,
    keys: AssetKeys = PLAIN,
) -> Requests:
    """One run a stretch of days, at most so many, each website's oldest first and the websites in turn.

    In turn, because a website that always fails would otherwise keep the others' gaps waiting until they expire. Days
    that only have to be derived can wait: they come last, newest first, since the newest are read.
    """
    if not gaps:
        yield dg.SkipReason("nothing is missing")
    yield from gap_requests(gaps, f"heal|{night}", horizon, keys)[:most]


def gap_requests(
    gaps: Iterable[Gap],
    occasion: str,
    horizon: Horizon,
    keys: AssetKeys = PLAIN,
    tags: Mapping[str, str] = MappingProxyType({}),
) -> list[dg.RunRequest]:
    """The runs that close gaps, once an occasion, in the order of their urgency."""
    due: dict[str, dict[str, list[dt.date]]] = {}
    captured: set[str] = set()
    for gap in sorted(gaps):
        captured.update(gap.assets)
        for asset in (*gap.assets, *gap.derived):
            due.setdefault(gap.website, {}).setdefault(asset, []).append(gap.date)
    runs = [run for website, assets in due.items() for run in runs_of(website, assets)]
    expiring = [run for run in runs if captured.intersection(run.assets)]
    lasting = [run for run in runs if not captured.intersection(run.assets)]
    return [
        *(run.request(keys, occasion, {**_days_left(run, horizon), **tags}) for run in _in_turn(expiring)),
        *(run.request(keys, occasion, tags) for run in _in_turn(lasting, newest_first=True)),
    ]


def _days_left(run: WebsiteRun, horizon: Horizon) -> dict[str, str]:
    return {"ignite/days_left": str(LOOK_BACK_DAYS - horizon.age(run.days[0]))}


def stale_keys(found: Mapping[str, Iterable[Partition]]) -> dict[str, set[str]]:
    """The keys of stale partitions (`stale_partitions`), by derived asset."""
    return {name: {partition_key(p.date, p.website) for p in partitions} for name, partitions in found.items()}


def _in_turn(runs: Iterable[WebsiteRun], *, newest_first: bool = False) -> list[WebsiteRun]:
    def age(run: WebsiteRun) -> tuple[dt.date, str]:
        return run.days[-1 if newest_first else 0], run.website

    queues: dict[str, deque[WebsiteRun]] = {}
    for run in sorted(runs, key=age, reverse=newest_first):
        queues.setdefault(run.website, deque()).append(run)
    ordered: list[WebsiteRun] = []
    while queues:
        round_ = sorted((queue.popleft() for queue in queues.values()), key=age, reverse=newest_first)
        ordered += round_
        queues = {website: queue for website, queue in queues.items() if queue}
    return ordered


def expiring(gaps: Iterable[Gap], horizon: Horizon) -> list[str]:
    """A line for each day that soon can't be captured any more, with what it lacks of which websites."""
    by_day: dict[dt.date, list[Gap]] = {}
    for gap in gaps:
        if gap.assets and LOOK_BACK_DAYS - horizon.age(gap.date) <= EXPIRING_DAYS:
            by_day.setdefault(gap.date, []).append(gap)
    return [
        f"{day} can be captured for {LOOK_BACK_DAYS - horizon.age(day)} more days: {_lacking(some)}"
        for day, some in by_day.items()
    ]


def _lacking(gaps: Sequence[Gap]) -> str:
    """The websites of some gaps of a day, and the assets that any of them lacks."""
    websites = [gap.website for gap in gaps]
    named = ", ".join(websites[:_NAMED]) + (f" and {len(websites) - _NAMED} more" if len(websites) > _NAMED else "")
    assets = dict.fromkeys(asset for gap in gaps for asset in gap.assets)
    return f"{named} lack{'s' if len(websites) == 1 else ''} {', '.join(assets)}"


def under_way(instance: dg.DagsterInstance, websites: Collection[str], keys: AssetKeys = PLAIN) -> set[str]:
    """The partitions of a lake's runs that have not finished."""
    runs = instance.get_runs(dg.RunsFilter(statuses=list(UNFINISHED)))
    return {key for run in runs if keys.concerns(run) for key in keys_of(run.tags, websites)}
