"""The healer: what is missing of the days that can be captured, and the runs that bring it back.

What the lake holds is there, whatever is on record; what a run has under way is not asked for again.
"""

import datetime as dt
import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import dagster as dg

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.horizon import LOOK_BACK_DAYS, Horizon
from ignite_assets.api.table import Table
from ignite_assets.config import Settings
from ignite_assets.dagster.automation.daily import Requests, night_of
from ignite_assets.dagster.instance import UNFINISHED
from ignite_assets.dagster.keys import PLAIN, AssetKeys
from ignite_assets.dagster.liveness import give_up_lost_runs
from ignite_assets.dagster.partitions import keys_of, partition_key, read_key
from ignite_assets.dagster.private import recorded_partitions
from ignite_assets.dagster.records import reconcile, record_held
from ignite_assets.dagster.stale import stale_partitions
from ignite_assets.dagster.waiting import waiting
from ignite_assets.dagster.website_runs import WebsiteRun, runs_of
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.derived.row import Derived
from ignite_assets.tables.windows import days_between

EXPIRING_DAYS = 3
"""A gap this close to the end of the look-back window is named as expiring."""
_NAMED = 5
_NIGHTS_FOR_OLDER_DAYS = 30
_WEBSITES_A_NIGHT = 60
"""Of more websites, the healer goes by the records, and looks at all files of so many a night: one that is gone while
its record stands is found when the website's turn comes. Of the others it looks for what is not on record."""


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


Gaps = list[Gap]


@dataclass(frozen=True)
class Healer:
    """What is looked at in a night, and the runs that bring back what is missing."""

    settings: Settings
    endpoints: Sequence[Endpoint]
    derived: Sequence[Derived]
    horizon: Horizon
    keys: AssetKeys
    nightly: str
    """The job whose runs make the last day alone."""
    lake: Callable[[], Lake] | None
    """Without one of ours, Dagster's records say what is there."""

    def requests(self, context: dg.ScheduleEvaluationContext) -> Requests:
        """The runs of a tick."""
        give_up_lost_runs(context.instance, self.horizon, self.keys)
        alone = waiting(context.instance, self.horizon, self.settings.websites, self.keys)
        gaps = [gap for gap in self._gaps(context) if gap.website not in alone]
        for line in expiring(gaps, self.horizon):
            context.log.warning(line)
        most = self.settings.schedule.heal_runs_per_tick
        yield from healing_requests(gaps, night_of(context, self.settings), most, self.horizon, self.keys)

    def _gaps(self, context: dg.ScheduleEvaluationContext) -> Gaps:
        """What is missing, in the order of the days."""
        everyone, held = sorted(self.settings.websites), self.lake().listed_once() if self.lake else None
        going = under_way(context.instance, everyone, self.keys)
        if held is None:
            return self._looked_for(context.instance, None, everyone, going, nights=1)
        websites = self._in_turn_or_made_again(context, everyone)
        gaps = self._looked_for(context.instance, held, websites, going, nights=nights_of_a_round(everyone))
        if others := sorted(set(everyone) - set(websites)):
            gaps = sorted(gaps + self._on_record(context.instance, held, others, going))
        return gaps

    def _in_turn_or_made_again(self, context: dg.ScheduleEvaluationContext, websites: Sequence[str]) -> list[str]:
        """The websites whose files are looked at tonight: those whose turn it is, and those that runs made anew."""
        turn = in_turn(websites, night_of(context, self.settings))
        since = context.scheduled_execution_time - dt.timedelta(days=1)
        runs = context.instance.get_runs(dg.RunsFilter(updated_after=since)) if len(turn) < len(websites) else []
        other_jobs = [run for run in runs if run.job_name != self.nightly and self.keys.concerns(run)]
        return sorted(turn | websites_made_again(other_jobs, websites, self.horizon.yesterday()))

    def _looked_for(
        self,
        instance: dg.DagsterInstance,
        held: Lake | None,
        websites: Sequence[str],
        going: Collection[str],
        *,
        nights: int,
    ) -> Gaps:
        """What websites lack whose files are looked at; `nights`: those since the last look."""
        days = healed_days(self.settings.partitions.start_date, self.horizon, nights)
        there = partitions_there(instance, self._tables, websites, days, held, self.keys)
        stale = stale_keys(stale_partitions(self.settings, self.derived, self.horizon, held, websites))
        return self._find(websites, there, days, going, stale)

    def _on_record(
        self, instance: dg.DagsterInstance, held: Lake, websites: Sequence[str], going: Collection[str]
    ) -> Gaps:
        """What is neither on record nor in the lake, of the days that can be captured."""
        days = days_between(max(self.settings.partitions.start_date, self.horizon.oldest()), self.horizon.yesterday())
        recorded = partitions_there(instance, self._tables, websites, days, None, self.keys)
        gaps = self._find(websites, recorded, days, going)
        found = record_held(instance, held, by_asset(gaps), self.keys)
        if not any(found.values()):
            return gaps
        there = {name: found.get(name, set()).union(keys) for name, keys in recorded.items()}
        return self._find(websites, there, days, going)

    def _find(
        self,
        websites: Sequence[str],
        there: Mapping[str, Collection[str]],
        days: Iterable[dt.date],
        going: Collection[str],
        stale: Mapping[str, Collection[str]] = MappingProxyType({}),
    ) -> Gaps:
        return find_gaps(
            self.endpoints,
            websites,
            there,
            self.horizon,
            derived=self.derived,
            stale=stale,
            days=days,
            under_way=going,
        )

    @property
    def _tables(self) -> tuple[Table, ...]:
        return (*self.endpoints, *self.derived)


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


def by_asset(gaps: Iterable[Gap]) -> dict[str, list[str]]:
    """By asset, the keys of what gaps lack."""
    found: dict[str, list[str]] = {}
    for gap in gaps:
        for asset in (*gap.assets, *gap.derived):
            found.setdefault(asset, []).append(gap.key)
    return found


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
