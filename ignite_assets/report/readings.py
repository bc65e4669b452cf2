"""What a report reads of: one website's partitions of a lake, for a day and the window that ends with it."""

import datetime as dt
import functools
from collections.abc import Sequence

from ignite_assets.api.errors import MissingPartitionError
from ignite_assets.config import Settings
from ignite_assets.report.words import day_words
from ignite_assets.storage.duck import Workspace
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.examination import captured_at
from ignite_assets.tables.windows import days_between, trailing

WEEK = dt.timedelta(days=7)
DAY = dt.timedelta(days=1)


class Readings:
    """A website's partitions; each folder is listed and each footer read once."""

    def __init__(self, lake: Lake, workspace: Workspace, website: str, day: dt.date, settings: Settings) -> None:
        self.lake, self.workspace = lake, workspace
        self.rows, self.one = workspace.rows, workspace.one
        self.website, self.day = website, day
        self.window_days = settings.derived.window_days
        self.first_day, self.zone = settings.partitions.start_date, settings.partitions.zone
        self.captured = functools.cache(self._captured)
        self.footer = functools.cache(self._footer)

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
        """What a partition's file says of itself; None when there is none."""
        try:
            return self.lake.footer(Partition(asset, self.website, day))
        except MissingPartitionError:
            return None

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

    def distinct(self, asset: str, column: str, first: dt.date, last: dt.date) -> int | None:
        """How many different values a column has over some days; None when none of them is there."""
        if not self.view("counted", asset, days_between(first, last)):
            return None
        return int(self.one(f"SELECT count(DISTINCT {column}) AS number FROM counted")["number"])  # noqa: S608 - our own name


def _share(some: int, days: Sequence[dt.date]) -> str:
    return f"{some} of {len(days)} days" if len(days) > 1 else "the day was"
