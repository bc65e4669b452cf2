"""A DuckDB session with bounded memory, over files of any store, and a folder for what it makes on the way."""

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from ignite_assets.api.table import ColumnType
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.storage.store import Store

SQL_TYPES: Mapping[ColumnType, str] = {
    "string": "VARCHAR",
    "url": "VARCHAR",
    "json": "VARCHAR",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "float64": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMPTZ",
    "list<string>": "VARCHAR[]",
}
"""DuckDB's types of the columns of assets."""

MEMORY_MIB = 512
"""What DuckDB may use before it spills: with Python and Arrow beside it, an export stays within 1 GiB."""

_BATCH_ROWS = 1 << 14
_DATE_OF_FILE = r"regexp_extract(filename, '/date=([0-9-]{10})/[^/]*$', 1)::DATE"


class Workspace:
    """SQL over Parquet files. Use it as a context manager; its folder is gone afterwards."""

    def __init__(self, *, memory_mib: int = MEMORY_MIB, threads: int = 2, folder: Path | None = None) -> None:
        """Make the session; `folder`: where large temporary files may stand, the system's own unless given."""
        import duckdb

        self._folder = tempfile.TemporaryDirectory(prefix="ignite-", dir=folder)
        self.folder = Path(self._folder.name)
        self._session = duckdb.connect(
            config={
                "memory_limit": f"{memory_mib}MiB",
                "threads": threads,
                "temp_directory": str(self.folder / "spilled"),
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._session.close()
        self._folder.cleanup()

    def view(self, name: str, store: Store, files: Sequence[str], columns: Mapping[str, str]) -> None:
        """Name the rows of some Parquet files; without files, no rows of these columns (SQL types by name)."""
        if not files:
            self._view_nothing(name, columns)
        elif store.is_local:
            rows = self._session.read_parquet([_literal(store.path(file)) for file in files], hive_partitioning=False)
            rows.create_view(name, replace=True)
        else:
            import pyarrow.dataset as pads  # it imports pandas

            paths = [store.path(file) for file in files]
            self._session.register(name, pads.dataset(paths, filesystem=store.filesystem, format="parquet"))

    def view_partitions(
        self, name: str, lake: Lake, partitions: Sequence[Partition], columns: Mapping[str, str]
    ) -> None:
        """Name these columns (SQL types by name) of the rows of some partitions of an asset, and each row's `date`."""
        wanted = ", ".join(columns)
        if not partitions:
            self._view_nothing(name, {**columns, "date": "DATE"})
            return
        if lake.store.is_local:
            paths = [_literal(lake.location(partition)) for partition in partitions]
            rows = self._session.read_parquet(paths, hive_partitioning=False, filename=True)
            rows.create_view(f"{name}_files", replace=True)
            wanted += f", {_DATE_OF_FILE} AS date"
        else:
            self._session.register(f"{name}_files", lake.dataset(partitions))
            wanted += ", date"
        self._session.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT {wanted} FROM {name}_files")  # noqa: S608 - our own names

    def _view_nothing(self, name: str, columns: Mapping[str, str]) -> None:
        empty = ", ".join(f"NULL::{kind} AS {column}" for column, kind in columns.items())
        self._session.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT {empty} WHERE false")

    def table(self, name: str, sql: str) -> None:
        """Keep the rows of a query in memory, spilled when they don't fit."""
        self._session.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}")

    def write(self, name: str, sql: str, values: Mapping[str, object]) -> Path:
        """Write a query's rows to a Parquet file in the folder; the query finds values by `getvariable(…)`."""
        self._bind(values)
        path = self.folder / f"{name}.parquet"
        self._session.sql(sql).write_parquet(str(path), compression="zstd")
        return path

    def batches(self, path: Path) -> Iterator[pa.RecordBatch]:
        """The rows of a Parquet file of the folder, in its order."""
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(_BATCH_ROWS)

    def one(self, sql: str) -> dict[str, Any]:
        """The only row of a query, by column."""
        return self.rows(sql)[0]

    def rows(self, sql: str, values: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        """The rows of a query, by column; few enough for memory. The query finds values by `getvariable(…)`."""
        self._bind(values or {})
        answer = self._session.execute(sql)
        names = [column[0] for column in answer.description or ()]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

    def _bind(self, values: Mapping[str, object]) -> None:
        for name, value in values.items():
            self._session.execute(f"SET VARIABLE {name} = ?", [value])


def _literal(path: str) -> str:
    """A path as DuckDB reads it, which takes some characters for those of a pattern."""
    return re.sub(r"[*?\[]", r"[\g<0>]", path)


def strings(path: Path, column: str, where: str) -> Iterator[str]:
    """The text in one column of a Parquet file, in its order, where another column is true; batch by batch."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=[column, where]):
            yield from batch.column(column).filter(batch.column(where)).to_pylist()


def told(error: Exception) -> str:
    """What may be said of a failure of DuckDB, Arrow or a file system: its class, and its text unless that quotes rows.

    A value that can't be converted, for one, is quoted.
    """
    import duckdb

    of_files_and_names = (OSError, duckdb.IOException, duckdb.OutOfMemoryException, duckdb.BinderException)
    name = type(error).__name__
    return f"{name}: {error}" if isinstance(error, of_files_and_names) else name
