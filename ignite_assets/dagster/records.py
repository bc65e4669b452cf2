"""Dagster's records of partitions, held against the lake: what the lake holds is there, whatever is on record.

The look is cheap: names and sizes of files, and what is on record by key. A partition that is in the lake without a
record is recorded from its footer, never captured again.
"""

import datetime as dt
import time
from collections.abc import Collection, Iterable, Iterator
from typing import TypeVar

import dagster as dg

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.horizon import Horizon
from ignite_assets.api.table import Table
from ignite_assets.dagster.keys import PLAIN, AssetKeys
from ignite_assets.dagster.landing import Kept, materialization
from ignite_assets.dagster.partitions import partition_key, read_key
from ignite_assets.storage.lake import Lake, Partition

_T = TypeVar("_T", bound=Table)
_SECONDS = 20.0
"""So long one look may record: Dagster ends a tick after a minute."""


def compare(
    instance: dg.DagsterInstance,
    lake: Lake,
    tables: Iterable[_T],
    websites: Collection[str],
    keys: AssetKeys = PLAIN,
) -> Iterator[tuple[_T, dict[str, Partition], set[str]]]:
    """Each table with its partitions that the lake holds, by key, and the keys of those that are on record."""
    for table in tables:
        found = {
            str(partition_key(partition.date, partition.website)): partition
            for website in websites
            for partition in lake.files(table.name, website)
        }
        recorded = instance.get_materialized_partitions(keys[table.name])
        yield table, found, {key for key in recorded if read_key(key)[1] in websites}


def reconcile(
    instance: dg.DagsterInstance,
    lake: Lake,
    tables: Iterable[Table],
    websites: Collection[str],
    keys: AssetKeys = PLAIN,
) -> dict[str, set[str]]:
    """By asset, the keys of the partitions that the lake holds; those that are not on record are recorded.

    As many are recorded as fit into one look, the newest first. A file that can't be read counts as missing then.
    """
    there: dict[str, set[str]] = {}
    deadline = time.monotonic() + _SECONDS
    for table, found, recorded in compare(instance, lake, tables, websites, keys):
        unreadable = set()
        for key in sorted(found.keys() - recorded, reverse=True):
            if time.monotonic() > deadline:
                break
            if kept := Kept.if_readable(lake, found[key]):
                record_stored(instance, kept, keys)
            else:
                unreadable.add(key)
        there[table.name] = found.keys() - unreadable
    return there


def lost(
    instance: dg.DagsterInstance,
    lake: Lake,
    endpoints: Iterable[Endpoint],
    websites: Collection[str],
    horizon: Horizon,
    keys: AssetKeys = PLAIN,
) -> list[Partition]:
    """Captures that are on record, not in the lake, and can't be made again.

    Without those that are older than all that the lake holds of the website: old days are deleted on purpose.
    """
    missing = []
    for table, found, recorded in compare(instance, lake, endpoints, websites, keys):
        oldest: dict[str, dt.date] = {}
        for partition in found.values():
            oldest[partition.website] = min(partition.date, oldest.get(partition.website, partition.date))
        for day, website in map(read_key, sorted(recorded - found.keys())):
            if horizon.refusal(table, day) and day > oldest.get(website, day):
                missing.append(Partition(table.name, website, day))
    return missing


def record_stored(instance: dg.DagsterInstance, kept: Kept, keys: AssetKeys = PLAIN) -> None:
    """Record a partition of the lake as materialized."""
    told = "Recorded from what the lake holds."
    instance.report_runless_asset_event(materialization(keys[kept.partition.asset], kept, told))
