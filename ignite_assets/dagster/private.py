"""Every hold on Dagster that isn't public API, with its reason. Checked with `CHECKED_WITH`; tests fail when one moves.

Nothing else in the package imports from Dagster's underscored modules, knows its files and tags, or calls a method that
Dagster doesn't mark as public, unless `MEMBERS` lists it.
"""

import contextlib
import datetime as dt
import functools
import itertools
import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as TargetMaterialization,
)
from dagster._core.events import AssetMaterializationPlannedData
from dagster._core.events.log import EventLogEntry

from ignite_assets.api.errors import ConfigurationError
from ignite_assets.tables.windows import consecutive

__all__ = ["TargetMaterialization", "held_open", "log_together", "plan_ranges_as_one"]
# TargetMaterialization: the type of the public field AssetCheckEvaluation.target_materialization_data, not exported.
# Without the field, Dagster takes the evaluation of a partition for outdated.

CHECKED_WITH = "1.13.27"
"""The version of Dagster that all of this was checked with."""

PARTITION = "dagster/partition"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
"""Tags of runs. Dagster's own backfills set them, and a run is launched over a range by no other means."""

BACKFILL = "dagster/backfill"
"""Tag of the runs of a backfill: its id."""

DATA_VERSION = "dagster/data_version"
"""Tag of a materialization. `set_data_version` sets it for an output, not for an event that is logged."""

MEMBERS: Mapping[str, str] = {
    "DagsterInstance.add_run_tags": "what a run learns and later ticks look for; nothing public tags a run under way",
    "DagsterInstance.all_logs": "a run's events of one kind; the public way reads those of one asset",
    "DagsterInstance.event_log_storage": "the table of events, where nothing else tells what is asked of it",
    "DagsterInstance.get_concurrency_config": "how many runs an instance lets go on at once",
    "DagsterInstance.get_backfill": "what a backfill selected, and whether it is over",
    "DagsterInstance.get_latest_storage_id_by_partition": "which partitions have new records, without reading these",
    "DagsterInstance.get_materialized_partitions": "an asset's partitions; the public way reads every record",
    "DagsterInstance.get_records_for_run": "a run's new events since a cursor, while another process executes it",
    "DagsterInstance.get_run_ids": "runs by the time of their end, without reading them",
    "DagsterInstance.get_runs": "runs by status and job; get_run_records, which is public, reads more of each",
    "DagsterInstance.get_settings": "how many threads evaluate schedules and sensors",
    "DagsterInstance.has_run": "whether a run is recorded yet, without reading it",
    "DagsterInstance.report_engine_event": "a run's sign of life",
    "DagsterInstance.report_run_canceled": "the end of a run whose process was stopped",
    "DagsterInstance.report_run_canceling": "a run whose process is about to be stopped",
    "DagsterInstance.report_run_failed": "the end of a run whose process died",
    "DagsterInstance.root_directory": "where held_open finds the record files",
    "Definitions.resolve_job_def": "a job of the definitions, to be executed in process",
    "JobDefinition.get_subset": "some assets of a job; execute_in_process takes no selection of checks",
    "DagsterEvent.job_failure_data": "why a run failed outside of its steps",
    "DagsterEvent.engine_event_data": "the process that executes a run",
    "DagsterEvent.step_failure_data": "what a failed step recorded",
    "DagsterEvent.step_materialization_data": "the materialization of an event",
    "DagsterEvent.asset_check_planned_data": "the check that a run planned",
    "DagsterEvent.asset_check_evaluation_data": "the evaluation of an event",
    "DagsterEvent.materialization": "the materialization of an event of a run in process",
    "DagsterEvent.step_key": "the asset of a failed step",
    "AssetKey.to_python_identifier": "the step that materializes an asset, as events and run configurations name it",
    "AssetExecutionContext.set_data_version": "the data version of a run's partitions: their content hash",
    "AssetCheckSpec.get_python_identifier": "the output under which a check's step returns its evaluation",
}
"""Members of Dagster's public classes that it doesn't mark as public, with what each is used for."""

_BATCH = 100
"""Events that are stored together: others who record in the same file wait for about a tenth of a second."""
_BATCH_SIZE = "DAGSTER_EVENT_BATCH_SIZE"
_LARGEST_STEP = 128
"""More than the partitions that a step of a backfill has (`partitions`), so that all of them are recorded at once.

They are recorded in no order: if Dagster looked in between, it would request what follows from them in many runs."""
_ENGINES = 8
_PLAN_AS_ONE = "DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS"


def plan_ranges_as_one() -> None:
    """Have this process plan a ranged run with one event an asset.

    One event for each partition takes longer than capturing many of the partitions does.
    """
    os.environ[_PLAN_AS_ONE] = "1"


def is_over(instance: dg.DagsterInstance, backfill: str | None) -> bool:
    """Whether a backfill asks for no further run; so for none, and for one that was deleted."""
    from dagster._core.execution.backfill import BulkActionStatus  # slow to import, and rarely asked

    found = instance.get_backfill(backfill) if backfill else None
    return found is None or found.status not in (BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING)


def recorded_partitions(
    instance: dg.DagsterInstance, asset: dg.AssetKey, days: Iterable[dt.date], websites: Collection[str] | None = None
) -> set[str]:
    """The keys of an asset's partitions by date and website that are on record, of some days; of some websites or all.

    `get_materialized_partitions` reads those of every day there is.
    """
    import sqlalchemy
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as Events
    from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        wanted, recorded = {str(day) for day in days}, instance.get_materialized_partitions(asset)
        parts = ((key, *key.split("|")) for key in recorded)
        return {key for key, day, website in parts if day in wanted and (websites is None or website in websites)}
    there = (
        sqlalchemy.select(Events.c.partition)
        .distinct()
        .where(Events.c.asset_key == asset.to_string())
        .where(Events.c.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION.value)
    )
    if websites is not None:
        there = there.where(sqlalchemy.func.substr(Events.c.partition, len("2026-01-01|") + 1).in_(websites))
    # What was wiped is on record, but counts no more.
    wiped = storage._get_assets_details([asset])  # noqa: SLF001 - no other way tells when an asset was wiped
    there = storage._add_assets_wipe_filter_to_query(there, wiped, [asset])  # noqa: SLF001 - as Dagster filters it
    found: set[str] = set()
    with storage.index_connection() as connection:
        for stretch in consecutive(list(days)):
            # Up to the next day rather than to a character: collations differ in what follows a date.
            first, after = str(stretch[0]), str(stretch[-1] + dt.timedelta(days=1))
            rows = connection.execute(there.where(Events.c.partition >= first, Events.c.partition < after))
            # The driver's rows: SQLAlchemy's cost more than the query does where there are hundreds of websites.
            found.update(itertools.chain.from_iterable(rows.cursor.fetchall()))
    return found


def shows_failure(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a failed run is the last attempt at one of its partitions, which Dagster shows as failed for that.

    Without SQL tables to ask, it may be.
    """
    from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return True
    planned = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value
    attempts = (planned, dg.DagsterEventType.ASSET_MATERIALIZATION.value)
    with storage.index_connection() as connection:
        return connection.execute(_last_of_run(run_id, (planned,), attempts).limit(1)).first() is not None


def forget_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete a finished run, and let stand what it says of assets: their partitions' last materializations.

    `delete_run` deletes these as well. Here they stay in their place, under their storage ids, as records of no run,
    such as `report_runless_asset_event` makes: nothing is gone or new to grid, staleness, sensors and conditions.
    Evaluations of checks have a table of their own, and stay too. Each step may be repeated after an interrupt.
    Raises `ConfigurationError` for an instance without SQL tables.
    """
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as Events
    from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
    from dagster._serdes import deserialize_value, serialize_value

    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        raise ConfigurationError("dagster.yaml", [f"no runs can be pruned of {type(storage).__name__}"])
    with storage.index_transaction() as connection:
        for number, text in connection.execute(_last_of_run(run_id, _LASTING)).fetchall():
            entry = deserialize_value(text, EventLogEntry)._replace(run_id="")
            detached = Events.update().where(Events.c.id == number)
            connection.execute(detached.values(run_id="", event=serialize_value(entry)))
        storage.delete_events_for_run(connection, run_id)
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    instance.run_storage.delete_run(run_id)
    for file in record_files(instance, run_id):
        file.unlink(missing_ok=True)


def record_files(instance: dg.DagsterInstance, run_id: str) -> list[Path]:
    """The files of SQLite's that hold a run's events alone; none of another storage."""
    from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage

    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage):
        return []
    return [Path(f"{storage.path_for_shard(run_id)}{suffix}") for suffix in ("", "-wal", "-shm")]


_LASTING = ("ASSET_MATERIALIZATION", "ASSET_OBSERVATION")
"""The types of events that say how an asset is."""


def _last_of_run(run_id: str, kinds: Sequence[str], superseding: Sequence[str] = ()) -> Any:
    """A query for the run's events of some types that no later one of the same asset and partition follows.

    `superseding`: the types that the later one may be of; the same type unless given.
    """
    import sqlalchemy
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as Events

    later = Events.alias()
    follows = (
        sqlalchemy.select(later.c.id)
        .where(later.c.asset_key == Events.c.asset_key, later.c.partition == Events.c.partition)
        .where(later.c.id > Events.c.id)
        .where(
            later.c.dagster_event_type.in_(superseding)
            if superseding
            else later.c.dagster_event_type == Events.c.dagster_event_type
        )
    )
    return (
        sqlalchemy.select(Events.c.id, Events.c.event)
        .where(Events.c.run_id == run_id, Events.c.dagster_event_type.in_(kinds), ~follows.exists())
        .order_by(Events.c.id)
    )


def plan_each(instance: dg.DagsterInstance, run: dg.DagsterRun, asset: dg.AssetKey, keys: Iterable[str]) -> None:
    """Plan some partitions of an asset one by one, in a run that planned its range as one.

    Dagster shows a partition as failed that its failed run planned by name; of a range planned as one it knows none.
    """
    for key in keys:
        event = dg.DagsterEvent(
            event_type_value=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,
            job_name=run.job_name,
            message=f"{asset.to_user_string()} {key} did not land.",
            event_specific_data=AssetMaterializationPlannedData(asset, partition=key),
        )
        instance.report_dagster_event(event, run.run_id)


def describe_partition(context: dg.OutputContext, key: str, metadata: Mapping[str, Any]) -> None:
    """Describe one partition of an output of several: `add_output_metadata` describes all of them alike."""
    context.step_context.add_asset_metadata(metadata, asset_key=context.asset_key, partition_key=key)


def describe_partitions(context: dg.AssetExecutionContext, described: Mapping[Any, Mapping[str, Any]]) -> None:
    """Describe partitions of the step's run, by their keys.

    `add_asset_metadata` makes the keys of the whole run for each of them, to see whether it is one of these.
    """
    step: Any = context.get_step_execution_context()
    told = step._metadata_accumulator  # noqa: SLF001 - what `add_asset_metadata` adds to
    for key, metadata in described.items():
        told = told.with_additional_asset_metadata(asset_key=context.asset_key, partition_key=key, metadata=metadata)
    step._metadata_accumulator = told  # noqa: SLF001


def keep_engines() -> None:
    """Have this process make SQLAlchemy's engine of each SQLite file of Dagster's once.

    Dagster makes one whenever it stores or reads an event. What an engine has compiled goes with it, so every statement
    is compiled anew: a third of what a run costs. These engines keep no connection, so they differ in nothing else.
    """
    from dagster._core.storage.event_log.sqlite import sqlite_event_log
    from dagster._core.storage.runs.sqlite import sqlite_run_storage

    storages: tuple[Any, ...] = (sqlite_event_log, sqlite_run_storage)
    for storage in storages:
        if not hasattr(storage.create_engine, "kept"):
            storage.create_engine = _keeping(storage.create_engine)


def keep_migrations() -> None:
    """Have this process, and those that it forks, read the scripts of Dagster's migrations once.

    Dagster reads all of them three times to open an instance, and twice for the file of each run.
    """
    from alembic.script import ScriptDirectory
    from dagster._core.storage.sql import ALEMBIC_SCRIPTS_LOCATION

    read = ScriptDirectory.from_config
    kept: list[ScriptDirectory] = []
    if hasattr(read, "kept"):
        return

    def from_config(config: Any) -> ScriptDirectory:
        if config.get_main_option("script_location") != ALEMBIC_SCRIPTS_LOCATION:
            return read(config)
        if not kept:
            kept.append(read(config))
        return kept[0]

    from_config.kept = kept  # type: ignore[attr-defined]  # tells it from Alembic's
    ScriptDirectory.from_config = from_config  # type: ignore[method-assign]  # remembers


def _keeping(create_engine: Callable[..., Any]) -> Callable[..., Any]:
    """The function with a memory for its last few answers."""

    @functools.lru_cache(maxsize=_ENGINES)
    def kept(url: str, poolclass: type, connect_args: frozenset[tuple[str, Any]]) -> Any:
        engine = create_engine(url, poolclass=poolclass, connect_args=dict(connect_args))
        engine.dispose = lambda: None  # asked for after each connection; the pool keeps none
        return engine

    def engine(url: str, *, poolclass: type, connect_args: Mapping[str, Any] | None = None) -> Any:
        return kept(url, poolclass, frozenset((connect_args or {}).items()))

    engine.kept = kept  # type: ignore[attr-defined]  # tells it from Dagster's
    return engine


def store_in_batches() -> None:
    """Have this process store the events of a ranged run in batches where Dagster records in SQLite files.

    Dagster buffers materializations, and its SQLite storage then stores one by one. Each takes five connections and
    three transactions, looks up twice what tables there are, and replaces what the asset's row says of its last event:
    most of what a record costs. A batch replaces it once, as Dagster's Postgres storage does.
    """
    from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

    def store_event_batch(self: SqliteEventLogStorage, events: Sequence[EventLogEntry]) -> None:
        with contextlib.ExitStack() as files:
            batch = _batch_class()(self, files)
            for event in events:
                batch.store_event(event)
            with batch.index_connection() as connection:
                for last in batch.last.values():
                    SqliteEventLogStorage._store_asset_event(batch, connection, *last)  # noqa: SLF001 - see `Batch`

    store_event_batch.in_one_transaction = True  # type: ignore[attr-defined]  # tells it from Dagster's
    if not hasattr(SqliteEventLogStorage.store_event_batch, "in_one_transaction"):
        SqliteEventLogStorage.store_event_batch = store_event_batch  # type: ignore[method-assign, assignment]  # no longer the base class's
    os.environ.setdefault(_BATCH_SIZE, str(_LARGEST_STEP))


@functools.cache
def _batch_class() -> Any:
    """The class of what stores a batch of events; made when it is needed, since its imports are slow."""
    from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

    class Batch(SqliteEventLogStorage):
        """The same files with one connection and one transaction each."""

        def __init__(self, storage: SqliteEventLogStorage, files: contextlib.ExitStack) -> None:
            vars(self).update(vars(storage))
            self._files = files
            self._connections: dict[str, Any] = {}
            self.last: dict[tuple[str, str], tuple[EventLogEntry, int]] = {}
            self._checked = functools.cache(functools.partial(_partitions_checked, self))

        @contextlib.contextmanager
        def _connect(self, shard: str) -> Iterator[Any]:
            if shard not in self._connections:
                with super()._connect(shard) as connection:  # makes the file when it isn't there
                    engine = connection.engine
                self._connections[shard] = self._files.enter_context(engine.begin())
            yield self._connections[shard]

        def _store_asset_event(self, conn: Any, event: EventLogEntry, event_id: int) -> None:  # noqa: ARG002 - Dagster's
            """Keep the last event of each kind, for the end of the batch."""
            told = event.get_dagster_event()
            kind = str(told.asset_key), told.event_type_value
            self.last.pop(kind, None)
            self.last[kind] = event, event_id

        def _update_asset_check_evaluation(self, event: EventLogEntry, event_id: int | None) -> None:
            """Insert an evaluation where there is none to update: it wasn't planned, nor made by an earlier try."""
            evaluation = event.get_dagster_event().asset_check_evaluation_data
            checked = self._checked(event.run_id, evaluation.asset_key.to_string(), evaluation.check_name)
            if evaluation.partition in checked:
                super()._update_asset_check_evaluation(event, event_id)
            else:
                self._store_runless_asset_check_evaluation(event, event_id)
                checked.add(evaluation.partition)

    return Batch


def _partitions_checked(storage: Any, run: str, asset: str, check: str) -> set[str | None]:
    """The partitions for which a run has planned or made an evaluation of a check."""
    import sqlalchemy
    from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable as Checks

    planned = sqlalchemy.select(Checks.c.partition).where(
        Checks.c.run_id == run, Checks.c.asset_key == asset, Checks.c.check_name == check
    )
    with storage.index_connection() as connection:
        return set(connection.scalars(planned))


def log_together(
    context: dg.AssetExecutionContext, events: Iterable[dg.AssetCheckEvaluation | dg.AssetMaterialization]
) -> None:
    """Log the events of an asset's step, in the batches of `store_in_batches`. An interrupt leaves what was logged."""
    remaining = iter(events)
    while batch := list(itertools.islice(remaining, _BATCH)):
        with _stored_together(context.instance):
            for event in batch:
                if isinstance(event, dg.AssetCheckEvaluation):
                    _record_evaluation(context, event)
                else:
                    context.log_event(event)


def _record_evaluation(context: dg.AssetExecutionContext, evaluation: dg.AssetCheckEvaluation) -> None:
    """Record an evaluation with the asset's step.

    `log_event` stores with it what every event of the step says: a third of an evaluation that passed.
    """
    verdict = "passed" if evaluation.passed else f"did not pass: {evaluation.description}"
    event = dg.DagsterEvent(
        event_type_value=dg.DagsterEventType.ASSET_CHECK_EVALUATION.value,
        job_name=context.run.job_name,
        message=f"Check {evaluation.check_name} of {evaluation.asset_key.to_user_string()} {verdict}.",
        event_specific_data=evaluation,
        step_key=context.asset_key.to_python_identifier(),
    )
    context.instance.report_dagster_event(event, context.run.run_id)


@contextlib.contextmanager
def _stored_together(instance: dg.DagsterInstance) -> Iterator[None]:
    """Have an instance store what this thread hands it at the end, as a batch, if that is how it stores batches."""
    storage: Any = instance.event_log_storage
    if not hasattr(storage.store_event_batch, "in_one_transaction"):
        yield
        return
    thread, store = threading.get_ident(), storage.store_event
    events: list[EventLogEntry] = []

    def keep(event: EventLogEntry) -> None:
        if threading.get_ident() == thread:
            events.append(event)
        else:
            store(event)

    storage.store_event = keep
    try:
        yield
    finally:
        del storage.store_event
        storage.store_event_batch(events)


def _remember_tables(storage: Any) -> None:
    """Have an instance's storage in SQLite files ask once what tables and columns these have, not for every event."""
    if not hasattr(storage.store_event_batch, "in_one_transaction") or "has_table" in vars(storage):
        return
    known: dict[str, bool] = {}
    has_column = storage._has_asset_key_col_on_connection  # noqa: SLF001 - what Dagster calls itself

    def knows_column(connection: Any, name: str) -> bool:
        if name not in known:
            known[name] = has_column(connection, name)
        return known[name]

    storage.has_table = functools.cache(storage.has_table)
    storage._has_asset_key_col_on_connection = knows_column  # noqa: SLF001 - as above


@contextlib.contextmanager
def held_open(instance: dg.DagsterInstance, *runs: str) -> Iterator[None]:
    """Keep the SQLite files open that an instance records in: the index, and those of some runs. Changes no record.

    Dagster opens and closes a connection for every event. When the last connection of a file is closed, SQLite writes
    its journal back, syncs it and deletes it, which is a third of what an event costs. An idle connection spares that,
    holds no lock that anybody waits for, and leaves nothing to clean up after a crash. An instance that records
    elsewhere is left alone.
    """
    keep_engines()
    store_in_batches()
    _remember_tables(instance.event_log_storage)
    with contextlib.ExitStack() as connections:
        for name in ("index", *runs):
            file = Path(instance.root_directory, "history", "runs", f"{name}.db")
            with contextlib.suppress(sqlite3.Error):  # it isn't there, or not to be read: as good as without
                # Dagster may end a run in another thread than it began it in.
                connection = sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, check_same_thread=False)
                connections.callback(connection.close)
                connection.execute("SELECT 1 FROM sqlite_master").fetchall()  # only now the file is opened
        yield
