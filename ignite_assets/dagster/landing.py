"""The return value of an asset: its run's partitions, captured or derived while they are stored.

A run of one partition and a ranged run go the same way. Each partition is committed before the next is made, so a
failing date costs only itself, and memory holds one partition. When every date landed, Dagster records every partition
of the run. When some failed, it would record none of them, or all: so the good ones are recorded here, one by one, and
the step fails with the reasons of the others.
"""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg

from ignite_assets.api.errors import IgniteError
from ignite_assets.dagster.failures import failure
from ignite_assets.dagster.metadata import partition_metadata
from ignite_assets.dagster.partitions import partition_key
from ignite_assets.dagster.private import DATA_VERSION, PARTITION
from ignite_assets.dagster.waiting import tags
from ignite_assets.storage.lake import Lake, Partition, StorageError
from ignite_assets.tables.made import MadeOrFailed, MadePartition


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

    def store(self, lake: Lake) -> None:
        """Commit it, and let go of the staged file, so that a ranged run holds one at a time."""
        with self.made.staged.file as file:
            try:
                self.location = lake.commit(self.partition, file, self.made.misfits)
            except StorageError as error:
                self.error = error


class Landings:
    """An asset's partitions in a run, each made when it is asked for. To be iterated once."""

    def __init__(self, context: dg.AssetExecutionContext, website: str, outcomes: Iterator[MadeOrFailed]) -> None:
        self._context = context
        self._website = website
        self._outcomes = outcomes

    def __iter__(self) -> Iterator[Landing]:
        landed: list[Landing] = []
        errors: dict[str, IgniteError] = {}
        started = time.monotonic()
        for day, outcome in self._outcomes:
            if isinstance(outcome, IgniteError):
                errors[partition_key(day, self._website)] = outcome
                continue
            landing = Landing(Partition(outcome.table.name, self._website, day), outcome)
            yield landing
            landing.seconds = time.monotonic() - started
            started = time.monotonic()
            if landing.error:
                errors[partition_key(day, self._website)] = landing.error
            else:
                landed.append(landing)
        if errors:
            for landing in landed:
                self._record(landing)
            if told := tags(errors.values()):
                self._context.instance.add_run_tags(self._context.run.run_id, told)
            raise failure(errors, several=bool(landed) or len(errors) > 1)
        self._describe(landed)

    def _describe(self, landed: list[Landing]) -> None:
        """Give Dagster, which records the run's partitions itself, what there is to know of each."""
        for landing in landed:
            self._context.add_asset_metadata(
                partition_metadata(landing.made, landing.location, landing.seconds),
                partition_key=partition_key(landing.partition.date, self._website),
            )
        self._context.set_data_version(self._context.asset_key, dg.DataVersion(_data_version(landed)))

    def _record(self, landing: Landing) -> None:
        key = partition_key(landing.partition.date, self._website)
        dimensions = {f"{PARTITION}/{name}": value for name, value in key.keys_by_dimension.items()}
        self._context.log_event(
            dg.AssetMaterialization(
                self._context.asset_key,
                partition=key,
                metadata=partition_metadata(landing.made, landing.location, landing.seconds),
                tags={DATA_VERSION: landing.made.staged.content_hash, **dimensions},
            )
        )


def _data_version(landed: list[Landing]) -> str:
    """The content hash; over several partitions a hash of theirs, since Dagster keeps one version an output."""
    hashes = [landing.made.staged.content_hash for landing in sorted(landed, key=lambda x: x.partition)]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()
