"""The checks of `tables.checks` as Dagster's asset checks: `sound` and `usual` of every asset.

The package's jobs leave their steps out, since each asset's own step evaluates them. They can be run by themselves, and
Dagster adds them to what is launched from an asset's page: then a step says only what the asset's step did not say.
"""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from ignite_assets.api.table import Table
from ignite_assets.config import Settings
from ignite_assets.dagster.checks.evaluations import Evaluator
from ignite_assets.dagster.io_manager import IO_MANAGER, lake_of
from ignite_assets.dagster.keys import PLAIN, AssetKeys
from ignite_assets.dagster.partitions import lake_partitions
from ignite_assets.tables.checks import CHECKS


def build_checks(
    tables: Sequence[Table], settings: Settings, keys: AssetKeys, *, partitions: dg.PartitionsDefinition[str]
) -> list[dg.AssetChecksDefinition]:
    """The checks of every asset, by partition."""
    with warnings.catch_warnings():
        # A check by partition is what we want, and Dagster still calls it a preview.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [_checks_of(Evaluator(table, settings, keys), settings, partitions) for table in tables]


def partition_checks(table: Table, keys: AssetKeys = PLAIN) -> list[dg.AssetCheckKey]:
    """The checks of an asset that belong to each of its partitions: not its freshness, which is of every website."""
    return [dg.AssetCheckKey(keys[table.name], name) for name in CHECKS]


def _checks_of(
    evaluator: Evaluator, settings: Settings, partitions: dg.PartitionsDefinition[str]
) -> dg.AssetChecksDefinition:
    asset = evaluator.table.name
    specs = {
        name: dg.AssetCheckSpec(name, asset=evaluator.key, description=description, partitions_def=partitions)
        for name, description in CHECKS.items()
    }

    @dg.multi_asset_check(
        name=settings.dagster.named(f"{asset}_checks"),
        description=f"Checks a partition of {asset}.",
        specs=list(specs.values()),
        can_subset=True,
        required_resource_keys={settings.dagster.named(IO_MANAGER)},
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[Any]:
        chosen = {key.name for key in context.selected_asset_check_keys}
        names = [name for name in CHECKS if name in chosen]
        yield from (dg.Output(None, output_name=specs[name].get_python_identifier()) for name in names)
        said = _said(context, evaluator.key)
        partitions = lake_partitions(asset, context.partition_keys)
        yield from evaluator.each(context.instance, lake_of(context, settings), partitions, names, said)

    return checks


def _said(context: dg.AssetCheckExecutionContext, asset: dg.AssetKey) -> set[tuple[str, str | None]]:
    """The checks and partitions of an asset that this run has evaluated."""
    logs = context.instance.all_logs(context.run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    found = (log.dagster_event.asset_check_evaluation_data for log in logs if log.dagster_event)
    return {(each.check_name, each.partition) for each in found if each.asset_key == asset}
