"""One asset for each row of the table of derived assets: computed with DuckDB from captures, asking nobody anything."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence

import dagster as dg

from ignite_assets.api.errors import IgniteError
from ignite_assets.api.table import Table
from ignite_assets.config import Settings
from ignite_assets.dagster.io_manager import IO_MANAGER, ParquetIOManager
from ignite_assets.dagster.landing import Landings
from ignite_assets.dagster.metadata import LAUNCH, column_schema, lineage_metadata, storage_kinds, storage_uri
from ignite_assets.dagster.partitions import read_key, trailing_mapping
from ignite_assets.tables.derived.derivation import Derivations
from ignite_assets.tables.derived.row import Derived, Input
from ignite_assets.tables.made import MadeOrFailed
from ignite_assets.tables.progress import begin


def build_derived(
    rows: Sequence[Derived],
    settings: Settings,
    *,
    partitions: dg.PartitionsDefinition[str],
    tables: Sequence[Table],
    now: Callable[[], dt.datetime],
    retry_policy: dg.RetryPolicy | None = None,
) -> list[dg.AssetsDefinition]:
    """The assets of the rows; `tables` are those that they read."""

    def build(row: Derived) -> dg.AssetsDefinition:
        @dg.asset(
            name=row.name,
            deps=[_dependency(each, settings.derived.window_days) for each in row.inputs],
            description=row.description,
            partitions_def=partitions,
            group_name=row.history,
            kinds={"duckdb", "parquet", *storage_kinds(settings.root)},
            owners=list(settings.assets.owners),
            tags={"ignite/personal_data": str(row.personal).lower()},
            metadata={
                "dagster/column_schema": column_schema(row),
                "dagster/uri": storage_uri(settings.root, row.name),
                **LAUNCH,
                **lineage_metadata(row),
                "window_days": settings.derived.window_days,
            },
            io_manager_key=IO_MANAGER,
            retry_policy=retry_policy,
        )
        def derive(context: dg.AssetExecutionContext, ignite_lake: dg.ResourceParam[ParquetIOManager]) -> Landings:
            keys = [read_key(key) for key in context.partition_keys]
            (website,) = {website for _, website in keys}
            derivations = Derivations(
                ignite_lake.lake,
                row,
                website,
                window_days=settings.derived.window_days,
                first_day=settings.partitions.start_date,
                tables=tables,
                now=now,
            )
            days = sorted(day for day, _ in keys)
            return Landings(context, website, _counted(derivations.each(days), len(days)))

        return derive

    return [build(row) for row in rows]


def _counted(outcomes: Iterator[MadeOrFailed], days: int) -> Iterator[MadeOrFailed]:
    progress = begin("days", days)
    for day, outcome in outcomes:
        progress.add(failed=isinstance(outcome, IgniteError))
        yield day, outcome


def _dependency(of: Input, window_days: int) -> dg.AssetDep:
    """The partitions that are read for a day: those of the same website, and of the days of the window."""
    longer = {"window": 0, "both_windows": 1, "nearest": 1}[of.days]
    return dg.AssetDep(of.asset, partition_mapping=trailing_mapping(window_days + longer))
