"""The checks of `tables.checks` as Dagster's asset checks. An asset's are one step, after the asset's own."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from ignite_assets.api.table import Table
from ignite_assets.config import Settings
from ignite_assets.dagster.checks.evaluations import Found, of_one_partition, of_several_partitions
from ignite_assets.dagster.io_manager import IO_MANAGER, lake_of
from ignite_assets.dagster.keys import PLAIN, AssetKeys
from ignite_assets.dagster.partitions import lake_partitions
from ignite_assets.storage.lake import Partition
from ignite_assets.tables.checks import CHECKS, Check, examine
from ignite_assets.tables.examination import Examination


def build_checks(
    tables: Sequence[Table], settings: Settings, keys: AssetKeys, *, partitions: dg.PartitionsDefinition[str] | None
) -> list[dg.AssetChecksDefinition]:
    """The checks of every asset, planned for each of the partitions; without these, for a run.

    `evaluations` tells what a run records of them.
    """
    with warnings.catch_warnings():
        # A check by partition is what we want, and Dagster still calls it a preview.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [_checks_of(table, settings, keys, partitions) for table in tables]


def partition_checks(table: Table, keys: AssetKeys = PLAIN) -> list[dg.AssetCheckKey]:
    """The checks of an asset that belong to each of its partitions: not its freshness, which is of every website."""
    return [dg.AssetCheckKey(keys[table.name], check.name) for check in CHECKS if check.applies(table)]


def _checks_of(
    table: Table, settings: Settings, keys: AssetKeys, partitions: dg.PartitionsDefinition[str] | None
) -> dg.AssetChecksDefinition:
    asset = keys[table.name]
    due = [check for check in CHECKS if check.applies(table)]

    @dg.multi_asset_check(
        name=settings.dagster.named(f"{table.name}_checks"),
        description=f"Checks a partition of {table.name}.",
        specs=[
            dg.AssetCheckSpec(check.name, asset=asset, description=check.description, partitions_def=partitions)
            for check in due
        ],
        can_subset=True,
        required_resource_keys={settings.dagster.named(IO_MANAGER)},
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[Any]:
        chosen = {key.name for key in context.selected_asset_check_keys}
        selected = [check for check in due if check.name in chosen]
        examination = Examination(lake_of(context, settings), table, settings.checks, settings.partitions.zone)
        chosen_partitions = lake_partitions(table.name, context.partition_keys)
        found = _found(selected, examination, chosen_partitions)
        if len(chosen_partitions) == 1:
            yield from of_one_partition(context, found, keys)
        else:
            yield from of_several_partitions(context, found, keys, each=partitions is not None)

    return checks


def _found(checks: Sequence[Check], examination: Examination, partitions: Sequence[Partition]) -> dict[Check, Found]:
    """What each check found. One partition's rows are in memory at a time."""
    found: dict[Check, Found] = {check: [] for check in checks}
    for partition in reversed(partitions):
        subject = examination.subject(partition)
        for check in checks:
            found[check].append((partition, examine(check, subject)))
    return found
