"""Dagster's records of partitions, held against the lake: what the lake holds is there, whatever is on record.

The look is cheap: names and sizes of files, and what is on record by key. A partition that is in the lake without a
record is recorded from its footer, never captured again.
"""

import datetime as dt
import time
from collections.abc import Collection, Iterable, Mapping

import dagster as dg

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.horizon import Horizon
from ignite_assets.api.table import Table
from ignite_assets.dagster.keys import PLAIN, AssetKeys
from ignite_assets.dagster.landing import Kept, materialization
from ignite_assets.dagster.partitions import read_key
from ignite_assets.dagster.private import recorded_partitions
from ignite_assets.storage.lake import Lake, Partition

_SECONDS = 15.0
"""So long one look may record: a tick takes two, and Dagster ends it after a minute."""


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
        new = found - recorded_partitions(instance, keys[table.name], days, websites)
        there[table.name] = found - _record(instance, lake, table.name, new, keys, deadline)
    return there


def record_held(
    instance: dg.DagsterInstance, lake: Lake, unrecorded: Mapping[str, Collection[str]], keys: AssetKeys = PLAIN
) -> dict[str, set[str]]:
    """By asset, of keys that are not on record, those of partitions that the lake holds; they are recorded too."""
    there: dict[str, set[str]] = {}
    deadline = time.monotonic() + _SECONDS
    for asset, some in unrecorded.items():
        days: dict[str, list[dt.date]] = {}
        for day, website in map(read_key, some):
            days.setdefault(website, []).append(day)
        new = {f"{day}|{website}" for website in days for day in lake.files_of(asset, website, days[website])}
        there[asset] = new - _record(instance, lake, asset, new, keys, deadline)
    return there


def _record(
    instance: dg.DagsterInstance, lake: Lake, asset: str, new: Iterable[str], keys: AssetKeys, deadline: float
) -> set[str]:
    """Record partitions of an asset until a moment of `time.monotonic`; returns the keys of the unreadable ones."""
    unreadable = set()
    for key in sorted(new, reverse=True):
        if time.monotonic() > deadline:
            break
        day, website = read_key(key)
        if kept := Kept.if_readable(lake, Partition(asset, website, day)):
            record_stored(instance, kept, keys)
        else:
            unreadable.add(key)
    return unreadable


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
