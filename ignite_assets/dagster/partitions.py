"""The partitions of every asset: one for each (date, website). What a date means is the README's business.

`date` sorts before `website`, so a partition's key is `2026-11-23|acme-honda`.
"""

import datetime as dt
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping

import dagster as dg

from ignite_assets.api.errors import ConfigurationError
from ignite_assets.config import Settings
from ignite_assets.dagster.failures import input_failure
from ignite_assets.dagster.private import PARTITION, RANGE_END, RANGE_START
from ignite_assets.storage.lake import OwnFile, Partition, Stored

DATE = "date"
WEBSITE = "website"


def build_partitions(settings: Settings) -> dg.MultiPartitionsDefinition:
    """Every closed day since the start date, by every configured website."""
    days = dg.DailyPartitionsDefinition(
        start_date=settings.partitions.start_date.isoformat(), timezone=settings.partitions.timezone
    )
    return dg.MultiPartitionsDefinition({DATE: days, WEBSITE: dg.StaticPartitionsDefinition(sorted(settings.websites))})


def trailing_mapping(days: int) -> dg.MultiPartitionMapping:
    """To the partitions of the same website, of as many days up to a partition's own; fewer where days begin."""
    with warnings.catch_warnings():
        # Dagster still calls mappings by dimension a beta.
        warnings.simplefilter("ignore", dg.BetaWarning)
        window = dg.TimeWindowPartitionMapping(start_offset=1 - days)  # clipped where partitions begin
        return dg.MultiPartitionMapping(
            {
                DATE: dg.DimensionPartitionMapping(DATE, window),
                WEBSITE: dg.DimensionPartitionMapping(WEBSITE, dg.IdentityPartitionMapping()),
            }
        )


def partition_key(day: dt.date, website: str) -> dg.MultiPartitionKey:
    """The key of one partition."""
    return dg.MultiPartitionKey({DATE: day.isoformat(), WEBSITE: website})


def read_key(key: str) -> tuple[dt.date, str]:
    """The date and the website of a key, however Dagster spells it: some of its mappings hand over plain text."""
    day, _, website = str(key).partition("|")
    return dt.date.fromisoformat(day), website


def lake_partitions(asset: str, keys: Iterable[str]) -> tuple[Partition, ...]:
    """The lake's partitions for an asset's keys, by website and date: Dagster hands ranges over as unordered sets."""
    read = (read_key(key) for key in keys)
    return tuple(sorted(Partition(asset, website, day) for day, website in read))


def files_of(asset: str, partitions: dg.PartitionsDefinition[str], keys: Iterable[str]) -> tuple[Stored, ...]:
    """The lake's files for the keys of an asset, in order. Raises `ValueError` for partitions that it has no place for.

    That is by (date, website), or by a date.
    """
    if isinstance(partitions, dg.MultiPartitionsDefinition):
        if {dimension.name for dimension in partitions.partitions_defs} != {DATE, WEBSITE}:
            raise ValueError(asset)
        return lake_partitions(asset, keys)
    return tuple(sorted(OwnFile(asset, dt.date.fromisoformat(key)) for key in keys))


def partitions_of(context: dg.AssetExecutionContext, websites: Collection[str]) -> list[tuple[dt.date, str]]:
    """The date and the website of each partition of a step. Fails when the website isn't configured any more."""
    if gone := {website for _, website in map(read_key, keys_of(context.run.tags))}.difference(websites):
        words = f"{', '.join(gone)} is not configured any more; there are {sorted(websites)}"
        raise input_failure(ConfigurationError("websites", [words]))
    return [read_key(key) for key in context.partition_keys]


def keys_of(tags: Mapping[str, str]) -> Iterator[str]:
    """The partitions that a run's tags name: one, or the days of a website."""
    if key := tags.get(PARTITION):
        yield key
    elif start := tags.get(RANGE_START):
        first, website = read_key(start)
        last, _ = read_key(tags[RANGE_END])
        for day in range((last - first).days + 1):
            yield partition_key(first + dt.timedelta(days=day), website)
