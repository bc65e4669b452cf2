"""A partition under examination, and the history of its website that it is compared with. Reads footers; no Dagster."""

import datetime as dt
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from ignite_assets.api.errors import MissingPartitionError
from ignite_assets.api.table import Table
from ignite_assets.storage.lake import Files, Lake, Partition, columns, told
from ignite_assets.tables import facts
from ignite_assets.tables.facts import Facts
from ignite_assets.tables.thresholds import Thresholds

TRAILING_DAYS = 28
FEWEST_COMPARABLE = 3
NONE_WRITTEN: Mapping[Partition, pq.FileMetaData] = {}


def captured_at(footer: Mapping[str, str]) -> dt.datetime:
    """When the partition with that footer was captured."""
    return dt.datetime.fromisoformat(footer["ignite.captured_at"])


class Examination:
    """What partitions of one asset are examined with. Lists each website once and reads each footer once."""

    def __init__(
        self,
        lake: Lake,
        table: Table,
        thresholds: Thresholds,
        zone: ZoneInfo,
        written: Mapping[Partition, pq.FileMetaData] = NONE_WRITTEN,
    ) -> None:
        """`table` may be a derived asset's; `zone` is the time zone in which days begin.

        `written`: the ends of the files of partitions that were just committed, which aren't read back.
        """
        self.lake, self.table = lake, table
        self.thresholds, self.zone = thresholds, zone
        self.written = written
        self._subjects: dict[Partition, Subject] = {}
        self._files: dict[str, Files] = {}

    def subject(self, partition: Partition) -> "Subject":
        """A partition to examine."""
        if partition not in self._subjects:
            self._subjects[partition] = Subject(self, partition)
        return self._subjects[partition]

    def past(self, partition: Partition) -> Sequence["Subject"]:
        """The captured partitions of the days before, newest first; without any, those of the days after."""
        near, days = dt.timedelta(TRAILING_DAYS), [each.date for each in self.files(partition)]
        near_days = [day for day in days if partition.date - near <= day < partition.date][::-1]
        if not near_days:
            near_days += [day for day in days if partition.date < day <= partition.date + near]
        subjects = [self.subject(Partition(partition.asset, partition.website, day)) for day in near_days]
        known = self.lake.store.each(lambda subject: subject.is_known, subjects)
        return [subject for subject, is_known in zip(subjects, known, strict=True) if is_known]

    def files(self, partition: Partition) -> Files:
        """The partitions of its asset and website."""
        if partition.website not in self._files:
            self._files[partition.website] = self.lake.files(partition.asset, partition.website)
        return self._files[partition.website]


@dataclass(eq=False)
class Subject:
    """A partition under examination, or one that it is compared with."""

    examination: Examination
    partition: Partition

    @functools.cached_property
    def _metadata(self) -> pq.FileMetaData | None:
        if written := self.examination.written.get(self.partition):
            return written
        info = self.examination.files(self.partition).get(self.partition)
        try:
            return self.examination.lake.metadata(self.partition, info) if info else None
        except MissingPartitionError:
            return None

    @functools.cached_property
    def footer(self) -> Mapping[str, str]:
        """What the partition's file says of itself; nothing when there is none."""
        return told(self._metadata) if self._metadata else {}

    @property
    def schema(self) -> pa.Schema:
        """The columns of the partition's file."""
        return columns(self._metadata) if self._metadata else pa.schema([])

    @property
    def exists(self) -> bool:
        """Whether the partition has been captured or derived."""
        return self._metadata is not None

    @property
    def is_known(self) -> bool:
        """Whether its file can be read and says when it was captured."""
        try:
            return "ignite.captured_at" in self.footer
        except (OSError, pa.ArrowException):
            return False

    @property
    def table(self) -> Table:
        """The row of its asset."""
        return self.examination.table

    @property
    def thresholds(self) -> Thresholds:
        """What is held against it."""
        return self.examination.thresholds

    @functools.cached_property
    def facts(self) -> Facts | None:
        """What was gathered when it was written; None for files of earlier versions."""
        return facts.read(self.footer)

    @functools.cached_property
    def rows(self) -> int:
        """How many rows it has."""
        return int(self.footer["ignite.rows"])

    @functools.cached_property
    def closes(self) -> dt.date:
        """The day of its capture: its window holds the days from its date until the one before."""
        return captured_at(self.footer).astimezone(self.examination.zone).date()

    @property
    def days(self) -> int:
        """Days of its window: 1 for a night's own, more for one that was captured late."""
        return max(1, (self.closes - self.partition.date).days)

    @property
    def days_late(self) -> int:
        """How many days after its own night it was captured."""
        return (self.closes - self.partition.date).days - 1

    @functools.cached_property
    def past(self) -> Sequence["Subject"]:
        """The history that it is compared with, nearest first: every partition that can be read."""
        return self.examination.past(self.partition)

    @property
    def tomorrow(self) -> "Subject":
        """The next day's partition of the asset and website."""
        partition = self.partition
        day = partition.date + dt.timedelta(days=1)
        return self.examination.subject(Partition(partition.asset, partition.website, day))

    def is_apart(self, other: "Subject") -> bool:
        """Whether the two windows share no day, so that whoever is in both came at least twice."""
        return self.closes <= other.partition.date or other.closes <= self.partition.date
