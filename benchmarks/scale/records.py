"""Nights of many websites on record, and their files in the lake: copies of one night that was really captured.

The tables that Dagster reads across runs hold, of every run, the rows that Dagster wrote of that one, with another
website, date, run and time. The newest night of the last website is stored by Dagster itself, so that what it keeps of
an asset's last event is its own. On SQLite, a run's own file is copied for a few runs alone: nothing looks through
them, and a few say how large all are.
"""

import datetime as dt
import os
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import sqlalchemy as db
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, AssetEventTagsTable
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as Events
from dagster._core.storage.runs.schema import RunsTable, RunTagsTable
from dagster._serdes import deserialize_value

from benchmarks.scale.project import FIRST, Project

Row = dict[str, Any]
Storage = Any
"""Dagster's storages of runs and of events, whose base classes know no tables."""
_NIGHTS_AT_ONCE = 50
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
_STAMP = re.compile(r'("timestamp": )(\d+\.\d+)')


class Night:
    """The rows of the one run that was executed."""

    def __init__(self, instance: dg.DagsterInstance, day: dt.date) -> None:
        self._day = day
        (run,) = instance.get_runs()
        self.run_id = run.run_id
        with _runs(instance).connect() as runs:
            self.runs = _rows(runs, RunsTable, RunsTable.c.run_id == self.run_id)
            self.tags = _rows(runs, RunTagsTable, RunTagsTable.c.run_id == self.run_id)
        with _events(instance).index_connection() as index:
            self.events = _rows(
                index, Events, (Events.c.run_id == self.run_id) & Events.c.dagster_event_type.in_(_ACROSS_RUNS)
            )
            ids = [event["id"] for event in self.events]
            self.event_tags = _rows(index, AssetEventTagsTable, AssetEventTagsTable.c.event_id.in_(ids))
            self.checks = _rows(index, AssetCheckExecutionsTable, AssetCheckExecutionsTable.c.run_id == self.run_id)

    def of(self, website: str, day: dt.date, first_id: int) -> Mapping[db.Table, list[Row]]:
        """The rows as they would be of another website's day, its events numbered from an id."""
        run_id, shift = str(uuid.uuid4()), day - self._day
        places = {FIRST: website, str(self._day): str(day), self.run_id: run_id}
        pattern = re.compile("|".join(map(re.escape, places)))
        ids = {event["id"]: first_id + n for n, event in enumerate(self.events)}

        def moved(row: Row) -> Row:
            return {name: _moved(name, value) for name, value in row.items()}

        def _moved(name: str, value: Any) -> Any:
            if isinstance(value, str):
                text = pattern.sub(lambda found: places[found[0]], value)
                return _STAMP.sub(lambda at: f"{at[1]}{float(at[2]) + shift.total_seconds()}", text)
            if isinstance(value, dt.datetime):
                return value + shift
            if name in ("event_id", "evaluation_event_storage_id", "materialization_event_storage_id"):
                return ids.get(value, value)
            if name in ("start_time", "end_time") and value:
                return value + shift.total_seconds()
            return value

        return {
            RunsTable: [moved(row) for row in _without_ids(self.runs)],
            RunTagsTable: [moved(row) for row in _without_ids(self.tags)],
            Events: [{**moved(row), "id": ids[row["id"]]} for row in self.events],
            AssetEventTagsTable: [moved(row) for row in _without_ids(self.event_tags)],
            AssetCheckExecutionsTable: [moved(row) for row in _without_ids(self.checks)],
        }


def _runs(instance: dg.DagsterInstance) -> Storage:
    return instance.run_storage


def _events(instance: dg.DagsterInstance) -> Storage:
    return instance.event_log_storage


def _rows(connection: db.Connection, table: db.Table, condition: db.ColumnElement[bool]) -> list[Row]:
    found = connection.execute(db.select(table).where(condition).order_by(table.c.id))
    return [dict(row) for row in found.mappings()]


def _without_ids(rows: Sequence[Row]) -> Iterator[Row]:
    return ({name: value for name, value in row.items() if name != "id"} for row in rows)


def multiply(project: Project, instance: dg.DagsterInstance) -> None:
    """Put every night of every website on record, in the order in which they would have been captured."""
    night = Night(instance, project.days[-1])
    nights = [(day, website) for day in project.days for website in project.websites]
    nights.remove((project.days[-1], FIRST))
    *nights, last = nights
    first_id = night.events[-1]["id"] + 1
    for at in range(0, len(nights), _NIGHTS_AT_ONCE):
        rows: dict[db.Table, list[Row]] = {}
        for day, website in nights[at : at + _NIGHTS_AT_ONCE]:
            for table, some in night.of(website, day, first_id).items():
                rows.setdefault(table, []).extend(some)
            first_id += len(night.events)
        with _runs(instance).connect() as runs:
            for table in (RunsTable, RunTagsTable):
                runs.execute(db.insert(table), rows[table])
        with _events(instance).index_connection() as index:
            for table in (Events, AssetEventTagsTable, AssetCheckExecutionsTable):
                index.execute(db.insert(table), rows[table])
            _number_on(index, first_id)
    _by_dagster(instance, night.of(last[1], last[0], first_id))


def _by_dagster(instance: dg.DagsterInstance, rows: Mapping[db.Table, list[Row]]) -> None:
    with _runs(instance).connect() as runs:
        for table in (RunsTable, RunTagsTable):
            runs.execute(db.insert(table), rows[table])
    for event in rows[Events]:
        instance.event_log_storage.store_event(deserialize_value(event["event"], dg.EventLogEntry))


def _number_on(connection: db.Connection, first_id: int) -> None:
    """Let Postgres go on numbering events after those that were numbered here; SQLite does by itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(db.text(f"SELECT setval('event_logs_id_seq', {first_id})"))


def link(project: Project) -> None:
    """Give every night of every website its files: links to those of the night that was captured."""
    lake = project.folder / "lake"
    for asset in sorted(path for path in lake.iterdir() if not path.name.startswith("_")):
        captured = asset / f"website={FIRST}" / f"date={project.days[-1]}" / "part-0.parquet"
        for website in project.websites:
            for day in project.days:
                folder = asset / f"website={website}" / f"date={day}"
                folder.mkdir(parents=True, exist_ok=True)
                if not (folder / "part-0.parquet").exists():
                    os.link(captured, folder / "part-0.parquet")
