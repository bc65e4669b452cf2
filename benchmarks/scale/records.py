"""Nights of many websites on record, and their files in the lake: copies of one night that was really captured.

The tables that Dagster reads across runs hold, of every night, the rows that Dagster wrote of that one, with another
website, date, run and time. Of nights older than `KEPT_DAYS` they hold what pruning left of that one. The database
copies the rows itself, without indexes, which are built afterwards.
"""

import datetime as dt
import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg
import sqlalchemy as db
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, AssetEventTagsTable
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as Events
from dagster._core.storage.runs.schema import RunsTable, RunTagsTable
from dagster._serdes import deserialize_value

from benchmarks.scale.project import FIRST, Project
from ignite_assets.api.horizon import Horizon
from ignite_assets.dagster.automation.healing import healed_days
from ignite_assets.dagster.private import forget_run, record_files

Row = dict[str, Any]
Rows = Mapping[db.Table, list[Row]]
Storage = Any
"""Dagster's storages of runs and of events, whose base classes know no tables."""
KEPT_DAYS = 90
"""Nights whose runs are on record: `dagster.keep_runs_days` of the deployment that the package describes."""
_SECONDS_BETWEEN_LINES = 30
_ACROSS_RUNS = (
    "ASSET_MATERIALIZATION",
    "ASSET_MATERIALIZATION_PLANNED",
    "ASSET_CHECK_EVALUATION",
    "PIPELINE_ENQUEUED",
    "PIPELINE_DEQUEUED",
    "PIPELINE_STARTING",
    "PIPELINE_START",
    "PIPELINE_SUCCESS",
)
"""The events that are read across runs; SQLite keeps them apart from each run's own."""
_EVENT_IDS = ("event_id", "evaluation_event_storage_id", "materialization_event_storage_id")
_TABLES = {"runs": (RunsTable, RunTagsTable), "events": (Events, AssetEventTagsTable, AssetCheckExecutionsTable)}
_STAMP = re.compile(r'("timestamp": )(\d+\.\d+)')
_SITES = db.Table(
    "scale_websites",
    db.MetaData(),
    db.Column("number", db.Integer),
    db.Column("website", db.Text),
    db.Column("run_id", db.Text),
    prefixes=["TEMPORARY"],
)


class Night:
    """A captured night: its rows, and what pruning leaves of them."""

    def __init__(self, instance: dg.DagsterInstance, day: dt.date) -> None:
        """Read the one run on record, prune it, read again, and take everything off the record."""
        (run,) = instance.get_runs()
        self.run_id, self._day = run.run_id, day
        (record,) = instance.get_run_records()
        began = dt.datetime.fromtimestamp(record.start_time or 0, dt.UTC)
        self._late = began - began.replace(hour=0, minute=30)
        self.kept = _read(instance)
        files = {file: file.read_bytes() for file in record_files(instance, run.run_id) if file.exists()}
        forget_run(instance, run.run_id)
        self.pruned = _read(instance)
        for file, content in files.items():  # tells what a run's own file takes
            file.write_bytes(content)
        self._first = self.kept[Events][0]["id"]
        self.width = self.kept[Events][-1]["id"] - self._first + 1
        """The storage ids that a night takes, pruned or not."""

    def of(self, day: dt.date, *, kept: bool) -> Rows:
        """The rows as they would be of another day, with storage ids from 0."""
        return {
            table: [{name: self._moved(name, value, day) for name, value in row.items()} for row in rows]
            for table, rows in (self.kept if kept else self.pruned).items()
        }

    def _moved(self, name: str, value: Any, day: dt.date) -> Any:
        """A value of another day's row, captured at half past midnight as the nightly schedule does."""
        shift = day - self._day - self._late
        if isinstance(value, str):
            text = value.replace(str(self._day), str(day))
            return _STAMP.sub(lambda at: f"{at[1]}{float(at[2]) + shift.total_seconds()}", text)
        if isinstance(value, dt.datetime):
            return value + shift
        if value and name in ("start_time", "end_time"):
            return value + shift.total_seconds()
        return value - self._first if value is not None and name in ("id", *_EVENT_IDS) else value


def _read(instance: dg.DagsterInstance) -> Rows:
    """What is on record, in the tables that are read across runs."""
    rows: dict[db.Table, list[Row]] = {}
    for name, connection in _connections(instance).items():
        with connection() as connected:
            for table in _TABLES[name]:
                found = db.select(table).order_by(table.c.id)
                if table is Events:
                    found = found.where(Events.c.dagster_event_type.in_(_ACROSS_RUNS))
                rows[table] = [dict(row) for row in connected.execute(found).mappings()]
    return rows


def _connections(instance: dg.DagsterInstance) -> Mapping[str, Any]:
    runs, events = instance.run_storage, instance.event_log_storage
    return {"runs": runs.connect, "events": events.index_connection}  # type: ignore[attr-defined]  # SQL storages


def multiply(project: Project, instance: dg.DagsterInstance) -> None:
    """Put every night of every website on record."""
    night = Night(instance, project.days[-1])
    for name, tables in _TABLES.items():
        with _loading(instance, name, tables) as connection:
            _load(connection, tables, night, project)
    with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        newest = db.select(db.func.max(Events.c.id)).where(Events.c.asset_key.is_not(None)).group_by(Events.c.asset_key)
        newest = newest.where(Events.c.dagster_event_type == "ASSET_MATERIALIZATION")
        found = connection.execute(db.select(Events.c.id, Events.c.event).where(Events.c.id.in_(newest))).fetchall()
    for storage_id, event in found:
        storage: Storage = instance.event_log_storage
        storage.store_asset_event(deserialize_value(event, dg.EventLogEntry), storage_id)


def _load(connection: db.Connection, tables: Iterable[db.Table], night: Night, project: Project) -> None:
    """The rows of some tables, day by day."""
    kept_from = project.days[-1] - dt.timedelta(days=KEPT_DAYS - 1)
    ids = uuid.UUID(night.run_id).int
    _SITES.create(connection)
    templates = {table: _template(table) for table in tables}
    for template in templates.values():
        template.create(connection)
    told = time.monotonic()
    for number, day in enumerate(project.days):
        first = number * len(project.websites)
        connection.execute(_SITES.delete())
        connection.execute(
            _SITES.insert(),
            [
                {"number": at, "website": website, "run_id": str(uuid.UUID(int=_spread(ids + first + at)))}
                for at, website in enumerate(project.websites)
            ],
        )
        rows = night.of(day, kept=day >= kept_from)
        for table, template in templates.items():
            if rows[table]:
                connection.execute(template.delete())
                connection.execute(template.insert(), rows[table])
                connection.execute(_copy(table, template, night, first * night.width + 1))
        connection.commit()
        if time.monotonic() - told > _SECONDS_BETWEEN_LINES:
            told = time.monotonic()
            print(f"{day}: {number + 1} of {len(project.days)} days of {', '.join(t.name for t in tables)}", flush=True)
    if connection.dialect.name == "postgresql" and Events in templates:
        connection.execute(db.text("SELECT setval('event_logs_id_seq', (SELECT max(id) FROM event_logs))"))
        connection.commit()


def _spread(number: int) -> int:
    """Another number of 128 bits, so that the ids of runs are in no order, as Dagster's are in none."""
    return number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128)


def _template(table: db.Table) -> db.Table:
    columns = (db.Column(column.name, column.type) for column in table.columns)
    return db.Table(f"scale_{table.name}", db.MetaData(), *columns, prefixes=["TEMPORARY"])


def _copy(table: db.Table, template: db.Table, night: Night, first_id: int) -> db.Insert:
    """The rows of a template for each website."""

    def copied(column: db.Column[Any]) -> Any:
        if column.name == "id" or column.name in _EVENT_IDS:
            return column + (first_id + _SITES.c.number * night.width)
        if isinstance(column.type, db.String):
            website = db.func.replace(column, FIRST, _SITES.c.website)
            return db.func.replace(website, night.run_id, _SITES.c.run_id)
        return column

    columns = [column for column in template.columns if column.name != "id" or table is Events]
    rows = db.select(*map(copied, columns)).select_from(_SITES.join(template, db.true()))
    return db.insert(table).from_select([column.name for column in columns], rows)


@contextmanager
def _loading(instance: dg.DagsterInstance, name: str, tables: Iterable[db.Table]) -> Iterator[db.Connection]:
    """A connection that loads fast into emptied tables without indexes; they have these again when the block ends."""
    with _connections(instance)[name]() as connected:
        url = connected.engine.url
    engine = db.create_engine(url)
    sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        for setting in _FAST["sqlite" if sqlite else "postgresql"]:
            connection.exec_driver_sql(setting)
        connection.commit()
        for table in reversed(list(tables)):
            connection.execute(table.delete())
            for index in table.indexes:
                index.drop(connection, checkfirst=True)
        connection.commit()
        yield connection
        for table in tables:
            for index in table.indexes:
                index.create(connection)
                connection.commit()
            if not sqlite:
                connection.exec_driver_sql(f"ANALYZE {table.name}")
                connection.commit()
        if sqlite and name == "events":
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    engine.dispose()


_FAST = {
    "sqlite": (
        "PRAGMA journal_mode = OFF",
        "PRAGMA synchronous = OFF",
        "PRAGMA cache_size = -500000",
        "PRAGMA locking_mode = EXCLUSIVE",
    ),
    "postgresql": (
        "SET session_replication_role = replica",  # checks no foreign keys
        "SET synchronous_commit = off",
        "SET maintenance_work_mem = '1GB'",
    ),
}


def link(project: Project) -> None:
    """Give each website its files of the days that are looked at: links to those of the night that was captured."""
    looked_at = healed_days(project.days[0], Horizon())
    for asset in sorted(path for path in (project.folder / "lake").iterdir() if not path.name.startswith("_")):
        captured = asset / f"website={FIRST}" / f"date={project.days[-1]}" / "part-0.parquet"
        for website in project.websites:
            for day in looked_at:
                folder = asset / f"website={website}" / f"date={day}"
                folder.mkdir(parents=True, exist_ok=True)
                if not (folder / "part-0.parquet").exists():
                    os.link(captured, folder / "part-0.parquet")
