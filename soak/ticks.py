"""The scheduler at the simulated time, and whoever watches over runs.

The schedules are the package's own, evaluated as Dagster's scheduler does it: each tick once, up to five missed ones
when it was away, and the requests submitted by the scheduler's own code to the queue of the instance.
"""

import datetime as dt
import logging
import time
import warnings
from collections.abc import Mapping, Sequence

import dagster as dg
import dagster._daemon
from dagster._core.remote_representation.external import RemoteSchedule
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import GrpcServerTarget
from dagster._scheduler.scheduler import _submit_run_request

from ignite_assets.dagster.liveness import PROCESS
from ignite_assets.dagster.partitions import partition_key, read_key
from ignite_assets.dagster.private import PARTITION

LOCATION = "soak"
_MOST_MISSED = 5
"""So many missed ticks Dagster catches up with."""
QUIET_SECONDS = 8.0
"""So long after the last worker was seen, a run that has begun is taken for lost with it."""
_BEGUN = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)
_UNFINISHED = (*_BEGUN, dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED)
_logger = logging.getLogger(__name__)


class Scheduler:
    """Ticks the schedules of a repository; remembers each schedule's last tick."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        definitions: dg.Definitions,
        times: Mapping[str, dt.time],
        since: dt.datetime,
    ) -> None:
        """`times` says when each schedule ticks (UTC), `since` when all of them were switched on."""
        self._instance = instance
        self._repository = definitions.get_repository_def()
        self._times = times
        self._last = dict.fromkeys(times, since)
        self._cursors: dict[str, str | None] = {}
        self._asked: set[str | None] = set()

    def tick(self, now: dt.datetime, port: int) -> int:
        """Carry out the ticks that are due; how many runs were requested. `port` is the code server's."""
        submitted = 0
        due = [(name, moment) for name in self._times for moment in self._due(name, now)]
        if due:
            with _workspace(self._instance, port) as workspace:
                for name, moment in due:
                    submitted += self._carry_out(name, moment, workspace)
        return submitted

    def skip(self, name: str, now: dt.datetime) -> None:
        """Let a schedule's ticks pass that are due."""
        self._due(name, now)

    def sense(self, sensor: str, *, remembers: bool = True) -> list[dg.RunRequest]:
        """Carry out a tick of a sensor; what it requests for the first time. It may be made to forget its last tick."""
        context = dg.build_sensor_context(
            self._instance, cursor=self._cursors.get(sensor), repository_def=self._repository, sensor_name=sensor
        )
        data = self._repository.get_sensor_def(sensor).evaluate_tick(context)
        self._cursors[sensor] = data.cursor if remembers else None
        requests = [each for each in data.run_requests or [] if each.run_key not in self._asked]
        self._asked.update(each.run_key for each in requests)
        return requests

    def _due(self, name: str, now: dt.datetime) -> list[dt.datetime]:
        last = self._last[name]
        days = (last.date() + dt.timedelta(days=n) for n in range((now.date() - last.date()).days + 1))
        moments = [dt.datetime.combine(day, self._times[name], dt.UTC) for day in days]
        due = [moment for moment in moments if last < moment <= now]
        self._last[name] = max([last, *due])
        return due[-_MOST_MISSED:]

    def _carry_out(self, name: str, moment: dt.datetime, workspace: WorkspaceProcessContext) -> int:
        context = dg.build_schedule_context(
            instance=self._instance, scheduled_execution_time=moment, repository_def=self._repository
        )
        requests = self._repository.get_schedule_def(name).evaluate_tick(context).run_requests or []
        submit(requests, name, moment, workspace)
        return len(requests)


def submit(
    requests: Sequence[dg.RunRequest], schedule: str, moment: dt.datetime, workspace: WorkspaceProcessContext
) -> None:
    """Put the runs that a schedule requests into the queue, as the daemon's scheduler does."""
    remote = _remote_schedule(schedule, workspace)
    for request in requests:
        result = _submit_run_request(request, workspace, remote, moment, _logger, None)
        if result.error_info:
            raise RuntimeError(f"{request.run_key} can't be submitted: {result.error_info.message}")


def _remote_schedule(name: str, workspace: WorkspaceProcessContext) -> RemoteSchedule:
    location = workspace.create_request_context().get_code_location(LOCATION)
    (repository,) = location.get_repositories().values()
    return repository.get_schedule(name)


def _workspace(instance: dg.DagsterInstance, port: int) -> WorkspaceProcessContext:
    return WorkspaceProcessContext(instance, GrpcServerTarget("127.0.0.1", port, None, LOCATION))


def submit_by_hand(
    instance: dg.DagsterInstance, requests: Sequence[dg.RunRequest], moment: dt.datetime, port: int
) -> None:
    """What an operator or a sensor launches: runs of the healer's job that the healer did not ask for."""
    with _workspace(instance, port) as workspace:
        submit(list(map(_tagged, requests)), "heal_schedule", moment, workspace)


def _tagged(request: dg.RunRequest) -> dg.RunRequest:
    """The request with the tags that make a run one of its partition, as Dagster's pages and sensors set them."""
    if request.partition_key is None:
        return request  # a range, whose tags the request has
    day, website = read_key(request.partition_key)
    dimensions = partition_key(day, website).keys_by_dimension.items()
    tags = {PARTITION: str(request.partition_key), **{f"{PARTITION}/{name}": value for name, value in dimensions}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Dagster's own tags
        return request.with_replaced_attrs(tags={**request.tags, **tags})


class Watch:
    """Whoever watches over the runs of an instance."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        """Nothing is under way."""
        self._instance = instance
        self._worker_seen = time.monotonic()

    def unfinished(self) -> list[dg.DagsterRun]:
        """The runs that have not ended."""
        return list(self._instance.get_runs(dg.RunsFilter(statuses=list(_UNFINISHED))))

    def under_way(self) -> list[dg.DagsterRun]:
        """The runs that have begun and not ended."""
        return list(self._instance.get_runs(dg.RunsFilter(statuses=list(_BEGUN))))

    def look(self, *, workers: Sequence[int]) -> None:
        """Give up runs whose launch was lost with the daemon, as Dagster's run monitoring does after ten minutes."""
        if workers or not self.under_way():
            self._worker_seen = time.monotonic()
        elif time.monotonic() - self._worker_seen > QUIET_SECONDS:
            self._give_up()

    def _give_up(self) -> None:
        for run in self.under_way():
            if PROCESS not in run.tags:  # the package sees to those that it knows a process of
                self._instance.report_run_failed(run, "its worker never came")
        self._worker_seen = time.monotonic()
