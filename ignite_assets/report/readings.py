"""What a report reads of: one website's partitions of a lake, for a day and the window that ends with it."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from ignite_assets.api.errors import MissingPartitionError
from ignite_assets.report.words import day_words
from ignite_assets.storage.duck import Workspace
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.examination import captured_at
from ignite_assets.tables.windows import trailing

WEEK = dt.timedelta(days=7)
DAY = dt.timedelta(days=1)


def days_between(first: dt.date, last: dt.date) -> list[dt.date]:
    """Every day from one to another, both included."""
    return [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]


@dataclass(frozen=True, kw_only=True)
class Readings:
    """A website's partitions, each footer read once."""

    lake: Lake
    workspace: Workspace
    website: str
    day: dt.date
    window_days: int
    first_day: dt.date
    """The first day that has partitions: no day before it is missing."""
    zone: ZoneInfo
    """The time zone in which days begin."""
    _footers: dict[tuple[str, dt.date], dict[str, str] | None] = field(default_factory=dict, repr=False)
    _captured: dict[str, list[dt.date]] = field(default_factory=dict, repr=False)

    @property
    def window(self) -> list[dt.date]:
        """The days of the window, in order; none before the first that has partitions."""
        return list(trailing((), self.day, self.window_days, self.first_day).missing)

    def captured(self, asset: str) -> list[dt.date]:
        """The days of an asset that are in the lake, in order."""
        if asset not in self._captured:
            self._captured[asset] = self.lake.dates(asset, self.website)
        return self._captured[asset]

    def has(self, asset: str, day: dt.date | None = None) -> bool:
        """Whether an asset is in the lake for a day, the report's own unless given."""
        return (day or self.day) in self.captured(asset)

    def newest(self, asset: str) -> dt.date | None:
        """The asset's newest day of the window; None when none of it is in the lake."""
        return max((day for day in self.captured(asset) if self.window[0] <= day <= self.day), default=None)

    def footer(self, asset: str, day: dt.date) -> dict[str, str] | None:
        """What a partition's file says of itself; None when there is none."""
        key = asset, day
        if key not in self._footers:
            try:
                self._footers[key] = self.lake.footer(Partition(asset, self.website, day))
            except MissingPartitionError:
                self._footers[key] = None
        return self._footers[key]

    def row_count(self, asset: str, day: dt.date) -> int | None:
        """How many rows a partition has; None when there is none."""
        footer = self.footer(asset, day)
        return None if footer is None else int(footer["ignite.rows"])

    def taken_on(self, asset: str, day: dt.date) -> dt.date | None:
        """The day on which a partition was captured, in the time zone of the days."""
        footer = self.footer(asset, day)
        return captured_at(footer).astimezone(self.zone).date() if footer else None

    def days_late(self, asset: str, day: dt.date) -> int:
        """Days between a partition's own night and its capture; 0 for one that isn't there."""
        taken = self.taken_on(asset, day)
        return max((taken - day).days - 1, 0) if taken else 0

    def trouble(self, asset: str, first: dt.date, last: dt.date) -> str:
        """Why the partitions of some days don't tell exactly who was seen on them; empty when they do.

        They do when all are there and none was captured after the night that followed the last: a later capture
        holds people who came since.
        """
        days = days_between(first, last)
        if days[0] < self.first_day:
            return f"there are no days before {day_words(self.first_day)}"
        if missing := sum(day not in self.captured(asset) for day in days):
            return f"{_share(missing, days)} not captured"
        later = sum((self.taken_on(asset, day) or day) > last + DAY for day in days)
        return f"{_share(later, days)} captured later, with visitors who came since" if later else ""

    def view(self, name: str, asset: str, days: Sequence[dt.date]) -> bool:
        """Name the rows of some of an asset's days for SQL, as far as they are there; False when none is."""
        there = [day for day in days if self.has(asset, day)]
        files = [Partition(asset, self.website, day).file for day in there]
        if files:
            self.workspace.view(name, self.lake.store, files, {})
        return bool(files)

    def rows(self, sql: str, **values: object) -> list[dict[str, Any]]:
        """The rows of a query over what was named; `getvariable(…)` finds the values."""
        return self.workspace.rows(sql, values)

    def one(self, sql: str, **values: object) -> Mapping[str, Any]:
        """The only row of such a query."""
        return self.rows(sql, **values)[0]

    def distinct(self, asset: str, column: str, first: dt.date, last: dt.date) -> int | None:
        """How many different values a column has over some days; None when none of them is there."""
        if not self.view("counted", asset, days_between(first, last)):
            return None
        return int(self.one(f"SELECT count(DISTINCT {column}) AS number FROM counted")["number"])  # noqa: S608 - our own name


def _share(some: int, days: Sequence[dt.date]) -> str:
    return f"{some} of {len(days)} days" if len(days) > 1 else "the day was"
