"""The captured partitions that a derived partition is made from, and whether they have changed since."""

import datetime as dt
import functools
import json
import math
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.fs as pafs

from ignite_assets.api.errors import MissingPartitionError
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.derived.row import Derived, Input
from ignite_assets.tables.windows import Window, trailing

FOOTER = "inputs"
"""The footer's entry for `Inputs.hashes`, as JSON."""

InputHashes = Mapping[str, Mapping[str, str]]
"""By asset and date, the content hash of each partition that was read, shortened."""

_HASH_CHARACTERS = 16


class Inputs:
    """What one derived asset of a website reads, day by day. Lists each asset and reads each footer once.

    `window_days` is the length of the trailing window. Windows are clipped at `first_day`, the first that has
    partitions. `looked_at`: the days whose partitions are looked for; every day's unless given.
    """

    def __init__(
        self,
        lake: Lake,
        derived: Derived,
        website: str,
        *,
        window_days: int,
        first_day: dt.date,
        looked_at: Sequence[dt.date] | None = None,
    ) -> None:
        self._looked_at = looked_at
        self._lake, self._derived, self._website = lake, derived, website
        self._window_days, self._first_day = window_days, first_day
        self._files: dict[str, dict[dt.date, pafs.FileInfo]] = {}

    def captured(self, asset: str) -> Mapping[dt.date, pafs.FileInfo]:
        """The days of an asset's partitions, each with its file."""
        if asset not in self._files:
            self._files[asset] = (
                {partition.date: info for partition, info in self._lake.files(asset, self._website).items()}
                if self._looked_at is None
                else self._lake.files_of(asset, self._website, self._looked_at)
            )
        return self._files[asset]

    def window(self, day: dt.date, asset: str | None = None) -> Window:
        """The window that ends with a day, of the main input unless an asset is named."""
        return trailing(self.captured(asset or self._derived.main), day, self._window_days, self._first_day)

    def window_before(self, day: dt.date, asset: str | None = None) -> Window | None:
        """The window that ends the day before; None when that is before the first day."""
        return self.window(day - dt.timedelta(days=1), asset) if day > self._first_day else None

    def days(self, of: Input, day: dt.date) -> Sequence[dt.date]:
        """The captured days of an input that are read for a day, in order."""
        if of.days == "nearest":
            captured = self.captured(of.asset)
            earlier = [each for each in captured if each <= day]
            return [max(earlier)] if earlier else sorted(captured)[:1]
        days = set(self.window(day, of.asset).captured)
        if of.days == "both_windows" and (before := self.window_before(day, of.asset)):
            days |= set(before.captured)
        return sorted(days)

    def hashes(self, day: dt.date) -> InputHashes:
        """The content hash of every partition that is read for a day."""
        return {
            of.asset: {str(each): self._content_hash(of.asset, each) for each in self.days(of, day)}
            for of in self._derived.inputs
        }

    def stale(self, since: dt.date) -> list[dt.date]:
        """The derived days from `since` on whose inputs are not those that they were made from; newest first.

        Modification times tell which days may be, and content hashes which are: a partition that is captured again
        with the same rows makes nothing stale.
        """
        made = self.captured(self._derived.name)
        return [day for day in sorted(made, reverse=True) if day >= since and self._is_stale(day, made[day])]

    def any_may_be_stale(self, since: dt.date) -> bool:
        """Whether `stale` is worth asking: an input is newer than a partition of its day or a later one.

        Far cheaper than `stale`. The first of an input's days may be read for earlier days as well.
        """
        made = {day: info.mtime_ns for day, info in self.captured(self._derived.name).items() if day >= since}
        for of in self._derived.inputs:
            captured = self.captured(of.asset)
            # From the last day to the first, with the oldest partition of those that were passed.
            days, oldest = sorted({*captured, *made}, reverse=True), math.inf
            first = min(captured, default=None)
            for day in days:
                oldest = min(oldest, made.get(day, math.inf))
                if day in captured and day != first and captured[day].mtime_ns > oldest:
                    return True
            if first and captured[first].mtime_ns > oldest:
                return True
        return False

    def missing(self, since: dt.date) -> list[dt.date]:
        """The days from `since` on of which the main input is captured and nothing is derived; newest first."""
        days = set(self.captured(self._derived.main)) - set(self.captured(self._derived.name))
        return sorted((day for day in days if day >= since), reverse=True)

    def _is_stale(self, day: dt.date, made: pafs.FileInfo) -> bool:
        if day not in self.captured(self._derived.main) or not self._may_be_stale(day, made):
            return False
        recorded = self._footer(self._derived.name, day).get(f"ignite.{FOOTER}")
        return recorded is None or json.loads(recorded) != self.hashes(day)

    def _may_be_stale(self, day: dt.date, made: pafs.FileInfo) -> bool:
        read = (self.captured(of.asset)[each] for of in self._derived.inputs for each in self.days(of, day))
        return any(info.mtime_ns > made.mtime_ns for info in read)

    def _content_hash(self, asset: str, day: dt.date) -> str:
        return self._footer(asset, day).get("ignite.content_hash", "")[:_HASH_CHARACTERS]

    @functools.cache  # noqa: B019 - lives as long as a run or a look does
    def _footer(self, asset: str, day: dt.date) -> Mapping[str, str]:
        try:
            return self._lake.footer(Partition(asset, self._website, day), self.captured(asset)[day])
        except (MissingPartitionError, pa.ArrowInvalid):  # a damaged one fails what is made from it, and nothing else
            return {}
