"""The state of the data itself: what is missing, what did not fit, and what the checks say of the day."""

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ignite_assets.api.horizon import LOOK_BACK_DAYS
from ignite_assets.api.table import Table
from ignite_assets.report.readings import Query, Readings
from ignite_assets.storage.duck import literal, pattern
from ignite_assets.storage.lake import Partition
from ignite_assets.tables.checks import CHECKS, examine
from ignite_assets.tables.derived.inputs import Inputs
from ignite_assets.tables.derived.row import Derived
from ignite_assets.tables.examination import Examination
from ignite_assets.tables.finding import Finding
from ignite_assets.tables.thresholds import Thresholds


@dataclass(frozen=True, kw_only=True)
class AssetState:
    """One asset in the window."""

    asset: str
    newest: dt.date | None
    """The newest captured day of the window; the rest is of that day."""
    missing: tuple[dt.date, ...]
    until: dt.date | None = None
    """The last day on which the oldest missing one can still be captured; None when nothing can be made up."""
    stale: tuple[dt.date, ...] = ()
    """Days of the window whose derived partition was made from inputs that have changed since."""
    findings: dict[str, Finding] = field(default_factory=dict)
    """By criterion of the checks, what was found in the newest partition."""
    sound: bool = True
    """Whether that can be used."""

    @property
    def failed(self) -> dict[str, Finding]:
        """Those that did not pass."""
        return {name: finding for name, finding in self.findings.items() if not finding.passed}


@dataclass(frozen=True, kw_only=True)
class Condition:
    """All assets in the window."""

    data_sets: Query
    """A row for each asset: its `newest` day; `captured` of `wanted` days, and those `missing`; and of the newest day
    `rows`, `misfits` (values that did not fit), `not_found` (entities that were listed), and `days_late`."""
    states: tuple[AssetState, ...]
    """In the order of the rows."""


def read(readings: Readings, tables: Sequence[Table], thresholds: Thresholds) -> Condition:
    """The state of each asset, of captures or derived from them."""
    found = _numbers(readings, tables)
    states = (_state(readings, table, row, thresholds) for table, row in zip(tables, found.rows, strict=True))
    return Condition(data_sets=found, states=tuple(states))


def _numbers(readings: Readings, tables: Sequence[Table]) -> Query:
    names = [table.name for table in tables]
    newest = [Partition(name, readings.website, day) for name in names if (day := readings.newest(name))]
    return readings.ask(
        "data_sets",
        _NUMBERS,
        {"files": _files(readings, names), "footers": _footers(readings, newest)},
        data_sets=names,
        captures=[table.name for table in tables if table.history != "derived"],
        first=readings.window[0],
        day=readings.day,
        zone=literal(readings.zone.key),
    )


def _files(readings: Readings, assets: Sequence[str]) -> str:
    """SQL for the files of all partitions, which were listed before."""
    website = readings.website
    there = [Partition(asset, website, day).file for asset in assets for day in readings.captured(asset)]
    shown = f"glob({literal(f'*/website={pattern(website)}/date=*/part-0.parquet')})"
    return readings.known("files", [{"file": file} for file in there], shown, ["file"])


def _footers(readings: Readings, partitions: Sequence[Partition]) -> str:
    """SQL for the footers of some partitions, which were read before."""
    rows = [
        {"file_name": partition.file, "key": key, "value": value}
        for partition in partitions
        for key, value in (readings.footer(partition.asset, partition.date) or {}).items()
        if key in _READ
    ]
    files = ", ".join(literal(pattern(partition.file)) for partition in partitions)
    return readings.known("footers", rows, f"parquet_kv_metadata([{files}])", ["file_name", "key", "value"])


_READ = ("ignite.rows", "ignite.coercions", "ignite.vanished", "ignite.captured_at")
_NUMBERS = """
    WITH files AS (
        SELECT DISTINCT regexp_extract(file, '([^/]+)/website=', 1) AS data_set,
            regexp_extract(file, '/date=([0-9-]+)/', 1)::DATE AS day
        FROM {files}
    ), days AS (
        SELECT data_set, max(files.day) AS newest, count(files.day) AS captured, count(*) AS wanted,
            list(wanted.day ORDER BY wanted.day) FILTER (files.day IS NULL) AS missing
        FROM unnest({data_sets}) AS named(data_set)
        CROSS JOIN (SELECT unnest(range({first}, {day} + 1, INTERVAL 1 DAY))::DATE AS day) AS wanted
        LEFT JOIN files USING (data_set, day) GROUP BY data_set
    ), footers AS (
        SELECT regexp_extract(file_name, '([^/]+)/website=', 1) AS data_set,
            map_from_entries(list((decode(key::BLOB), decode(value::BLOB)))) AS footer
        FROM {footers} WHERE starts_with(decode(key::BLOB), 'ignite.') GROUP BY data_set
    )
    SELECT data_set, newest, captured, wanted, missing, footer['ignite.rows']::BIGINT AS rows,
        CASE WHEN footer IS NOT NULL THEN coalesce(
            list_sum(map_values(footer['ignite.coercions']::JSON::MAP(VARCHAR, BIGINT))), 0)::BIGINT END AS misfits,
        footer['ignite.vanished']::BIGINT AS not_found,
        CASE WHEN list_contains({captures}, data_set) THEN greatest(
            (footer['ignite.captured_at']::TIMESTAMPTZ AT TIME ZONE {zone})::DATE - newest - 1, 0) END AS days_late
    FROM days LEFT JOIN footers USING (data_set) ORDER BY list_position({data_sets}, data_set)
"""


def _state(readings: Readings, table: Table, row: Mapping[str, Any], thresholds: Thresholds) -> AssetState:
    name, newest, missing = table.name, row["newest"], tuple(row["missing"] or ())
    state = AssetState(asset=name, newest=newest, missing=missing)
    if not (newest and readings.footer(name, newest)):
        return state
    examination = Examination(readings.lake, table, thresholds, readings.zone)
    subject = examination.subject(Partition(name, readings.website, newest))
    verdicts = [examine(subject, check) for check in CHECKS]
    past = missing if table.history == "look_back" else ()
    return dataclasses.replace(
        state,
        until=past[0] + dt.timedelta(days=LOOK_BACK_DAYS) if past else None,
        stale=_stale(readings, table),
        findings={name: finding for verdict in verdicts for name, finding in verdict.findings.items()},
        sound=all(verdict.passed for verdict in verdicts if verdict.check == "sound"),
    )


def _stale(readings: Readings, table: Table) -> tuple[dt.date, ...]:
    if not isinstance(table, Derived):
        return ()
    inputs = Inputs(
        readings.lake, table, readings.website, window_days=readings.window_days, first_day=readings.first_day
    )
    return tuple(day for day in reversed(inputs.stale(readings.window[0])) if day <= readings.day)
