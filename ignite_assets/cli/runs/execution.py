"""The execution of the command's own runs, and the results of their partitions.

Each run is executed by a process that has nothing else to do, so that nothing a website does can stop another's run.
A partition's result is read from the instance's own records, never from the process that ran it: a killed one
leaves the truth.
"""

import contextlib
import datetime as dt
import functools
import resource
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import dagster as dg

from ignite_assets.api.errors import FailureRecord
from ignite_assets.api.horizon import Horizon
from ignite_assets.cli.runs.plan import PartitionResult, PartitionStatus
from ignite_assets.cli.runs.queue import Order, Queue
from ignite_assets.cli.runs.workers import Workers
from ignite_assets.config import Settings, load_settings
from ignite_assets.dagster.automation.schedules import COMMAND
from ignite_assets.dagster.build import build_defs
from ignite_assets.dagster.checks.evaluations import doubt
from ignite_assets.dagster.failures import failed_partitions, failed_step
from ignite_assets.dagster.instance import dagster_home, inherited_instance, open_instance, runs_at_once
from ignite_assets.dagster.keys import PLAIN, AssetKeys
from ignite_assets.dagster.landing import Kept
from ignite_assets.dagster.liveness import give_up_lost_runs
from ignite_assets.dagster.partitions import partition_key, read_key
from ignite_assets.dagster.private import held_open, plan_each, plan_ranges_as_one
from ignite_assets.dagster.records import record_stored
from ignite_assets.dagster.website_runs import WebsiteRun, runs_of
from ignite_assets.storage.lake import Lake
from ignite_assets.tables.registry import TABLES

_POLL_SECONDS = 0.5
_GRACE_SECONDS = 5
_BY_NAME = {table.name: table for table in TABLES}
_EVENTS = {
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.RUN_FAILURE,
}
_FEW_FILES = 64
"""With fewer open at once, Dagster can't keep its records."""


@dataclass(frozen=True)
class Launcher:
    """What the runs of a command share: the instance that records them, and the processes that execute them."""

    config: Path
    instance: dg.DagsterInstance
    workers: Workers[Order] | Queue
    keys: AssetKeys = PLAIN


@contextlib.contextmanager
def launcher(settings: Settings, *, submit: bool = False) -> Iterator[Launcher]:
    """Open the instance of a configuration, and give up runs whose processes are gone.

    `submit`: the instance's own queue executes the runs. Raises `ConfigurationError` where Dagster can't load them.
    """
    keys = AssetKeys.of(settings)
    with open_instance(dagster_home(settings)) as instance:
        give_up_lost_runs(instance, Horizon(settings.partitions.zone), keys)
        if submit:
            say = functools.partial(click.echo, err=True)
            yield Launcher(settings.path, instance, Queue(instance, settings, keys, say), keys)
            return
        _job(str(settings.path))  # what every fork needs
        with Workers(execute_run, settings.dagster.max_concurrent_runs or runs_at_once(instance)) as workers:
            yield Launcher(settings.path, instance, workers, keys)


def execute(
    runs: Sequence[WebsiteRun],
    launcher: Launcher,
    *,
    on_result: Callable[[PartitionResult], None],
    on_start: Callable[[WebsiteRun], object] = lambda _: None,
    force: bool = False,
) -> list[PartitionResult]:
    """Execute the runs, several websites side by side.

    `on_start` hears of each run that has started, `on_result` of each partition as soon as its result is known.

    A website's runs come one after another. When some days of an asset failed in a ranged run, those that are made from
    it did not run: they get a run of their own, over the days that landed.

    Interrupted, it stops the processes, records their runs as canceled, and hands the interrupt on.
    Submitted runs go on.
    """
    results: dict[tuple[object, ...], PartitionResult] = {}

    def known(result: PartitionResult) -> None:
        partition = result.asset, result.website, result.date
        is_news = partition not in results
        results[partition] = result
        if is_news:
            on_result(result)

    workers = launcher.workers
    run_of = workers.run_of if isinstance(workers, Queue) else None
    watches = {run: _Watch(run, launcher.instance, launcher.keys, known, on_start, run_of) for run in runs}
    try:
        _work_off(watches, workers, functools.partial(Order, str(launcher.config), force=force))
    except BaseException:
        if isinstance(workers, Workers):
            _cancel([watch for watch in watches.values() if watch.begun], workers)
        raise
    return list(results.values())


def landed(
    lake: Lake,
    websites: Collection[str],
    assets: Collection[str],
    days: Collection[dt.date],
    *,
    on_time: dt.tzinfo | None = None,
) -> list[Kept]:
    """The partitions of some days that the lake holds.

    `on_time`: only captures with rows that were made the day after their date, in this zone.
    """
    tables = (_BY_NAME[asset] for asset in assets)
    names = [table.name for table in tables if not (on_time and table.history == "derived")]
    found = (each for name in names for website in websites for each in lake.files(name, website))
    kept = (Kept.if_readable(lake, each) for each in found if each.date in days)
    return [each for each in kept if each and (not on_time or each.is_on_time(on_time))]


def recorded(instance: dg.DagsterInstance, kept: Iterable[Kept], keys: AssetKeys = PLAIN) -> list[PartitionResult]:
    """Partitions that are there as results; those that are not on record are recorded."""
    known: dict[str, Collection[str]] = {}
    results = []
    for each in kept:
        asset = each.partition.asset
        if asset not in known:
            known[asset] = instance.get_materialized_partitions(keys[asset])
        if partition_key(each.partition.date, each.partition.website) not in known[asset]:
            record_stored(instance, each, keys)
        results.append(_there(each))
    return results


def _there(kept: Kept) -> PartitionResult:
    return PartitionResult(
        asset=kept.partition.asset,
        website=kept.partition.website,
        date=kept.partition.date,
        status="skipped",
        rows=kept.rows,
        bytes=kept.bytes,
        path=kept.location,
    )


def _work_off(
    watches: dict[WebsiteRun, "_Watch"], workers: "Workers[Order] | Queue", order: "Callable[[str, WebsiteRun], Order]"
) -> None:
    """Carry out every run, and those that follow from them; a run that is over leaves `watches`."""
    while watches:
        at_work = {run.website for run, watch in watches.items() if watch.begun}
        for run, watch in list(watches.items()):
            if workers.has_room and not watch.begun and run.website not in at_work:
                workers.begin(watch.order(order))
                at_work.add(run.website)
        ended = workers.wait(_POLL_SECONDS)
        for watch in watches.values():
            watch.poll()
        for end in ended:
            watch = watches.pop(end.task.run)
            followers = watch.followers() if end.failure is None else []
            watch.close(end.failure, without=followers)
            waiting = [(run, watches.pop(run)) for run in list(watches) if followers]
            watches.update({run: watch.like(run) for run in followers})
            watches.update(waiting)  # what is derived is planned last, and reads what followers bring


def _cancel(watches: Sequence["_Watch"], workers: "Workers[Order]") -> None:
    """Stop what is under way, and leave no run that seems to go on."""
    for watch in watches:
        watch.announce_cancelation()
    workers.stop(_GRACE_SECONDS)
    for watch in watches:
        watch.cancel()


class _Watch:
    """One run, and what the instance's records say of its partitions so far."""

    def __init__(
        self,
        run: WebsiteRun,
        instance: dg.DagsterInstance,
        keys: AssetKeys,
        known: Callable[[PartitionResult], None],
        started: Callable[[WebsiteRun], object],
        run_of: Callable[[str], str | None] | None = None,
    ) -> None:
        """`run_of`: the run that an order became, which otherwise has the order's id."""
        self._run_of = run_of
        self.run = run
        self.begun = False
        self._instance, self._keys, self._known, self._started = instance, keys, known, started
        self._run_id = str(uuid.uuid4())
        self._recorded = False
        self._cursor: str | None = None
        self._results: dict[tuple[str, dt.date], PartitionResult] = {}
        self._step_failures: dict[str, FailureRecord] = {}
        self._run_failure = ""

    def like(self, run: WebsiteRun) -> "_Watch":
        """One that reports to the same."""
        return _Watch(run, self._instance, self._keys, self._known, self._started, self._run_of)

    def order(self, order: Callable[[str, WebsiteRun], Order]) -> Order:
        """What the process that executes the run is told."""
        self.begun = True
        return order(self._run_id, self.run)

    def poll(self) -> None:
        """Take in what the instance recorded since the last look."""
        # Before the run is created, looking for its events would create their file under its process's hands.
        if not self._recorded:
            self._run_id = (self.begun and self._run_of and self._run_of(self._run_id)) or self._run_id
            if not (self.begun and self._instance.has_run(self._run_id)):
                return
            self._recorded = True
            self._started(self.run)
        page = self._instance.get_records_for_run(self._run_id, cursor=self._cursor, of_type=_EVENTS)
        self._cursor = page.cursor
        for record in page.records:
            event = record.event_log_entry.get_dagster_event()
            if event.is_step_failure:
                self._take_failure(event)
            elif event.event_type == dg.DagsterEventType.RUN_FAILURE:
                self._run_failure = _run_failure(event)
            elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                self._take_evaluation(event.asset_check_evaluation_data)
            else:
                self._take_materialization(event.step_materialization_data.materialization)

    def followers(self) -> list[WebsiteRun]:
        """The runs that make what this one left out although what it needs is there."""
        due: dict[str, list[dt.date]] = {}
        for asset in self.run.assets:
            if not self._left_out(asset):
                continue
            needed = _BY_NAME[asset].reads[0]
            brought = due.get(needed, [day for day in self.run.days if self._landed(needed, day)])
            due[asset] = brought if needed in self.run.assets else list(self.run.days)
        return runs_of(self.run.website, due)

    def _left_out(self, asset: str) -> bool:
        """Whether it did not run, since something that it is made from failed or did not run."""
        if asset not in self.run.assets or asset in self._step_failures:
            return False
        return any(parent in self._step_failures or self._left_out(parent) for parent in _BY_NAME[asset].reads)

    def close(self, failure: FailureRecord | None, *, without: Sequence[WebsiteRun] = ()) -> None:
        """Say of each partition that left no record why that is, but for those that another run takes over."""
        taken_over = {partition for run in without for partition in run.partitions}
        for asset, day in self.run.partitions:
            if (asset, day) not in self._results and (asset, day) not in taken_over:
                self._add(asset, day, "failed", **({"failure": failure} if failure else self._why_missing(asset, day)))
        if failure and (run := self._unfinished()):
            self._instance.report_run_failed(run, failure.text)
        self._show_failed()

    def _show_failed(self) -> None:
        """Have Dagster's pages show what failed: the command's runs plan their partitions as one set, even of one."""
        run = self._instance.get_run_by_id(self._run_id)
        if run is None:
            return
        for asset in self.run.assets:
            failed = [partition_key(day, self.run.website) for day in self.run.days if self._failed(asset, day)]
            plan_each(self._instance, run, self._keys[asset], failed)

    def announce_cancelation(self) -> None:
        """Have Dagster take the end of the run's process as wanted."""
        if run := self._unfinished():
            self._instance.report_run_canceling(run)

    def cancel(self) -> None:
        """Record the run as canceled, unless it has ended by itself."""
        if run := self._unfinished():
            self._instance.report_run_canceled(run)

    def _unfinished(self) -> dg.DagsterRun | None:
        run = self._instance.get_run_by_id(self._run_id)
        return None if run is None or run.is_finished else run

    def _landed(self, asset: str, day: dt.date) -> bool:
        result = self._results.get((asset, day))
        return result is not None and result.status == "materialized"

    def _why_missing(self, asset: str, day: dt.date) -> dict[str, Any]:
        """The failure that a partition without a record of its own is missing for."""
        if failure := self._step_failures.get(asset):
            return {"failure": failure}
        broken = [parent for parent in _BY_NAME[asset].reads if parent in self._step_failures]
        if not broken:
            cause = f": {self._run_failure}" if self._run_failure else ""
            ended = f"the run ended without it{cause}; see run {self._run_id} in Dagster"
            return {"failure": FailureRecord(kind="run", reason=ended, gist=ended)}
        failed = {parent: self._results[parent, day].failure for parent in broken if self._failed(parent, day)}
        parent = next(iter(failed), broken[0])
        return {"failure": failed.get(parent) or self._step_failures[parent], "since": parent}

    def _failed(self, asset: str, day: dt.date) -> bool:
        return (asset, day) in self._results and not self._landed(asset, day)

    def _take_failure(self, event: Any) -> None:
        asset, records = self._keys.asset_of_step(event.step_key), failed_partitions(event)
        self._step_failures[asset] = next(iter(records.values()), None) or failed_step(event, quoted=True)
        for key, record in records.items():
            day, _ = read_key(key)
            self._add(asset, day, "refused" if record.refused else "failed", failure=record)

    def _take_evaluation(self, evaluation: dg.AssetCheckEvaluation) -> None:
        """Add what a check doubts to the result: the asset's step logs it after Dagster recorded the partition."""
        if (told := doubt(evaluation)) and evaluation.partition:
            partition = evaluation.asset_key.path[-1], read_key(evaluation.partition)[0]
            if result := self._results.get(partition):
                self._results[partition] = replace(result, doubts=(*result.doubts, told))
                self._known(self._results[partition])

    def _take_materialization(self, materialization: dg.AssetMaterialization) -> None:
        day, _ = read_key(materialization.partition or "")
        facts = {key: value.value for key, value in materialization.metadata.items()}
        self._add(
            self._keys.asset(materialization.asset_key),
            day,
            "materialized",
            rows=facts.get("dagster/row_count"),
            bytes=facts.get("bytes"),
            seconds=facts.get("seconds"),
            path=facts.get("path"),
        )

    def _add(self, asset: str, day: dt.date, status: PartitionStatus, **facts: Any) -> None:
        result = PartitionResult(asset=asset, website=self.run.website, date=day, status=status, **facts)
        self._results[asset, day] = result
        self._known(result)


def _run_failure(event: Any) -> str:
    """Why a run failed outside of its steps, where Dagster knows."""
    error = event.job_failure_data.error
    if error is None:
        return ""
    # The first line: what follows it in an error of the database is the record, which may hold anything.
    told = error.message.strip().partition("\n")[0]
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return f"{told} (at most {files} files may be open at once: raise `ulimit -n`)" if files < _FEW_FILES else told


@functools.cache
def _job(config: str) -> tuple[dg.JobDefinition, AssetKeys]:
    # The person at the command decides about another try, rather than wait minutes for it.
    settings = load_settings(Path(config))
    defs = build_defs(settings, retry_policy=None)
    return defs.resolve_job_def(settings.dagster.named(COMMAND)), AssetKeys.of(settings)


def execute_run(order: Order) -> None:
    """Execute one run in this process; its events go to the instance of `DAGSTER_HOME`."""
    run = order.run
    plan_ranges_as_one()
    whole, keys = _job(order.config)
    job = whole.get_subset(asset_selection=set(keys.all(run.assets)), asset_check_selection=set())
    with inherited_instance() as instance, held_open(instance):
        job.execute_in_process(
            instance=instance,
            run_id=order.run_id,
            partition_key=run.partition,
            tags=run.tags,
            run_config=order.run_config(keys),
            raise_on_error=False,
        )
