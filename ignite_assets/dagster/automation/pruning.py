"""Old runs are deleted from Dagster's records, without anything being forgotten of a partition.

What a run made stays on record, so grid, healer, staleness and sensors find no partition gone or new. A run stays that
shows a partition as failed, until that lands; and one whose backfill goes on.
"""

import datetime as dt
import functools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import dagster as dg

from ignite_assets.config import Settings
from ignite_assets.dagster.assets import exports, reports
from ignite_assets.dagster.automation import opt_out_job
from ignite_assets.dagster.automation.daily import daily_schedule
from ignite_assets.dagster.automation.schedules import COMMAND
from ignite_assets.dagster.instance import UNFINISHED
from ignite_assets.dagster.keys import AssetKeys
from ignite_assets.dagster.private import BACKFILL, forget_run, is_over, record_files, shows_failure
from ignite_assets.tables.progress import begin, lines, showing

JOB = "prune"
JOBS = (
    "nightly",
    "heal",
    COMMAND,
    "freshness",
    reports.JOB,
    exports.JOB,
    exports.REMOVALS_JOB,
    opt_out_job.JOB,
    JOB,
)
"""The jobs of a configuration, whose runs may be deleted; other runs, if they select its assets alone."""
_OP = "prune_runs"
_RUNS_AT_ONCE = 200
_Kept = Literal["another's", "a failed partition", "a backfill under way"]
_FINISHED = [status for status in dg.DagsterRunStatus if status not in UNFINISHED]


@dataclass
class PrunedRuns:
    """What was deleted, or would be."""

    runs: int = 0
    bytes: int = 0
    """Of files that hold these runs alone, as SQLite has them."""
    oldest: dt.datetime | None = None
    newest: dt.datetime | None = None
    kept: dict[_Kept, int] = field(default_factory=dict)
    """By reason, the runs that are as old and stay."""

    def __str__(self) -> str:
        runs = f"{self.runs:,} runs"
        of = f" of {self.oldest:%Y-%m-%d} to {self.newest:%Y-%m-%d}" if self.oldest and self.newest else ""
        size = f", {self.bytes / 1e6:,.1f} MB of files" if self.bytes else ""
        kept = [f"{count:,} {_KEPT[why]}" for why, count in sorted(self.kept.items())]
        return f"{runs}{of}{size}" + (f"; kept: {', '.join(kept)}" if kept else "")


_KEPT: dict[_Kept, str] = {
    "another's": "of other jobs and assets than this configuration's",
    "a failed partition": "that show a partition as failed which has not landed since",
    "a backfill under way": "of a backfill that goes on",
}


def prune(
    instance: dg.DagsterInstance, settings: Settings, keys: AssetKeys, before: dt.datetime, *, dry_run: bool = False
) -> PrunedRuns:
    """Delete a configuration's runs that ended before a moment; with `dry_run` only count them.

    One run is deleted after the other, so that nobody waits for the records; it may be stopped at any time, run twice
    at once, and beside runs that are under way.
    """
    jobs = {settings.dagster.named(job) for job in JOBS}
    ended = instance.get_run_ids(dg.RunsFilter(statuses=_FINISHED, updated_before=before))
    done, progress = PrunedRuns(), begin("runs", len(ended))
    # A large backfill is read once, not with each of its runs.
    goes_on = functools.cache(lambda backfill: not is_over(instance, backfill))
    for record in _records(instance, list(reversed(ended))):
        run = record.dagster_run
        if why := _why_kept(instance, jobs, keys, goes_on, run):
            done.kept[why] = done.kept.get(why, 0) + 1
        else:
            done.runs += 1
            done.bytes += sum(file.stat().st_size for file in record_files(instance, run.run_id) if file.exists())
            done.oldest = done.oldest or record.create_timestamp
            done.newest = record.create_timestamp
            if not dry_run:
                forget_run(instance, run.run_id)
        progress.add()
    return done


def _records(instance: dg.DagsterInstance, run_ids: Sequence[str]) -> Iterator[dg.RunRecord]:
    """Of some runs, page by page, in the order given."""
    for at in range(0, len(run_ids), _RUNS_AT_ONCE):
        yield from instance.get_run_records(
            dg.RunsFilter(run_ids=run_ids[at : at + _RUNS_AT_ONCE], statuses=_FINISHED), ascending=True
        )


def _why_kept(
    instance: dg.DagsterInstance,
    jobs: Collection[str],
    keys: AssetKeys,
    goes_on: Callable[[str | None], bool],
    run: dg.DagsterRun,
) -> _Kept | None:
    selected = run.asset_selection or set()
    if not keys.are_all(selected) or not (selected or run.job_name in jobs):
        return "another's"
    if goes_on(run.tags.get(BACKFILL)):
        return "a backfill under way"
    if run.status == dg.DagsterRunStatus.FAILURE and shows_failure(instance, run.run_id):
        return "a failed partition"
    return None


def build_pruning(
    settings: Settings, executor: dg.ExecutorDefinition, keys: AssetKeys
) -> tuple[list[dg.JobDefinition], list[dg.ScheduleDefinition]]:
    """The job and its schedule, where the configuration says how long runs are kept."""
    days, named = settings.dagster.keep_runs_days, settings.dagster.named
    if days is None:
        return [], []

    @dg.op(name=named(_OP), description=f"Deletes records of runs that ended more than {days} days ago.")
    def prune_runs(context: dg.OpExecutionContext) -> None:
        with showing(lines(context.log.info)):
            done = prune(context.instance, settings, keys, dt.datetime.now(dt.UTC) - dt.timedelta(days=days))
        context.log.info("deleted %s", done)

    @dg.job(
        name=named(JOB),
        executor_def=executor,
        description="Deletes records of old runs; what they made stays on record.",
    )
    def prune_old_runs() -> None:
        prune_runs()

    at = settings.schedule.prune
    schedule = daily_schedule(
        settings,
        named("prune_schedule"),
        prune_old_runs,
        at,
        f"Every day at {at:%H:%M}: deletes records of runs that ended more than {days} days ago.",
    )
    return [prune_old_runs], [schedule]
