"""The jobs and what starts them: the nightly capture, and the healer that brings missing days back.

What is derived from captures follows them in the same runs.

Thin shells over pure functions. Backfills need no job: launch them from an asset's page in Dagster, or with
`ignite-assets materialize --from … --to …`.
"""

import datetime as dt
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
from ignite_assets.dagster.partitions import keys_of, partition_key
from ignite_assets.dagster.records import reconcile
from ignite_assets.dagster.stale import stale_partitions
from ignite_assets.dagster.waiting import waiting
from ignite_assets.storage.lake import Lake
from ignite_assets.tables.derived.row import Derived

EXPIRING_DAYS = 3
"""A gap this close to the end of the look-back window is named as expiring."""


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
    """The two schedules and their jobs. Without a lake of ours, Dagster's records say what is there."""
    named = settings.dagster.named
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

    def capture(day: dt.date) -> Requests:
        yield from nightly_requests(day, sorted(settings.websites), endpoints, horizon, derived, keys)

    def close_gaps(context: dg.ScheduleEvaluationContext) -> Requests:
        give_up_lost_runs(context.instance, horizon, keys)
        there = partitions_there(context.instance, settings, tables, lake, keys)
        gaps = find_gaps(
            endpoints,
            sorted(settings.websites),
            there,
            horizon,
            derived=derived,
            stale=stale_keys(settings, derived, horizon),
            start=settings.partitions.start_date,
            under_way=under_way(context.instance, keys),
        )
        alone = waiting(context.instance, horizon, keys)
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
        f"Every night at {at:%H:%M}: captures the day that just closed, one run for each website, while the platform's "
        "window holds only that day.",
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
    return [nightly_schedule, heal_schedule], [nightly, heal]


def partitions_there(
    instance: dg.DagsterInstance,
    settings: Settings,
    tables: Iterable[Table],
    lake: Callable[[], Lake] | None,
    keys: AssetKeys,
) -> Mapping[str, Collection[str]]:
    """By asset, the keys of the partitions that the lake holds; without a lake of ours, those on record."""
    if lake:
        return reconcile(instance, lake(), tables, sorted(settings.websites), keys)
    return {table.name: instance.get_materialized_partitions(keys[table.name]) for table in tables}


def nightly_requests(
    day: dt.date,
    websites: Sequence[str],
    endpoints: Sequence[Endpoint],
    horizon: Horizon,
    derived: Sequence[Derived] = (),
    keys: AssetKeys = PLAIN,
) -> Requests:
    """One run a website over the assets that the day allows: a tick that comes late finds the present gone."""
    allowed = [endpoint for endpoint in endpoints if horizon.refusal(endpoint, day) is None]
    if not allowed:
        early = day > horizon.yesterday()
        yield dg.SkipReason(f"{day} has not closed yet" if early else f"{day} can't be captured any more")
        return
    captured = {endpoint.name for endpoint in allowed}
    due: list[Table] = [*allowed, *(row for row in derived if row.main in captured)]
    for website in websites:
        yield dg.RunRequest(
            run_key=f"{day}|{website}",
            partition_key=partition_key(day, website),
            asset_selection=keys.all(table.name for table in due),
            asset_check_keys=[],  # the assets' own steps evaluate them
        )


def find_gaps(
    endpoints: Sequence[Endpoint],
    websites: Sequence[str],
    materialized: Mapping[str, Collection[str]],
    horizon: Horizon,
    *,
    derived: Sequence[Derived] = (),
    stale: Mapping[str, Collection[str]] = MappingProxyType({}),
    start: dt.date,
    under_way: Collection[str] = (),
) -> list[Gap]:
    """What is wanted, can still be captured, isn't materialized and has no run under way; oldest first.

    A derived partition is wanted whose main input is there or is a gap itself, on any day since the start; and again
    when it is `stale` (keys by asset).
    """
    days = [start + dt.timedelta(days=n) for n in range((horizon.yesterday() - start).days + 1)]
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
    """One run a gap, at most so many, each website's oldest first and the websites in turn.

    In turn, because a website that always fails would otherwise keep the others' gaps waiting until they expire. Days
    that only have to be derived can wait: they come last, newest first, since the newest are read.
    """
    if not gaps:
        yield dg.SkipReason("nothing is missing")
    expiring = [gap for gap in gaps if gap.assets]
    lasting = [gap for gap in gaps if not gap.assets]
    for gap in [*_in_turn(expiring), *_in_turn(lasting, newest_first=True)][:most]:
        yield gap_request(gap, f"heal|{night}", horizon, keys)


def gap_request(gap: Gap, occasion: str, horizon: Horizon, keys: AssetKeys = PLAIN) -> dg.RunRequest:
    """The run that closes a gap, once an occasion."""
    due = (*gap.assets, *gap.derived)
    left = {"ignite/days_left": str(LOOK_BACK_DAYS - horizon.age(gap.date))} if gap.assets else {}
    return dg.RunRequest(
        run_key=f"{occasion}|{gap.date}|{gap.website}",
        partition_key=partition_key(gap.date, gap.website),
        asset_selection=keys.all(due),
        asset_check_keys=[],
        tags=left,
    )


def stale_keys(settings: Settings, derived: Sequence[Derived], horizon: Horizon) -> dict[str, set[str]]:
    """By derived asset, the keys of stale partitions."""
    found = stale_partitions(settings, derived, horizon)
    return {name: {partition_key(p.date, p.website) for p in partitions} for name, partitions in found.items()}


def _in_turn(gaps: Iterable[Gap], *, newest_first: bool = False) -> list[Gap]:
    queues: dict[str, deque[Gap]] = {}
    for gap in sorted(gaps, reverse=newest_first):
        queues.setdefault(gap.website, deque()).append(gap)
    ordered = []
    while queues:
        round_ = sorted((queue.popleft() for queue in queues.values()), reverse=newest_first)
        ordered += round_
        queues = {website: queue for website, queue in queues.items() if queue}
    return ordered


def expiring(gaps: Iterable[Gap], horizon: Horizon) -> list[str]:
    """A line for each gap that soon can't be closed any more."""
    return [
        f"{gap.date}|{gap.website} lacks {', '.join(gap.assets)} and can be captured for "
        f"{LOOK_BACK_DAYS - horizon.age(gap.date)} more days"
        for gap in gaps
        if gap.assets and LOOK_BACK_DAYS - horizon.age(gap.date) <= EXPIRING_DAYS
    ]


def under_way(instance: dg.DagsterInstance, keys: AssetKeys = PLAIN) -> set[str]:
    """The partitions of a lake's runs that have not finished."""
    runs = instance.get_runs(dg.RunsFilter(statuses=list(UNFINISHED)))
    return {key for run in runs if keys.concerns(run) for key in keys_of(run.tags)}
