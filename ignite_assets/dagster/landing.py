"""The return value of an asset: its run's partitions, captured or derived while they are stored.

A run of one partition and a ranged run, of one website or of several, go the same way. Each partition is committed
before the next is made, so a failing one costs only itself, and memory holds one. When every partition landed, Dagster
records all of them. When some failed, it would record none of them, or all: so the good ones are recorded here, one by
one, and the step fails with the reasons of the others.
"""

import datetime as dt
import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from ignite_assets.api.errors import IgniteError, MissingPartitionError
from ignite_assets.dagster.checks.evaluations import Evaluator
from ignite_assets.dagster.failures import failure
from ignite_assets.dagster.metadata import kept_metadata, partition_metadata
from ignite_assets.dagster.partitions import dimension_tags, partition_key
from ignite_assets.dagster.private import DATA_VERSION, describe_partitions, log_together
from ignite_assets.dagster.retrying import retrying
from ignite_assets.dagster.waiting import tags
from ignite_assets.storage.lake import Lake, Partition, StorageError
from ignite_assets.tables.checks import CHECKS
from ignite_assets.tables.made import MadePartition

CONTENT_HASH = "content_hash"
"""The metadata key of the hash of a partition's rows, where the data version is of several partitions."""

LandedOrFailed = tuple[Partition, MadePartition | IgniteError]
"""A partition with what was made for it, or with what went wrong."""


@dataclass
class Landing:
    """A partition on its way into the lake."""

    partition: Partition
    made: MadePartition
    location: str = ""
    """Where it is, once it is stored."""
    seconds: float = 0.0
    """From asking for it to its being committed."""
    error: StorageError | None = None
    """Why it could not be stored."""
    end: pq.FileMetaData | None = None
    """Of its file."""

    @property
    def content_hash(self) -> str:
        """The hash of its rows."""
        return self.made.staged.content_hash

    def metadata(self) -> dict[str, Any]:
        """What Dagster shows of it."""
        return partition_metadata(self.made, self.location, self.seconds)

    def store(self, lake: Lake, check: Callable[[], None] = lambda: None) -> None:
        """Commit it, and let go of the staged file, so that a ranged run holds one at a time.

        Nothing is committed when `check`, which comes first, raises.
        """
        with self.made.staged.file as file:
            check()
            self.end = pq.read_metadata(file)
            try:
                self.location = lake.commit(self.partition, file, self.made.misfits)
            except StorageError as error:
                self.error = error


@dataclass(frozen=True)
class Kept:
    """A partition that the lake holds, and that a run leaves as it is."""

    partition: Partition
    location: str
    bytes: int
    footer: Mapping[str, str]

    @classmethod
    def of(cls, lake: Lake, partition: Partition) -> Self:
        """The partition as its file describes it."""
        return cls(partition, lake.location(partition), lake.size(partition), lake.footer(partition))

    @classmethod
    def if_readable(cls, lake: Lake, partition: Partition) -> Self | None:
        """The same; None when there is no file, or none of ours that can be read."""
        try:
            found = cls.of(lake, partition) if lake.exists(partition) else None
        except (MissingPartitionError, pa.ArrowInvalid):
            return None
        return found if found and "ignite.content_hash" in found.footer else None

    @property
    def rows(self) -> int:
        """How many it has."""
        return int(self.footer["ignite.rows"])

    def is_on_time(self, zone: dt.tzinfo) -> bool:
        """Whether it is a capture that was made the day after its date, and brought rows."""
        captured = self.footer.get("ignite.captured_at")
        return bool(captured and self.rows) and not is_late(
            dt.datetime.fromisoformat(captured or ""), self.partition.date, zone
        )

    @property
    def content_hash(self) -> str:
        """The hash of its rows."""
        return self.footer["ignite.content_hash"]

    def metadata(self) -> dict[str, Any]:
        """What Dagster shows of it."""
        return kept_metadata(self.footer, self.location, self.bytes)


def is_late(moment: dt.datetime, day: dt.date, zone: dt.tzinfo) -> bool:
    """Whether a capture for a date is made later than the day after it."""
    return (moment.astimezone(zone).date() - day).days > 1


class Landings:
    """An asset's partitions in a run, each made when it is asked for, beside those that are kept. Iterate it once."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        outcomes: Iterator[LandedOrFailed],
        evaluator: Evaluator,
        kept: Sequence[Kept] = (),
        *,
        retry_policy: dg.RetryPolicy | None = None,
        recorded: Collection[str] = (),
    ) -> None:
        """`recorded`: the keys of those that are on record since an earlier try of the step."""
        self._recorded = recorded
        self._context = context
        self._outcomes = outcomes
        self._kept = kept
        self._retry_policy = retry_policy
        self._landed: list[Landing] = []
        self._failed: list[Partition] = []
        self._evaluator = evaluator
        self.lake: Lake | None = None
        """Where they are stored, once that has begun."""

    def recorded(self) -> Iterator[dg.Output["Landings"]]:
        """The events of the asset's step: its output, and then, since they name what was recorded, its checks."""
        yield dg.Output(self)
        self.evaluate()

    def evaluate(self) -> None:
        """Log the checks of the partitions that were recorded."""
        if self.lake and (partitions := self._there()):
            found = self._evaluator.evaluations(self._context.instance, self.lake, partitions, self._written())
            log_together(self._context, found)

    def evaluate_for_all(self) -> None:
        """The same before the step fails; instead of the checks' own step too, if the run has one: it is skipped then.

        What the run planned and doesn't evaluate is shown as failed, also of partitions that it left as they were.
        """
        if self.lake and self._evaluator.is_planned(self._context.instance, self._context.run.run_id):
            partitions = [*self._there(), *filter(self.lake.exists, self._failed)]
            found = self._evaluator.each(self._context.instance, self.lake, partitions, CHECKS, written=self._written())
            log_together(self._context, found)
        else:
            self.evaluate()

    def _there(self) -> list[Partition]:
        stored = [each.partition for each in self._landed if each.location]
        return [*(each.partition for each in self._kept), *stored]

    def _written(self) -> dict[Partition, pq.FileMetaData]:
        return {each.partition: each.end for each in self._landed if each.location}

    def __iter__(self) -> Iterator[Landing]:
        with retrying(self._context, self._retry_policy):
            yield from self._each()

    def record_landed(self) -> None:
        """Record what landed before somebody stopped the run."""
        self._record([landing for landing in self._landed if landing.location])

    def _each(self) -> Iterator[Landing]:
        landed = self._landed
        errors: dict[str, IgniteError] = {}
        started = time.monotonic()
        for partition, outcome in self._outcomes:
            if isinstance(outcome, IgniteError):
                errors[_key(partition)] = outcome
                self._failed.append(partition)
                continue
            landing = Landing(partition, outcome)
            landed.append(landing)
            yield landing
            landing.seconds = time.monotonic() - started
            started = time.monotonic()
            if landing.error:
                errors[_key(partition)] = landing.error
                self._failed.append(landed.pop().partition)
        there: list[Landing | Kept] = [*self._kept, *landed]
        if errors:
            self._record(there)
            if told := tags(errors.values()):
                self._context.instance.add_run_tags(self._context.run.run_id, told)
            raise failure(errors)
        self._describe(there)

    def _describe(self, there: Sequence[Landing | Kept]) -> None:
        """Give Dagster, which records the run's partitions itself, what there is to know of each."""
        described = {_key(each.partition): each.metadata() for each in there}
        if len(there) > 1:
            for each in there:
                described[_key(each.partition)][CONTENT_HASH] = each.content_hash
        describe_partitions(self._context, described)
        self._context.set_data_version(self._context.asset_key, dg.DataVersion(_data_version(there)))

    def _record(self, there: Iterable[Landing | Kept]) -> None:
        unrecorded = (each for each in there if _key(each.partition) not in self._recorded)
        asset = self._context.asset_key
        log_together(self._context, (materialization(asset, each) for each in unrecorded))


def materialization(
    asset_key: dg.AssetKey, each: Landing | Kept, description: str | None = None
) -> dg.AssetMaterialization:
    """The record of one partition."""
    key = _key(each.partition)
    return dg.AssetMaterialization(
        asset_key,
        description=description,
        partition=key,
        metadata=each.metadata(),
        tags={DATA_VERSION: each.content_hash, **dimension_tags(key)},
    )


def recorded_hash(recorded: dg.AssetMaterialization) -> str | None:
    """The hash of a recorded partition's rows: its data version, unless that is of several partitions."""
    own = recorded.metadata.get(CONTENT_HASH)
    return str(own.value) if own else (recorded.tags or {}).get(DATA_VERSION)


def landed_before(context: dg.AssetExecutionContext) -> set[str]:
    """The keys of the partitions that earlier tries of the step landed."""
    if not context.retry_number:
        return set()
    logs = context.instance.all_logs(context.run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    events = (log.dagster_event for log in logs if log.dagster_event)
    return {str(event.partition) for event in events if event.asset_key == context.asset_key}


def _key(partition: Partition) -> dg.MultiPartitionKey:
    return partition_key(partition.date, partition.website)


def _data_version(there: Sequence[Landing | Kept]) -> str:
    """The content hash; over several partitions a hash of theirs, since Dagster keeps one version an output."""
    hashes = [each.content_hash for each in sorted(there, key=lambda each: each.partition)]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()
