"""One cost of a project, in this process: `python -m benchmarks.scale.costs COST`; prints it as JSON.

A schedule's runs are queued by Dagster's own function over a code server of its own, as the daemon does; ticks of the
healer and of sensors are evaluated as the code server does.
"""

import contextlib
import datetime as dt
import logging
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks.measure import measure, report
from benchmarks.scale.records import KEPT_DAYS

Costs = dict[str, float]
_MOST_TICKS = 100
_THREADS = 4
_PAGE = """query Page($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  partitionStats { numMaterialized numMaterializing numPartitions numFailed }
  partitionKeysByDimension { name type partitionKeys }
  assetPartitionStatuses { ... on MultiPartitionStatuses { primaryDimensionName ranges {
    primaryDimStartKey primaryDimEndKey primaryDimStartTime primaryDimEndTime
    secondaryDim { ... on TimePartitionStatuses { ranges { status startTime endTime startKey endKey } }
      ... on DefaultPartitionStatuses {
        materializedPartitions failedPartitions unmaterializedPartitions materializingPartitions } } } } } } } }"""
"""What the partitions page of an asset asks for."""


def definitions() -> Costs:
    """Loading the definitions, as the code server does when it starts."""

    def load() -> None:
        from ignite_assets.definitions import defs

        defs.get_repository_def()

    return measure(load)


def heal() -> Costs:
    """The healer's tick after the last night on record, the second of this process.

    Its time is a day after that of the runs of the night before, which are no news to it.
    """
    from ignite_assets.definitions import defs

    repository = defs.get_repository_def()
    schedule = repository.get_schedule_def("heal_schedule")

    def tick() -> None:
        with dg.DagsterInstance.get() as instance:
            context = dg.build_schedule_context(
                instance=instance, scheduled_execution_time=dt.datetime.now(dt.UTC), repository_def=repository
            )
            schedule.evaluate_tick(context)

    tick()
    return {**measure(tick), "process_mib": _memory([os.getpid()])}


def sensors() -> dict[str, Any]:
    """Each sensor's ticks until it asks for nothing more: all of them, the longest, and the one that finds nothing."""
    from ignite_assets.definitions import defs

    repository = defs.get_repository_def()
    with dg.DagsterInstance.get() as instance:
        return {sensor.name: _ticks(instance, repository, sensor) for sensor in repository.sensor_defs}


def _ticks(instance: dg.DagsterInstance, repository: Any, sensor: dg.SensorDefinition) -> Costs:
    ticks: list[Costs] = []
    cursor, settled = None, False
    while not settled and len(ticks) < _MOST_TICKS:
        context = dg.build_sensor_context(
            instance=instance, cursor=cursor, sensor_name=sensor.name, repository_def=repository
        )
        said: list[Any] = []

        def tick(context: dg.SensorEvaluationContext = context, said: list[Any] = said) -> None:
            said.append(sensor.evaluate_tick(context))

        ticks.append(measure(tick))
        settled = len(ticks) > 1 and not said[0].run_requests and "to be read" not in (said[0].skip_message or "")
        cursor = said[0].cursor
    return {
        "ticks": len(ticks),
        "cpu": sum(each["cpu"] for each in ticks),
        "longest_seconds": max(each["seconds"] for each in ticks),
        "idle_cpu": ticks[-1]["cpu"],
    }


def page() -> Costs:
    """The partitions page of an asset, as the webserver answers it the second time."""
    with _workspace() as (context, _):
        from dagster_graphql.schema import create_schema

        schema = create_schema()

        def ask() -> None:
            import asyncio

            request = context.create_request_context()
            answer = asyncio.run(
                schema.execute_async(_PAGE, context_value=request, variable_values={"key": {"path": ["visitors"]}})
            )
            if answer.errors:
                raise answer.errors[0]

        ask()
        return measure(ask)


def queue() -> dict[str, Any]:
    """The runs of a night, queued as the daemon queues them; with the memory of daemon and code server after it."""
    with _workspace() as (context, repository):
        from dagster._core.definitions.run_request import InstigatorType
        from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, ScheduleInstigatorData
        from dagster._daemon.daemon import SpanMarker  # noqa: F401 - the scheduler can't be imported before it
        from dagster._scheduler.scheduler import launch_scheduled_runs

        instance = context.instance
        schedule = next(each for each in repository.get_schedules() if each.name == "nightly_schedule")
        began = ScheduleInstigatorData(schedule.cron_schedule, (_night() - dt.timedelta(hours=3)).timestamp())
        running = (InstigatorType.SCHEDULE, InstigatorStatus.RUNNING, began)
        state = InstigatorState(schedule.get_remote_origin(), *running)
        known = instance.get_instigator_state(schedule.get_remote_origin_id(), schedule.selector_id)
        (instance.update_instigator_state if known else instance.add_instigator_state)(state)
        now = dt.datetime.now(dt.UTC).timestamp()
        instance.purge_ticks(schedule.get_remote_origin_id(), schedule.selector_id, before=now)
        before, server_cpu = instance.get_runs_count(), _cpu(_children())
        with ThreadPoolExecutor(_THREADS) as pool:
            costs = measure(
                lambda: list(
                    launch_scheduled_runs(
                        context,
                        logging.getLogger("scale"),
                        dt.datetime.now(dt.UTC),
                        iteration_times={},
                        submit_threadpool_executor=pool,
                        max_catchup_runs=0,
                    )
                )
            )
        server, runs = _memory(_children()), instance.get_runs_count() - before
        if not runs:
            raise SystemExit("no run was queued")
        return {
            **costs,
            "code_server_cpu": _cpu(_children()) - server_cpu,
            "runs": runs,
            "daemon_mib": _memory([os.getpid()]),
            "code_server_mib": server,
        }


@contextlib.contextmanager
def _workspace() -> Iterator[tuple[Any, Any]]:
    """A workspace as daemon and webserver open one, and its repository."""
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import ModuleTarget

    target = ModuleTarget(
        "ignite_assets.definitions", attribute=None, working_directory=str(Path.cwd()), location_name="x"
    )
    with dg.DagsterInstance.get() as instance, WorkspaceProcessContext(instance, target) as context:
        (location,) = context.create_request_context().code_locations
        (repository,) = location.get_repositories().values()
        yield context, repository


def _night() -> dt.datetime:
    """The last half past two that has been: a tick that is still to come queues nothing."""
    now = dt.datetime.now(dt.UTC)
    at = now.replace(hour=2, minute=30, second=0, microsecond=0)
    return at if at <= now else at - dt.timedelta(days=1)


def _children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def _cpu(pids: list[int]) -> float:
    """CPU seconds of some processes so far."""
    fields = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids)
    return sum(int(user) + int(system) for *_, user, system in (each[:13] for each in fields)) / os.sysconf(
        "SC_CLK_TCK"
    )


def _memory(pids: list[int]) -> float:
    """The largest resident memory of some processes so far, in MiB."""
    peaks = (Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0] for pid in pids)
    return max(int(peak) / 1024 for peak in peaks)


def prune() -> dict[str, Any]:
    """Deleting the runs of the oldest night whose runs are on record, as the job does every day."""
    from ignite_assets.config import load_settings
    from ignite_assets.dagster.automation.pruning import prune as prune_runs
    from ignite_assets.dagster.keys import PLAIN

    before = dt.datetime.now(dt.UTC) - dt.timedelta(days=KEPT_DAYS - 1)
    with dg.DagsterInstance.get() as instance:
        runs: list[int] = []
        costs = measure(lambda: runs.append(prune_runs(instance, load_settings(), PLAIN, before).runs))
        return {**costs, "runs": runs[0]}


def disk() -> dict[str, float]:
    """The bytes of the records that are read across runs, and of those that a run keeps for itself, by run."""
    with dg.DagsterInstance.get() as instance:
        storage: Any = instance.event_log_storage
        with storage.index_connection() as connection:
            if connection.dialect.name == "postgresql":
                size = connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar()
            else:
                pages, each, free = (
                    connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                    for name in ("page_count", "page_size", "freelist_count")
                )
                size = (pages - free) * each
        own = [file.stat().st_size for file in Path(os.environ["DAGSTER_HOME"]).glob("history/runs/????????-*.db")]
        runs = instance.get_runs_count()
        return {"shared": size, "runs": runs, "own_of_a_run": sum(own) / len(own) if own else 0}


COSTS: dict[str, Callable[[], dict[str, Any]]] = {
    each.__name__: each for each in (definitions, heal, sensors, page, queue, disk, prune)
}


if __name__ == "__main__":
    report(COSTS[sys.argv[1]]())
