"""What a report reads: one website's partitions, and queries over them that anyone can run again."""

import datetime as dt
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ignite_assets.api.errors import MissingPartitionError
from ignite_assets.api.table import Table
from ignite_assets.config import Settings
from ignite_assets.report.words import day_ranges, day_words
from ignite_assets.storage.duck import IN_PATH, SQL_TYPES, Workspace, literal, no_rows, pattern, quoted
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.storage.store import Listed
from ignite_assets.tables.examination import captured_at
from ignite_assets.tables.registry import TABLES
from ignite_assets.tables.windows import days_between, trailing

DAY = dt.timedelta(days=1)
WEEK = dt.timedelta(days=7)
_TABLES: dict[str, Table] = {table.name: table for table in TABLES}


@dataclass(frozen=True)
class Query:
    """Numbers of a report, and the DuckDB query that gives them in the lake's folder."""

    name: str
    sql: str
    rows: tuple[dict[str, Any], ...]

    @property
    def first(self) -> dict[str, Any]:
        """The first row; the only one of a query for totals."""
        return self.rows[0]

    def most(self, column: str) -> int:
        """The largest value of a column, at least 1: what bars are drawn against."""
        return max([row[column] or 0 for row in self.rows] + [1])


class Readings:
    """A website's partitions for a day and the window that ends with it; folders and footers are read once."""

    def __init__(self, lake: Lake, workspace: Workspace, website: str, day: dt.date, settings: Settings) -> None:
        self.lake, self.website, self.day = lake.listed_once(), website, day
        self.window_days = settings.derived.window_days
        self.first_day, self.zone = settings.partitions.start_date, settings.partitions.zone
        self._workspace = workspace
        self.captured = functools.cache(self._captured)
        self.footer = functools.cache(self._footer)
        self.gaps = functools.cache(self._gaps)
        self._sources = functools.cache(self._source)

    @functools.cached_property
    def window(self) -> list[dt.date]:
        """The days of the window, in order; none before the first that has partitions."""
        return list(trailing((), self.day, self.window_days, self.first_day).missing)

    def _captured(self, asset: str) -> list[dt.date]:
        """The days of an asset that are in the lake, in order."""
        return self.lake.dates(asset, self.website)

    def has(self, asset: str, day: dt.date | None = None) -> bool:
        """Whether an asset is in the lake for a day, the report's own unless given."""
        return (day or self.day) in self.captured(asset)

    def newest(self, asset: str) -> dt.date | None:
        """The asset's newest day of the window; None when none of it is in the lake."""
        return max((day for day in self.captured(asset) if self.window[0] <= day <= self.day), default=None)

    def _footer(self, asset: str, day: dt.date) -> dict[str, str] | None:
        """The footer of a partition's file; None when there is none."""
        partition = Partition(asset, self.website, day)
        try:
            return self.lake.footer(partition, self.lake.files(asset, self.website).get(partition))
        except MissingPartitionError:
            return None

    def taken_on(self, asset: str, day: dt.date) -> dt.date | None:
        """The day on which a partition was captured, in the time zone of the days."""
        footer = self.footer(asset, day)
        return captured_at(footer).astimezone(self.zone).date() if footer else None

    def days_late(self, asset: str, day: dt.date) -> int:
        """Days between a partition's own night and its capture; 0 for one that isn't there."""
        taken = self.taken_on(asset, day)
        return max((taken - day).days - 1, 0) if taken else 0

    def _gaps(self, asset: str) -> dict[dt.date, dt.date | None]:
        """The days that have no partition of their own, up to the last that any capture holds.

        A partition captured late holds everyone seen since its day. So the people of a missing day are in the newest
        partition before it that was captured after it: the value. None: they are in no partition.
        """
        first = max(self.day - self.look_back, min(self.first_day, self.day))
        there = [day for day in days_between(first, self.day) if self.has(asset, day)]
        holds = {day: day + self.days_late(asset, day) * DAY for day in there}
        missing = [day for day in days_between(first, max([self.day, *holds.values()])) if day not in holds]
        return {gap: max((day for day in there if day < gap <= holds[day]), default=None) for gap in missing}

    def told(self, asset: str) -> list[dt.date]:
        """The days of the window whose people, by the day they were last seen, can be told from those of other days.

        A partition that holds people of a gap isn't one. Where the gap comes after the report's day, neither are the
        days before the partition: it also holds those of them who came back since.
        """
        gaps = self.gaps(asset)
        after = max((holder for gap, holder in gaps.items() if holder and gap > self.day), default=dt.date.min)
        return [day for day in self.window if day > after and self.has(asset, day) and day not in gaps.values()]

    def trouble(self, asset: str, first: dt.date, last: dt.date) -> str:
        """Why the people of a stretch of days, by the day they were last seen, aren't known; empty when they are."""
        if first < self.first_day:
            return f"captures begin on {day_words(self.first_day)}"
        gaps = self.gaps(asset)
        if lost := [gap for gap, holder in gaps.items() if holder is None and first <= gap <= last]:
            return f"{day_ranges(lost)} {'was' if len(lost) == 1 else 'were'} not captured"
        mixed = [gap for gap, at in gaps.items() if at and (first <= gap <= last) != (first <= at <= last)]
        return "some of these days were captured later, together with days after them" if mixed else ""

    def ask(self, name: str, sql: str, sources: Mapping[str, str] | None = None, /, **values: object) -> Query:
        """Run a query. `{visitors}` in it stands for the website's rows of that asset; other names for `values`.

        `sources`: by name, the SQL of `files`, as which the query is shown.
        """
        named = {each: _sql(value) for each, value in values.items()}
        text = "\n".join(_dedented(sql))
        shown = {asset: self._sources(asset) for asset in _TABLES if f"{{{asset}}}" in text} | dict(sources or {})
        ran = {each: quoted(f"of_{each}") for each in shown}
        rows = self._workspace.rows(text.format(**named, **ran))
        return Query(name, text.format(**named, **shown), tuple(rows))

    def files(self, name: str, files: Listed, shown: str, columns: Mapping[str, str]) -> str:
        """Make the rows of files that are no partitions a source of queries; the SQL that reads them."""
        self._workspace.view_files(f"of_{name}", self.lake, files, columns)
        return f"read_parquet({literal(shown)})" if files else f"({no_rows(columns)})"

    def known(self, name: str, rows: Sequence[Mapping[str, str]], shown: str, columns: Sequence[str]) -> str:
        """Make texts that were read already a source of queries; `shown`, the SQL that reads them again."""
        values = ", ".join(f"({', '.join(literal(row[column]) for column in columns)})" for row in rows)
        listed = ", ".join(map(quoted, columns))
        found = f"SELECT * FROM (VALUES {values}) AS known({listed})"  # noqa: S608 - quoted
        self._workspace.name(f"of_{name}", found if rows else no_rows(dict.fromkeys(columns, "VARCHAR")))
        return shown

    def _source(self, asset: str) -> str:
        """Make an asset's rows a source of queries; the SQL that reads them in the lake's folder."""
        files = self.lake.files(asset, self.website).items()
        read = {each: info for each, info in files if self.day - self.look_back <= each.date <= self.day}
        columns = {column.name: SQL_TYPES[column.type] for column in _TABLES[asset].all_columns}
        self._workspace.view_partitions(f"of_{asset}", self.lake, read, columns)
        if not read:
            return f"({no_rows(columns | {'date': IN_PATH['date']})})"
        path = f"{asset}/website={pattern(self.website)}/*/*.parquet"
        return f"read_parquet({literal(path)}, hive_partitioning = true, union_by_name = true)"

    @property
    def look_back(self) -> dt.timedelta:
        """How far before the report's day a query may read: the window and two weeks, whichever is longer."""
        return max(self.window_days * DAY, 2 * WEEK) - DAY


def _sql(value: object) -> str:
    """A value as SQL has it; text as it is."""
    if isinstance(value, dt.datetime):
        return f"TIMESTAMPTZ '{value.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S+00}'"
    if isinstance(value, dt.date):
        return f"DATE '{value}'"
    if isinstance(value, list):
        return f"[{', '.join(literal(str(each)) for each in value)}]"
    return str(value)


def _dedented(sql: str) -> Iterator[str]:
    lines = sql.strip("\n").rstrip().split("\n")
    indent = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    yield from (line[indent:] for line in lines)
