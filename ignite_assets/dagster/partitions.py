"""The partitions of every asset: one for each (date, website). What a date means is the README's business.

`date` sorts before `website`, so a partition's key is `2026-11-23|acme-honda`.
"""

import datetime as dt
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

import dagster as dg

from ignite_assets.api.errors import ConfigurationError
from ignite_assets.config import Settings
from ignite_assets.dagster.failures import input_failure
from ignite_assets.dagster.private import PARTITION, RANGE_END, RANGE_START
from ignite_assets.storage.lake import OwnFile, Partition, Stored

DATE = "date"
WEBSITE = "website"

ASKED: Final = dg.BackfillPolicy.multi_run(100)
LISTED: Final = dg.BackfillPolicy.multi_run(101)
DERIVED: Final = dg.BackfillPolicy.multi_run(102)
"""How many partitions a run of a backfill takes: a website's whole look-back window, or a day of a hundred websites.

Dagster puts assets of one policy into one run, in which a step that failed in part skips those that follow. So what is
made from other assets has a policy of its own: its runs begin once the partitions that it needs are there.
"""


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


def dimension_tags(key: dg.MultiPartitionKey) -> dict[str, str]:
    """The tags by which Dagster knows the date and the website of a partition's key."""
    return {f"{PARTITION}/{name}": value for name, value in key.keys_by_dimension.items()}


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
    tags = context.run.tags
    if gone := {website for _, website in map(read_key, keys_of(tags, websites))}.difference(websites):
        words = f"{', '.join(gone)} is not configured any more; there are {sorted(websites)}"
        raise input_failure(ConfigurationError("websites", [words]))
    if tags.get(RANGE_START, tags.get(RANGE_END)) != tags.get(RANGE_END) and _one_of(tags):
        raise input_failure(ConfigurationError("backfill", [_JOB_PAGE]))
    return [read_key(key) for key in context.partition_keys]


_JOB_PAGE = (
    "this run was launched by a backfill from a job's page: Dagster would execute one partition of it and report "
    "success for all, so nothing was captured. Launch the backfill from the assets instead: select them in the asset "
    "graph or the catalog and press Materialize; or run ignite-assets materialize --from … --to …"
)


def _one_of(tags: Mapping[str, str]) -> bool:
    """Whether tags name a partition, which Dagster then executes alone, whatever range they name as well."""
    return any(tag == PARTITION or tag.startswith(f"{PARTITION}/") for tag in tags)


def keys_of(tags: Mapping[str, str], websites: Iterable[str] = ()) -> Iterator[str]:
    """The partitions that a run's tags name: one, or each day of a range by each of its websites.

    `websites`: those that are configured. A range names only its first and its last.
    """
    if start := tags.get(RANGE_START):
        (first, opens), (last, closes) = read_key(start), read_key(tags[RANGE_END])
        for day in range((last - first).days + 1):
            for website in sorted({opens, closes, *(each for each in websites if opens < each < closes)}):
                yield partition_key(first + dt.timedelta(days=day), website)
    elif key := tags.get(PARTITION):
        yield key


def by_website(partitions: Iterable[Partition]) -> dict[str, list[dt.date]]:
    """The days of each website, in order."""
    days: dict[str, list[dt.date]] = {}
    for each in sorted(partitions):
        days.setdefault(each.website, []).append(each.date)
    return days
