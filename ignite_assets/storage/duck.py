"""DuckDB over files of any store: how it is started, how names are escaped, how files become views."""

import contextlib
import mmap
import re
import signal
import tempfile
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from ignite_assets.api.errors import IgniteError
from ignite_assets.api.table import ColumnType
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.storage.store import Listed, Store

if TYPE_CHECKING:
    import duckdb
    import pyarrow.dataset as pads

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

IN_PATH = {"website": "VARCHAR", "date": "DATE"}
"""DuckDB's types of the columns that a partition's path holds."""

MEMORY_MIB = 512
"""What DuckDB may use before it spills: with Python and Arrow beside it, an export stays within 1 GiB."""

_BATCH_ROWS = 1 << 14
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_THREADS_MIB = 160
"""The address space of DuckDB's threads, beside the memory that it may use."""


class AddressSpaceError(IgniteError):
    """The process may not have the address space that DuckDB needs."""


def connect(
    database: Path | str = ":memory:", *, memory_mib: int | None = None, **settings: int | str
) -> "duckdb.DuckDBPyConnection":
    """Open DuckDB, its times in UTC, without the progress bar that it prints into the output of slow queries.

    Raises `AddressSpaceError` where the process is too small for it.
    """
    import duckdb

    _check_room(memory_mib or MEMORY_MIB)
    limit = {"memory_limit": f"{memory_mib}MiB"} if memory_mib else {}
    connection = duckdb.connect(str(database), config={**limit, **settings})
    connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    return connection


def _check_room(memory_mib: int) -> None:
    """Reserve the address space that DuckDB may come to need, and give it back.

    Where a thread of DuckDB's meets the limit of `ulimit -v`, the process ends with SIGSEGV or SIGABRT.
    """
    mib = memory_mib + _THREADS_MIB
    try:
        mmap.mmap(-1, mib << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ).close()
    except OSError as error:
        raise AddressSpaceError(
            f"DuckDB needs {mib} MiB more address space than this process has in use, and its limit leaves less "
            f"({error.strerror}): raise the limit of `ulimit -v`, or of the service that runs it"
        ) from None


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


def pattern(path: str) -> str:
    """A path as DuckDB's readers take it, which read some characters as a pattern's."""
    return re.sub(r"[*?\[]", r"[\g<0>]", path)


def read_parquet(paths: Sequence[str], *, in_path: bool = True, union_by_name: bool = False) -> str:
    """SQL for the rows of files of these patterns; `in_path`: with the columns `website` and `date`."""
    types = ", ".join(f"{name}: {kind}" for name, kind in IN_PATH.items())
    options = f"hive_partitioning = true, hive_types = {{{types}}}" if in_path else "hive_partitioning = false"
    listed = ", ".join(map(literal, paths))
    return f"FROM read_parquet([{listed}], {options}, union_by_name = {union_by_name})"


def no_rows(columns: Mapping[str, str]) -> str:
    """SQL for no rows of these columns (SQL types by name)."""
    typed = ", ".join(f"NULL::{kind} AS {quoted(name)}" for name, kind in columns.items())
    return f"SELECT {typed} WHERE false"


def united(sources: Sequence[str], columns: Sequence[str]) -> str:
    """SQL for these columns of the rows of all sources, NULL where a source lacks one."""
    rows = " UNION ALL BY NAME ".join(f"({source})" for source in sources)
    return f"SELECT {', '.join(map(quoted, columns))} FROM ({rows})"  # noqa: S608 - quoted


def reads_itself(store: Store) -> bool:
    """Whether DuckDB needs no help of Arrow's: the files are local, and the root's own path names no partition."""
    return store.is_local and not any(f"/{name}=" in f"{store.path('')}/" for name in IN_PATH)


class Workspace:
    """SQL over Parquet files. Use it as a context manager; its folder is gone afterwards."""

    def __init__(self, *, memory_mib: int = MEMORY_MIB, threads: int = 2, folder: Path | None = None) -> None:
        """Make the session; `folder`: where large temporary files may stand, the system's own unless given."""
        self._folder = tempfile.TemporaryDirectory(prefix="ignite-", dir=folder)
        self.folder = Path(self._folder.name)
        spilled = str(self.folder / "spilled")
        try:
            self._session = connect(memory_mib=memory_mib, threads=threads, temp_directory=spilled)
        except BaseException:
            self._folder.cleanup()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        self._session.close()
        self._folder.cleanup()
        if interrupt := error and _interrupt_of(error):
            raise interrupt from None

    def view(self, name: str, files: Sequence[str], columns: Mapping[str, str]) -> None:
        """Name the rows of Parquet files of the folder; without files, no rows of these columns (SQL types by name)."""
        paths = [pattern(str(self.folder / file)) for file in files]
        self.name(name, read_parquet(paths, in_path=False) if files else no_rows(columns))

    def view_files(self, name: str, lake: Lake, files: Listed, columns: Mapping[str, str]) -> None:
        """Name the rows of files of a lake that are no partitions, by name, as they were listed; all have the columns.

        Without files, no rows of these columns (SQL types by name). Raises `ArrowInvalid` for a file without a column,
        which Arrow would read as NULL.
        """

        def dataset() -> "pads.Dataset":
            found = lake.scanned(files)
            schemas = lake.store.each(lambda fragment: fragment.physical_schema, found.get_fragments())
            for file, schema in zip(files, schemas, strict=True):
                if missing := set(columns).difference(schema.names):
                    raise pa.ArrowInvalid(f"{file} has no column {min(missing)}")
            return found

        self.name(name, self._rows(name, lake, files, columns, dataset))

    def view_partitions(
        self, name: str, lake: Lake, partitions: Collection[Partition], columns: Mapping[str, str]
    ) -> None:
        """Name these columns (SQL types by name) of the rows of some partitions of an asset, and each row's `date`."""
        self.name(name, self.partitions(name, lake, partitions, columns))

    def partitions(self, name: str, lake: Lake, partitions: Collection[Partition], columns: Mapping[str, str]) -> str:
        """SQL for the same rows; `name` tells what it reads from what other SQL does.

        Partitions with their files from a listing (`Files`) are read as they were listed; others are listed.
        """

        def dataset() -> "pads.Dataset":
            return lake.scanned(partitions if isinstance(partitions, Mapping) else lake.listed(partitions))

        wanted = {**columns, "date": IN_PATH["date"]}
        rows = self._rows(name, lake, [each.file for each in partitions], wanted, dataset, in_path=True)
        return f"SELECT {', '.join(map(quoted, wanted))} FROM ({rows})"  # noqa: S608 - quoted

    def _rows(
        self,
        name: str,
        lake: Lake,
        files: Iterable[str],
        columns: Mapping[str, str],
        dataset: "Callable[[], pads.Dataset]",
        *,
        in_path: bool = False,
    ) -> str:
        """SQL for the rows of files, those of a dataset under a name of its own."""
        paths = [pattern(lake.store.path(file)) for file in files]
        if not paths:
            return no_rows(columns)
        if reads_itself(lake.store):
            return read_parquet(paths, in_path=in_path)
        scanned = f"dataset_of_{name}"
        self._session.register(scanned, dataset())
        return f"FROM {quoted(scanned)}"

    def table(self, name: str, sql: str, values: Mapping[str, object] | None = None) -> None:
        """Keep the rows of a query in memory, spilled when they don't fit; it finds values by `getvariable(…)`."""
        self._bind(values or {})
        with raising_interrupts(self._session):
            self._session.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}")

    def name(self, name: str, sql: str) -> None:
        """Name the rows of a query."""
        self._session.execute(f"CREATE OR REPLACE TEMP VIEW {quoted(name)} AS {sql}")

    def write(self, name: str, sql: str, values: Mapping[str, object]) -> Path:
        """Write a query's rows to a Parquet file in the folder; the query finds values by `getvariable(…)`."""
        self._bind(values)
        path = self.folder / f"{name}.parquet"
        with raising_interrupts(self._session):
            self._session.sql(sql).write_parquet(str(path), compression="zstd")
        return path

    def stream(self, name: str) -> Iterator[pa.RecordBatch]:
        """The rows of a table, in its order."""
        yield from self._session.table(name).to_arrow_reader(_BATCH_ROWS)

    def batches(self, path: Path) -> Iterator[pa.RecordBatch]:
        """The rows of a Parquet file of the folder, in its order."""
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(_BATCH_ROWS)

    def one(self, sql: str, **values: object) -> dict[str, Any]:
        """The only row of a query, by column."""
        return self.rows(sql, **values)[0]

    def rows(self, sql: str, **values: object) -> list[dict[str, Any]]:
        """The rows of a query, by column; few enough for memory. The query finds values by `getvariable(…)`."""
        self._bind(values)
        with raising_interrupts(self._session):
            answer = self._session.execute(sql)
            names = [column[0] for column in answer.description or ()]
            return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

    def _bind(self, values: Mapping[str, object]) -> None:
        for name, value in values.items():
            self._session.execute(f"SET VARIABLE {name} = ?", [value])


@contextlib.contextmanager
def raising_interrupts(session: "duckdb.DuckDBPyConnection | None" = None) -> Iterator[None]:
    """Raise what a signal raised during a query, which DuckDB makes a `RuntimeError` of; else `KeyboardInterrupt`.

    The query of `session`, where it is known, ends at once.
    """
    try:
        with _stopping_at_signals(session) if session else contextlib.nullcontext():
            yield
    except RuntimeError as error:
        if interrupt := _interrupt_of(error):
            raise interrupt from None
        raise


def _interrupt_of(error: BaseException) -> BaseException | None:
    """What a signal's handler raised in DuckDB, of the `RuntimeError` that came of it; None for any other error."""
    if not isinstance(error, RuntimeError) or "interrupted" not in str(error).lower():
        return None
    told = error.__cause__ or error.__context__  # the handler's own, when DuckDB kept it
    return told if told and not isinstance(told, Exception) else KeyboardInterrupt()


@contextlib.contextmanager
def _stopping_at_signals(session: "duckdb.DuckDBPyConnection") -> Iterator[None]:
    """Stop the query when a signal's handler raises: DuckDB waits for its threads, which would go on to their end."""
    if threading.current_thread() is not threading.main_thread():  # handlers run in the main thread alone
        yield
        return

    def stopping(number: int, frame: FrameType | None) -> None:
        try:
            handlers[signal.Signals(number)](number, frame)
        except BaseException:
            session.interrupt()
            raise

    found = {number: signal.getsignal(number) for number in _ENDING}
    handlers = {number: handler for number, handler in found.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, stopping)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


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
