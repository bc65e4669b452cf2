"""Dagster's records of partitions, held against the lake: what the lake holds is there, whatever is on record.

The look is cheap: names and sizes of files, and what is on record by key. A partition that is in the lake without a
record is recorded from its footer, never captured again.
"""

import datetime as dt
import time
from collections.abc import Collection, Iterable

import dagster as dg

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.horizon import Horizon
from ignite_assets.api.table import Table
from ignite_assets.dagster.keys import PLAIN, AssetKeys
from ignite_assets.dagster.landing import Kept, materialization
from ignite_assets.dagster.partitions import read_key
from ignite_assets.dagster.private import recorded_partitions
from ignite_assets.storage.lake import Lake, Partition

_SECONDS = 20.0
"""So long one look may record: Dagster ends a tick after a minute."""


def reconcile(
    instance: dg.DagsterInstance,
    lake: Lake,
    tables: Iterable[Table],
    websites: Collection[str],
    days: Collection[dt.date],
    keys: AssetKeys = PLAIN,
) -> dict[str, set[str]]:
    """By asset, the keys of the partitions of some days that the lake holds; those not on record are recorded.

    As many are recorded as fit into one look, the newest first. A file that can't be read counts as missing then.
    """
    there: dict[str, set[str]] = {}
    deadline = time.monotonic() + _SECONDS
    for table in tables:
        found = {f"{day}|{website}" for website in websites for day in lake.files_of(table.name, website, days)}
        unreadable = set()
        for key in sorted(found - recorded_partitions(instance, keys[table.name], days, websites), reverse=True):
            if time.monotonic() > deadline:
                break
            day, website = read_key(key)
            if kept := Kept.if_readable(lake, Partition(table.name, website, day)):
                record_stored(instance, kept, keys)
            else:
                unreadable.add(key)
        there[table.name] = found - unreadable
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
    for table in endpoints:
        held = {(partition.date, partition.website) for partition in lake.partitions(table.name)}
        oldest: dict[str, dt.date] = {}
        for day, website in held:
            oldest[website] = min(day, oldest.get(website, day))
        recorded = map(read_key, instance.get_materialized_partitions(keys[table.name]))
        for day, website in sorted({each for each in recorded if each[1] in websites} - held):
            if horizon.refusal(table, day) and day > oldest.get(website, day):
                missing.append(Partition(table.name, website, day))
    return missing


def record_stored(instance: dg.DagsterInstance, kept: Kept, keys: AssetKeys = PLAIN) -> None:
    """Record a partition of the lake as materialized."""
    told = "Recorded from what the lake holds."
    instance.report_runless_asset_event(materialization(keys[kept.partition.asset], kept, told))
