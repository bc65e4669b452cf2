"""One asset for each row of the table of derived assets: computed with DuckDB from captures, asking nobody anything."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence

import dagster as dg

from ignite_assets.api.errors import IgniteError
from ignite_assets.api.table import Table
from ignite_assets.config import Settings
from ignite_assets.dagster.checks.evaluations import Evaluator
from ignite_assets.dagster.io_manager import IO_MANAGER, lake_of
from ignite_assets.dagster.landing import LandedOrFailed, Landings
from ignite_assets.dagster.partitions import DERIVED, by_website, partitions_of
from ignite_assets.dagster.specs import Specs
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.derived.derivation import Derivations
from ignite_assets.tables.derived.row import Derived
from ignite_assets.tables.progress import begin


def build_derived(
    rows: Sequence[Derived],
    settings: Settings,
    specs: Specs,
    *,
    tables: Sequence[Table],
    now: Callable[[], dt.datetime],
    retry_policy: dg.RetryPolicy | None = None,
) -> list[dg.AssetsDefinition]:
    """The assets of the rows; `tables` are those that they read."""
    io_manager = settings.dagster.named(IO_MANAGER)

    def build(row: Derived) -> dg.AssetsDefinition:
        evaluator = Evaluator(row, settings, specs.keys)

        def outcomes(lake: Lake, due: Sequence[Partition]) -> Iterator[LandedOrFailed]:
            progress = begin("days", len(due))
            for website, days in by_website(due).items():
                derivations = Derivations(
                    lake,
                    row,
                    website,
                    window_days=settings.derived.window_days,
                    first_day=settings.partitions.start_date,
                    tables=tables,
                    now=now,
                )
                for day, outcome in derivations.each(days):
                    progress.add(failed=isinstance(outcome, IgniteError))
                    yield Partition(row.name, website, day), outcome

        @specs.asset(
            row.name,
            required_resource_keys={io_manager},
            io_manager_key=io_manager,
            backfill_policy=DERIVED,
        )
        def derive(context: dg.AssetExecutionContext) -> Iterator[dg.Output[Landings]]:
            due = [Partition(row.name, website, day) for day, website in partitions_of(context, settings.websites)]
            landings = Landings(
                context,
                outcomes(lake_of(context, settings), due),
                evaluator,
                retry_policy=retry_policy,
            )
            yield from landings.recorded()

        return derive

    return [build(row) for row in rows]
