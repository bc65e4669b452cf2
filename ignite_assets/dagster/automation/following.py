"""What a failed run left out although what it is made from has landed.

Dagster skips the steps after one that failed in part, and a backfill asks for nothing whose window lacks a day. So what
was selected and can be made from what landed is requested once, by a run that follows the failed one.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

import dagster as dg

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.config import Settings
from ignite_assets.dagster.automation.healing import Gap
from ignite_assets.dagster.automation.schedules import COMMAND
from ignite_assets.dagster.keys import AssetKeys
from ignite_assets.dagster.partitions import keys_of
from ignite_assets.dagster.private import BACKFILL, is_over
from ignite_assets.tables.derived.row import Derived

FOLLOWED = "ignite/followed"
"""A failed run's tag: what it left out has been requested."""
FOLLOWS = "ignite/follows"
"""A run's tag: the failed run that left out what it makes. It is followed by none."""

_RUNS_LOOKED_AT = 1000


def runs_to_follow(instance: dg.DagsterInstance, settings: Settings, keys: AssetKeys) -> list[dg.DagsterRun]:
    """Failed runs of which nobody has looked at what they left out; of a backfill once it is over.

    Not those of the command line, which sees to it itself.
    """
    failed = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]), limit=_RUNS_LOOKED_AT)
    command = settings.dagster.named(COMMAND)
    return [
        run
        for run in failed
        if not run.tags.keys() & {FOLLOWED, FOLLOWS}
        and run.job_name != command
        and keys.concerns(run)
        and is_over(instance, run.tags.get(BACKFILL))
        and _partitions(run, settings)
    ]


def partitions_of(instance: dg.DagsterInstance, settings: Settings, run: dg.DagsterRun) -> set[str]:
    """The keys of a run's partitions, with those of its backfill."""
    backfill = run.tags.get(BACKFILL)
    runs = instance.get_runs(dg.RunsFilter(tags={BACKFILL: backfill})) if backfill else [run]
    return {key for each in runs for key in _partitions(each, settings)}


def left_out(
    instance: dg.DagsterInstance,
    partitions: Collection[str],
    run: dg.DagsterRun,
    gaps: Sequence[Gap],
    there: Mapping[str, Collection[str]],
    endpoints: Sequence[Endpoint],
    derived: Sequence[Derived],
    keys: AssetKeys,
) -> Iterator[Gap]:
    """The gaps among its partitions that a run, or its backfill, left although what they are made from is there."""
    backfill = run.tags.get(BACKFILL)
    found = instance.get_backfill(backfill) if backfill else None
    selected = (found.asset_selection if found else None) or run.asset_selection
    made_from = {
        **{each.name: each.ids.endpoint for each in endpoints if each.ids and each.ids.from_partition},
        **{row.name: row.main for row in derived},
    }
    due = {name for name in made_from if not selected or keys[name] in selected}
    for gap in gaps:
        if gap.key in partitions:
            assets, follow = (
                tuple(name for name in names if name in due and gap.key in there[made_from[name]])
                for names in (gap.assets, gap.derived)
            )
            if assets or follow:
                yield Gap(gap.date, gap.website, assets, follow)


def _partitions(run: dg.DagsterRun, settings: Settings) -> set[str]:
    try:
        return {key for key in keys_of(run.tags, settings.websites) if key.partition("|")[2] in settings.websites}
    except (ValueError, KeyError):  # a run of somebody else's partitions
        return set()
