"""Tables and data frames of each kind that a user's asset returns or takes, as Arrow and back.

No library is imported to compare classes: that would cost every run up to half a second.
"""

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from ignite_assets.api.arrow import arrow_schema
from ignite_assets.api.table import Table
from ignite_assets.storage.lake import PARTITION_FIELDS, Selection, Stored

_STORED = (
    "pyarrow.Table, pyarrow.dataset.Dataset, pandas.DataFrame, polars.DataFrame, polars.LazyFrame and "
    "duckdb.DuckDBPyRelation"
)


def _kind(of: type) -> str:
    """The library and the name of a class: `polars.LazyFrame`."""
    return f"{of.__module__.partition('.')[0].lstrip('_')}.{of.__name__}"


def as_table(obj: object) -> pa.Table:
    """A value that an asset returned, as a table."""
    for kind in map(_kind, type(obj).__mro__):
        if kind in _TO_TABLE:
            table: pa.Table = _TO_TABLE[kind](obj)
            return table
    raise dg.DagsterInvariantViolationError(f"ParquetIOManager stores {_STORED}, not {type(obj).__name__}")


def _from_pandas(frame: Any) -> pa.Table:
    # Without pandas' own description of its columns, which would be wrong once some are dropped.
    return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()


_TO_TABLE: Mapping[str, Callable[[Any], pa.Table]] = {
    "pyarrow.Table": lambda table: table,
    "pyarrow.Dataset": lambda dataset: dataset.to_table(),
    "pandas.DataFrame": _from_pandas,
    "polars.DataFrame": lambda frame: frame.to_arrow(),
    "polars.LazyFrame": lambda frame: frame.collect().to_arrow(),
    "duckdb.DuckDBPyRelation": lambda relation: relation.to_arrow_table(),
}


def without_path(table: pa.Table, stored: Stored) -> pa.Table:
    """The table without the columns that its file's path holds."""
    return table.drop_columns([name for name in stored.in_path if name in table.schema.names])


def by_partition(obj: object, stored: Mapping[str, Stored]) -> dict[str, pa.Table]:
    """What an asset returned for several partitions, by their keys: a mapping of them, or rows that say which.

    Raises `DagsterInvariantViolationError` unless it is of these partitions, each of them and no other.
    """
    if isinstance(obj, Mapping):
        parts = {str(key): value for key, value in obj.items()}
        if parts.keys() != stored.keys():
            wrong = ", ".join(sorted(parts.keys() ^ stored.keys()))
            raise dg.DagsterInvariantViolationError(f"one table for each of the run's partitions is wanted: {wrong}")
        return {key: as_table(value) for key, value in parts.items()}
    table = as_table(obj)
    names = list(next(iter(stored.values())).in_path)
    if lacking := [name for name in names if name not in table.schema.names]:
        raise dg.DagsterInvariantViolationError(
            f"the run has several partitions: return a dict of tables by partition key, or rows with {lacking}"
        )
    parts = {key: table.filter(_rows_of(table, each)) for key, each in stored.items()}
    if (left := len(table) - sum(map(len, parts.values()))) != 0:
        raise dg.DagsterInvariantViolationError(f"{left:,} rows are of none of the run's partitions")
    return parts


def _rows_of(table: pa.Table, stored: Stored) -> pa.Array:
    """Which rows are of a file."""
    types = {field.name: field.type for field in PARTITION_FIELDS}
    mask = pa.scalar(True)
    for name, value in stored.in_path.items():
        mask = pc.and_(mask, pc.equal(pc.cast(table.column(name), types[name]), pa.scalar(value, types[name])))
    return pc.fill_null(mask, False)


def loaded(selection: Selection, wanted: object, table: Table | None) -> Any:
    """Partitions as an annotation asks for them; `table` tells the columns when there are no partitions.

    Raises `MissingPartitionError` when one isn't there.
    """
    kind = "pyarrow.Table" if wanted in (Any, object) else _kind(wanted) if isinstance(wanted, type) else str(wanted)
    if kind.endswith("Dataset"):
        kind = "pyarrow.Dataset"
    if kind not in _LOADERS:
        raise dg.DagsterInvariantViolationError(
            f"ParquetIOManager loads {_STORED}, or ignite_assets.storage.lake.Selection; the input is annotated "
            f"{getattr(wanted, '__name__', wanted)}"
        )
    if not selection.partitions:
        return _LOADERS[kind](_Nothing(table))
    return _LOADERS[kind](selection)


class _Nothing:
    """A selection without partitions."""

    def __init__(self, table: Table | None) -> None:
        self._schema = pa.schema([*(arrow_schema(table) if table else ()), *PARTITION_FIELDS])

    def table(self) -> pa.Table:
        return self._schema.empty_table()

    def dataset(self) -> Any:
        import pyarrow.dataset as pads

        return pads.dataset(self.table())


def _polars(selection: Any) -> Any:
    import polars as pl

    return pl.from_arrow(selection.table())


def _lazy(selection: Any) -> Any:
    import polars as pl

    return pl.scan_pyarrow_dataset(selection.dataset())


def _relation(selection: Any) -> Any:
    from ignite_assets.storage.duck import connect

    return connect().from_arrow(selection.dataset())


_LOADERS: Mapping[str, Callable[[Any], Any]] = {
    "pyarrow.Table": lambda selection: selection.table(),
    "pyarrow.Dataset": lambda selection: selection.dataset(),
    "pandas.DataFrame": lambda selection: selection.table().to_pandas(),
    "polars.DataFrame": _polars,
    "polars.LazyFrame": _lazy,
    "duckdb.DuckDBPyRelation": _relation,
}
