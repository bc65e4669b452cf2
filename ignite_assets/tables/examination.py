"""A partition under examination: what checks look at, and what they find. Reads the lake; no Dagster."""

import datetime as dt
import functools
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import pyarrow as pa

from ignite_assets.api.errors import MissingPartitionError
from ignite_assets.api.keysets import KeySet
from ignite_assets.api.table import Table
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.thresholds import Thresholds


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check found in one partition."""

    passed: bool
    saw: str
    expected: str
    advice: str = ""
    """What to do about it; empty when it passed."""
    severe: bool = False
    """Data that should not be used, rather than data to look at."""
    numbers: Mapping[str, int | float] = field(default_factory=dict)
    history: str = ""
    """How what was seen has gone, in a line, oldest first."""


def captured_at(footer: Mapping[str, str]) -> dt.datetime:
    """When the partition with that footer was captured."""
    return dt.datetime.fromisoformat(footer["ignite.captured_at"])


class Examination:
    """What partitions of one asset are examined with. Reads each footer once, and holds the keys of two partitions.

    Take the subjects newest first: a window is compared with the next day's, whose keys are then at hand.
    """

    def __init__(self, lake: Lake, endpoint: Table, thresholds: Thresholds, zone: ZoneInfo) -> None:
        """`endpoint` may be a derived asset's row, too; `zone` is the time zone in which days begin."""
        self.lake, self.endpoint = lake, endpoint
        self.thresholds, self.zone = thresholds, zone
        self._footers: dict[Partition, dict[str, str] | None] = {}
        self._keys: OrderedDict[Partition, KeySet] = OrderedDict()

    def subject(self, partition: Partition) -> "Subject":
        """A partition to examine."""
        return Subject(self, partition)

    def footer(self, partition: Partition) -> dict[str, str] | None:
        """What a partition's file says of itself; None when it has not been captured."""
        if partition not in self._footers:
            try:
                self._footers[partition] = self.lake.footer(partition)
            except MissingPartitionError:
                self._footers[partition] = None
        return self._footers[partition]

    def keys(self, partition: Partition, table: pa.Table | None = None) -> KeySet:
        """The keys of a partition's rows, which `table` holds if it was read already."""
        names = list(self.endpoint.keys)
        if partition not in self._keys:
            rows = self.lake.read([partition], names) if table is None else table
            self._keys[partition] = KeySet.of(rows.select(names))
        self._keys.move_to_end(partition)
        while len(self._keys) > 2:
            self._keys.popitem(last=False)
        return self._keys[partition]

    def days_late(self, partition: Partition, footer: Mapping[str, str]) -> int:
        """Days between the day after the partition's date and its capture: 0 for a night's own."""
        return (captured_at(footer).astimezone(self.zone).date() - partition.date).days - 1


class Subject:
    """A partition under examination, with the neighbours that it is compared with. Reads each thing once."""

    def __init__(self, examination: Examination, partition: Partition) -> None:
        self.examination, self.partition = examination, partition
        self.lake, self.endpoint = examination.lake, examination.endpoint
        self.thresholds = examination.thresholds

    @property
    def exists(self) -> bool:
        """Whether the partition has been captured."""
        return self.examination.footer(self.partition) is not None

    @property
    def footer(self) -> dict[str, str]:
        """What the partition's file says of itself; nothing when there is none."""
        return self.examination.footer(self.partition) or {}

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return int(self.footer["ignite.rows"])

    @functools.cached_property
    def table(self) -> pa.Table:
        """Its columns that checks look at: keys and hashes."""
        names = [column.name for column in self.endpoint.columns if column.key or column.hashed]
        return self.lake.read([self.partition], names)

    @property
    def keys(self) -> KeySet:
        """The distinct keys of its rows."""
        return self.examination.keys(self.partition, self.table)

    @property
    def days_late(self) -> int:
        """How many days after its own night it was captured."""
        return self.examination.days_late(self.partition, self.footer)

    def neighbour(self, days: int) -> Partition:
        """The same asset and website, so many days later."""
        return Partition(self.partition.asset, self.partition.website, self.partition.date + dt.timedelta(days=days))
