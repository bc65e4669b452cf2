"""Where and how assets' values are stored: one Parquet file a partition, in the lake. Nothing else.

Stores the captures of our own assets, and tables and data frames of yours. Loads by the annotation of the input,
never by the number of partitions: `pyarrow.Table`, `pandas.DataFrame`, `pyarrow.dataset.Dataset` or `Selection`, each
with `website` and `date` columns, one partition or many.
"""

import contextlib
import tempfile
from collections.abc import Generator
from typing import Any, Self

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, PrivateAttr

from ignite_assets.api.errors import MissingPartitionError
from ignite_assets.dagster.failures import failure, input_failure
from ignite_assets.dagster.landing import Landings
from ignite_assets.dagster.metadata import place
from ignite_assets.dagster.partitions import lake_partitions, partition_key
from ignite_assets.dagster.private import held_open
from ignite_assets.storage.lake import PARTITION_FIELDS, Lake, Partition, Selection, StorageError
from ignite_assets.tables.progress import lines, showing

IO_MANAGER = "ignite_lake"
"""The resource's name. Not Dagster's default one, so that it stands beside the IO manager of another project."""

_MEMORY_BYTES = 1 << 25


class ParquetIOManager(dg.ConfigurableIOManager):
    """Stores partitions as `<root>/<asset>/website=<website>/date=<date>/part-0.parquet`, each replaced atomically."""

    root: str = Field(description="The lake: a path, or a URL that pyarrow.fs knows (s3://).")
    _lake: Lake | None = PrivateAttr(default=None)

    @property
    def lake(self) -> Lake:
        """The lake at the root."""
        if self._lake is None:
            self._lake = Lake(self.root)
        return self._lake

    @contextlib.contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[Self]:
        """For a run or a step: what it records costs less meanwhile."""
        with contextlib.ExitStack() as files:
            if context.instance and context.run:
                files.enter_context(held_open(context.instance, context.run.run_id))
            yield files.enter_context(super().yield_for_execution(context))

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Commit each partition of the output as it comes."""
        if isinstance(obj, Landings):
            with showing(lines(context.log.info)):
                for landing in obj:
                    landing.store(self.lake)
            return
        self._store_table(context, _as_table(obj))

    def _store_table(self, context: dg.OutputContext, table: pa.Table) -> None:
        partition, *more = self._partitions(context)
        if more:
            raise dg.DagsterInvariantViolationError(
                "a table is one partition, and this run has several: launch the asset with one partition a run"
            )
        with tempfile.SpooledTemporaryFile(_MEMORY_BYTES) as file:
            pq.write_table(table, file, compression="zstd")
            size = file.tell()
            try:
                location = self.lake.commit(partition, file)
            except StorageError as error:
                raise failure({partition_key(partition.date, partition.website): error}) from None
        context.add_output_metadata({"dagster/row_count": len(table), "bytes": size, "path": place(location)})

    def load_input(self, context: dg.InputContext) -> Any:
        """The input's partitions, as its annotation asks for them."""
        selection = Selection(self.lake, self._partitions(context))
        wanted = context.dagster_type.typing_type
        if wanted is Selection:
            return selection
        try:
            return _load(selection, wanted)
        except MissingPartitionError as error:
            raise input_failure(error) from None

    def _partitions(self, context: dg.OutputContext | dg.InputContext) -> tuple[Partition, ...]:
        if len(context.asset_key.path) != 1 or not context.has_asset_partitions:
            raise dg.DagsterInvariantViolationError(
                f"ParquetIOManager stores assets with a one-part key and (date, website) partitions; "
                f"{context.asset_key.to_user_string()} is not one"
            )
        return lake_partitions(context.asset_key.path[0], context.asset_partition_keys)


def _load(selection: Selection, wanted: object) -> Any:
    if wanted is pa.Table:
        return selection.table()
    module, name = getattr(wanted, "__module__", ""), getattr(wanted, "__name__", str(wanted))
    # By name: importing pandas or pyarrow.dataset to compare classes would cost every run 0.2 s.
    if name == "DataFrame" and module.startswith("pandas"):
        return selection.table().to_pandas()
    if name.endswith("Dataset") and module.startswith("pyarrow"):
        return selection.dataset()
    if wanted in (Any, object):
        return selection.table()
    raise dg.DagsterInvariantViolationError(
        f"ParquetIOManager loads pyarrow.Table, pandas.DataFrame, pyarrow.dataset.Dataset or "
        f"ignite_assets.storage.lake.Selection; the input is annotated {name}"
    )


def _as_table(obj: object) -> pa.Table:
    """The value as a table without the columns that its path holds."""
    if hasattr(obj, "to_table"):
        obj = obj.to_table()
    elif any(kind.__module__.startswith("pandas") and kind.__name__ == "DataFrame" for kind in type(obj).__mro__):
        # Without pandas' own description of its columns, which would be wrong once some are dropped.
        obj = pa.Table.from_pandas(obj, preserve_index=False).replace_schema_metadata()
    if not isinstance(obj, pa.Table):
        raise dg.DagsterInvariantViolationError(
            "ParquetIOManager stores pyarrow.Table, pyarrow.dataset.Dataset and pandas.DataFrame, "
            f"not {type(obj).__name__}"
        )
    in_path = [field.name for field in PARTITION_FIELDS if field.name in obj.schema.names]
    return obj.drop_columns(in_path)
