"""Runs that our own command launches: which there are for a request, how they are executed, what became of them.

One run a website, in a process of its own, so that nothing a website does can stop another's run. What became of a
partition is read from the instance's own records, never from the process that ran it: a killed one leaves the truth.
"""

import datetime as dt
import functools
import multiprocessing
import os
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import dagster as dg

from ignite_assets.api.endpoints import ENDPOINTS, Endpoint
from ignite_assets.api.horizon import Horizon
from ignite_assets.build import build_defs
from ignite_assets.config import load_settings
from ignite_assets.failures import OUTCOMES
from ignite_assets.partitions import partition_key, read_key

Status = Literal["materialized", "failed", "refused"]
_POLL_SECONDS = 0.25
_RANGE_START = "dagster/asset_partition_range_start"
_RANGE_END = "dagster/asset_partition_range_end"
_EVENTS = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.STEP_FAILURE}


@dataclass(frozen=True)
class WebsiteRun:
    """One Dagster run to be: some assets of a website, for a day or for consecutive days."""

    website: str
    days: tuple[dt.date, ...]
    assets: tuple[str, ...]

    @property
    def partitions(self) -> list[tuple[str, dt.date]]:
        """Each asset with each day."""
        return [(asset, day) for asset in self.assets for day in self.days]


@dataclass(frozen=True, kw_only=True)
class PartitionResult:
    """What became of one partition."""

    asset: str
    website: str
    date: dt.date
    status: Status
    rows: int | None = None
    bytes: int | None = None
    seconds: float | None = None
    path: str | None = None
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The result as `ignite-assets materialize --json` prints it."""
        return {
            "asset": self.asset,
            "website": self.website,
            "date": self.date.isoformat(),
            "status": self.status,
            "rows": self.rows,
            "bytes": self.bytes,
            "path": self.path,
            "error": self.error,
        }


@dataclass(frozen=True)
class Plan:
    """The runs of a request, and the partitions of it that can't be asked for."""

    runs: list[WebsiteRun]
    refused: list[PartitionResult]


def plan(
    days: Sequence[dt.date],
    websites: Sequence[str],
    assets: Collection[str],
    horizon: Horizon,
    *,
    named: bool,
    endpoints: tuple[Endpoint, ...] = ENDPOINTS,
) -> Plan:
    """One run a website over the days; assets that tell only the present get their one day in a run of their own.

    `named`: the assets were asked for by name, so one that a day doesn't allow is refused. Otherwise assets that
    tell only the present are simply not due on other days.
    """
    chosen = [endpoint for endpoint in endpoints if endpoint.name in assets]
    refused = [
        PartitionResult(asset=endpoint.name, website=website, date=day, status="refused", error=reason)
        for website in websites
        for day in days
        for endpoint in chosen
        if (reason := horizon.refusal(endpoint, day)) and (named or endpoint.history == "look_back")
    ]
    runs = [run for website in websites for run in _runs_of(website, days, chosen, horizon)]
    return Plan(runs, refused)


def _runs_of(
    website: str, days: Sequence[dt.date], chosen: Sequence[Endpoint], horizon: Horizon
) -> Iterator[WebsiteRun]:
    """Assets that are allowed for the same days share a run."""
    by_days: dict[tuple[dt.date, ...], list[str]] = {}
    for endpoint in chosen:
        allowed = tuple(day for day in days if horizon.refusal(endpoint, day) is None)
        if allowed:
            by_days.setdefault(allowed, []).append(endpoint.name)
    for allowed, assets in by_days.items():
        yield WebsiteRun(website, allowed, tuple(assets))


def execute(
    runs: Sequence[WebsiteRun],
    *,
    config: Path,
    instance: dg.DagsterInstance,
    on_result: Callable[[PartitionResult], None],
    endpoints: tuple[Endpoint, ...] = ENDPOINTS,
) -> list[PartitionResult]:
    """Execute the runs side by side; `on_result` hears of each partition as soon as it is known.

    When some days of a listing asset failed in a ranged run, the asset that takes its ids from it did not run. It gets
    a run of its own, over the days that landed.
    """
    results: list[PartitionResult] = []

    def known(result: PartitionResult) -> None:
        results.append(result)
        on_result(result)

    while runs:
        with _executor(len(runs)) as executor:
            watches = [_Watch(run, executor, config, instance, known) for run in runs]
            for watch in watches:
                watch.start()
            _poll_until_done(watches)
        runs = [follower for watch in watches for follower in watch.followers(endpoints)]
        for watch in watches:
            watch.close(without=runs)
    return results


def _executor(runs: int) -> Executor:
    """Processes where there are several runs; a single one needs no second interpreter."""
    if runs == 1:
        return ThreadPoolExecutor(1)
    workers = min(runs, max(2, os.cpu_count() or 2))
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def _poll_until_done(watches: Sequence["_Watch"]) -> None:
    waiting = {watch.future for watch in watches}
    while waiting:
        done, waiting = wait(waiting, timeout=_POLL_SECONDS)
        for watch in watches:
            if watch.future.running() or watch.future in done:
                watch.poll()


class _Watch:
    """One run under way, and what the instance's records say of its partitions so far."""

    def __init__(
        self,
        run: WebsiteRun,
        executor: Executor,
        config: Path,
        instance: dg.DagsterInstance,
        known: Callable[[PartitionResult], None],
    ) -> None:
        self.run = run
        self.future: Future[None]
        self._executor, self._config, self._instance, self._known = executor, config, instance, known
        self._run_id = str(uuid.uuid4())
        self._cursor: str | None = None
        self._results: dict[tuple[str, dt.date], PartitionResult] = {}
        self._step_errors: dict[str, str] = {}

    def start(self) -> None:
        """Hand the run to the executor."""
        self.future = self._executor.submit(_execute_run, str(self._config), self._run_id, self.run)

    def poll(self) -> None:
        """Take in what the instance recorded since the last look."""
        page = self._instance.get_records_for_run(self._run_id, cursor=self._cursor, of_type=_EVENTS)
        self._cursor = page.cursor
        for record in page.records:
            event = record.event_log_entry.get_dagster_event()
            if event.is_step_failure:
                self._take_failure(event)
            else:
                self._take_materialization(event.step_materialization_data.materialization)

    def followers(self, endpoints: Sequence[Endpoint]) -> list[WebsiteRun]:
        """The runs that capture what this one left out although what it needs has landed."""
        listing = {e.name: e.ids.endpoint for e in endpoints if e.ids and e.ids.from_partition}
        found = []
        for asset in self.run.assets:
            parent = listing.get(asset)
            if parent is None or parent not in self._step_errors or asset in self._step_errors:
                continue
            landed = [day for day in self.run.days if self._landed(parent, day)]
            found += [WebsiteRun(self.run.website, days, (asset,)) for days in consecutive(landed)]
        return found

    def close(self, *, without: Sequence[WebsiteRun]) -> None:
        """Say of each partition that left no record why that is, but for those that another run takes over."""
        taken_over = {(run.website, *partition) for run in without for partition in run.partitions}
        for asset, day in self.run.partitions:
            if (asset, day) not in self._results and (self.run.website, asset, day) not in taken_over:
                self._add(asset, day, "failed", error=self._why_missing(asset))
        if self.future.exception() and (run := self._instance.get_run_by_id(self._run_id)) and not run.is_finished:
            self._instance.report_run_failed(run, "the process that executed the run died")

    def _landed(self, asset: str, day: dt.date) -> bool:
        result = self._results.get((asset, day))
        return result is not None and result.status == "materialized"

    def _why_missing(self, asset: str) -> str:
        if reason := self._step_errors.get(asset):
            return reason
        if error := self.future.exception():
            return f"the run's process failed: {type(error).__name__}"
        failed = ", ".join(sorted(self._step_errors))
        return f"not run, since {failed} failed" if failed else "the run ended without capturing it"

    def _take_failure(self, event: Any) -> None:
        failure = event.step_failure_data
        told = failure.user_failure_data
        asset = event.step_key
        lines = (told.description if told and told.description else failure.error.message).strip().splitlines()
        self._step_errors[asset] = lines[0] if lines else "failed"
        outcomes = told.metadata.get(OUTCOMES) if told else None
        for key, outcome in (outcomes.value if outcomes else {}).items():
            day, _ = read_key(key)
            self._add(asset, day, outcome["status"], error=outcome["error"])

    def _take_materialization(self, materialization: dg.AssetMaterialization) -> None:
        day, _ = read_key(materialization.partition or "")
        facts = {key: value.value for key, value in materialization.metadata.items()}
        self._add(
            materialization.asset_key.path[0],
            day,
            "materialized",
            rows=facts.get("dagster/row_count"),
            bytes=facts.get("bytes"),
            seconds=facts.get("seconds"),
            path=facts.get("path"),
        )

    def _add(self, asset: str, day: dt.date, status: Status, **facts: Any) -> None:
        result = PartitionResult(asset=asset, website=self.run.website, date=day, status=status, **facts)
        self._results[asset, day] = result
        self._known(result)


def consecutive(days: Sequence[dt.date]) -> list[tuple[dt.date, ...]]:
    """The days cut where one is missing: a ranged run takes no gaps."""
    stretches: list[list[dt.date]] = []
    for day in sorted(days):
        if stretches and day - stretches[-1][-1] == dt.timedelta(days=1):
            stretches[-1].append(day)
        else:
            stretches.append([day])
    return [tuple(stretch) for stretch in stretches]


@functools.cache
def _job(config: str) -> dg.JobDefinition:
    # Whoever watches decides about another try, rather than waiting minutes for it.
    return build_defs(load_settings(Path(config)), retry_policy=None).resolve_job_def("nightly")


def _execute_run(config: str, run_id: str, run: WebsiteRun) -> None:
    """Execute one run in this process; its events go to the instance of `DAGSTER_HOME`."""
    first, last = (partition_key(day, run.website) for day in (run.days[0], run.days[-1]))
    one = len(run.days) == 1
    with dg.DagsterInstance.get() as instance:
        _job(config).execute_in_process(
            instance=instance,
            run_id=run_id,
            partition_key=first if one else None,
            tags={} if one else {_RANGE_START: first, _RANGE_END: last},
            asset_selection=[dg.AssetKey(asset) for asset in run.assets],
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
