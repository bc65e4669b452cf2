"""SQL over the lake: a DuckDB session with a view for each asset, its columns commented.

A view is made when a query names it, and made again when the asset's files changed: making one takes a listing and,
once a file, its footer, which on an object store is not free. On a local path DuckDB reads the files itself; elsewhere
it reads them through Arrow, which knows the store. Either way a filter on `website` or `date` decides which files are
opened.

A view can't be written to, so SQL can't harm the lake through one.
"""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from ignite_assets.api.errors import IgniteError, SelectionError
from ignite_assets.api.table import Table
from ignite_assets.storage.contents import Contents, Files, version
from ignite_assets.storage.duck import SQL_TYPES

if TYPE_CHECKING:
    import duckdb
    import pyarrow.fs as pafs

_IN_PATH = {"website": "VARCHAR", "date": "DATE"}
_CATALOGUE = ("duckdb_", "information_schema", "pg_", "sqlite_master", "query")
"""Words of queries that may look at tables they don't name."""
_UNREADABLE_AS_PATTERN = frozenset("*?[]{}=")
"""In a root, what DuckDB would take for a pattern or for a partition."""


_MOST_TRIES = 20


class ChangedError(IgniteError):
    """Partitions were replaced while a query read them, as often as it was tried."""

    retryable = True


class Session:
    """A DuckDB connection over a lake. What it makes besides the views, such as temporary tables, stays in it."""

    def __init__(self, contents: Contents) -> None:
        import duckdb

        self._contents = contents
        self._made: dict[str, frozenset[tuple[object, ...]]] = {}
        self._named: list[str] = []
        """The assets that the last statement may read."""
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'")
        # A data frame of the caller's can be joined by the name of its variable.
        self.connection.execute("SET python_scan_all_frames = true")

    def statements(self, query: str) -> "list[duckdb.Statement]":
        """The statements of a query. Raises `duckdb.Error` for what can't be parsed."""
        return self.connection.extract_statements(query)

    def run(self, statement: "duckdb.Statement") -> "duckdb.DuckDBPyRelation | None":
        """Run one statement; None when it has no rows. Raises `duckdb.Error` with DuckDB's own message."""
        import duckdb

        self._make_views(statement.query)
        try:
            return self.connection.sql(statement)
        except duckdb.CatalogException:
            # There may be such an asset, named in a way that was not seen, or one to suggest.
            self.make_all()
            return self.connection.sql(statement)

    def answer(self, statement: "duckdb.Statement") -> "duckdb.DuckDBPyRelation | None":
        """Run one statement as `run` does; a SELECT's rows are read at once, each partition in one version.

        DuckDB opens a file more than once: to plan, to read, and again for a second mention of the asset. So a SELECT
        during which a partition was replaced runs again. Raises `ChangedError` when that never stops.
        """
        import duckdb

        if statement.type != duckdb.StatementType.SELECT:
            return self.run(statement)
        for _ in range(_MOST_TRIES):
            try:
                relation = _kept(self.run(statement))
            except duckdb.Error:
                if self._is_current():
                    raise
                continue
            if self._is_current():
                return relation
        raise ChangedError("partitions were replaced each time that the query read them: run it again later")

    def _is_current(self) -> bool:
        """Whether the files of the views that the last statement may have read are what they were; more may be."""
        for asset in self._named:
            now = {version(info) for info in self._contents.files(asset).values()}
            if not self._made.get(asset, frozenset()) <= now:
                return False
        return True

    def make_all(self) -> None:
        """Make every asset's view, but for those whose files have no columns in common."""
        self._named = self._contents.names()
        for name in self._named:
            try:
                self.make(name)
            except SelectionError:
                continue

    def make(self, asset: str) -> None:
        """Make an asset's view, unless it stands and the asset's files are the same."""
        files = self._contents.files(asset)
        table = self._contents.tables.get(asset)
        state = frozenset(version(info) for info in files.values())
        if self._made.get(asset) == state or not (files or table):
            return
        self._create(asset, files, table)
        self._made[asset] = state

    def columns(self, asset: str) -> list[tuple[str, str, str | None]]:
        """An asset's columns: their names, types and comments. Empty when there is no such asset."""
        self.make(asset)
        found = self.connection.execute(
            "SELECT column_name, data_type, comment FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index",
            [asset],
        )
        return found.fetchall()

    def comment(self, asset: str) -> str | None:
        """What is said of an asset."""
        table = self._contents.tables.get(asset)
        return table.description if table else None

    def _make_views(self, statement: str) -> None:
        text = statement.lower()
        named = [name for name in self._contents.names() if name.lower() in text]
        if not named or any(word in text for word in _CATALOGUE):
            self.make_all()
        else:
            self._named = named
        for name in named:
            self.make(name)

    def _create(self, asset: str, files: Files, table: Table | None) -> None:
        schema = self._contents.schema(asset, files.values())
        if files and not self._can_read_itself(files.values()):
            self.connection.from_arrow(self._contents.dataset(asset, files)).create_view(asset, replace=True)
        else:
            self.connection.execute(self._view(asset, files.values(), schema, table))
        for comment in _comments(asset, schema, table):
            self.connection.execute(comment)

    def _can_read_itself(self, infos: "Collection[pafs.FileInfo]") -> bool:
        """Whether DuckDB needs no help of Arrow's. It learns the columns from the first file, which has to be whole."""
        local = self._contents.lake.store.is_local and not _UNREADABLE_AS_PATTERN & set(self._contents.lake.root)
        return local and bool(self._contents.groups(infos))

    def _view(self, asset: str, infos: "Collection[pafs.FileInfo]", schema: pa.Schema, table: Table | None) -> str:
        groups = self._contents.groups(infos)
        met = {name for group, _ in groups for name in group.names}
        sources = [_read_parquet(paths) for _, paths in groups]
        if table and not {column.name for column in table.all_columns} <= met:
            sources.append(_no_rows(table))
        columns = ", ".join(map(_quoted, schema.names))
        rows = " UNION ALL BY NAME ".join(sources)
        return f"CREATE OR REPLACE VIEW {_quoted(asset)} AS SELECT {columns} FROM ({rows})"  # noqa: S608 - quoted


def _kept(relation: "duckdb.DuckDBPyRelation | None") -> "duckdb.DuckDBPyRelation | None":
    """The relation with its rows read. DuckDB 2 makes another relation of them, DuckDB 1 keeps them in this one."""
    if relation is None:
        return None
    if materialize := getattr(relation, "materialize", None):
        kept: duckdb.DuckDBPyRelation = materialize()
        return kept
    relation.execute()  # type: ignore[operator]  # typed as DuckDB 2 has it
    return relation


def _read_parquet(paths: list[str]) -> str:
    files = ", ".join(map(_literal, paths))
    types = ", ".join(f"{name}: {kind}" for name, kind in _IN_PATH.items())
    read = f"read_parquet([{files}], hive_partitioning = true, hive_types = {{{types}}})"
    return f"(SELECT * FROM {read})"  # noqa: S608 - quoted


def _no_rows(table: Table) -> str:
    """The columns that are declared, so that they are there when no file has them."""
    types = {column.name: SQL_TYPES[column.type] for column in table.all_columns} | _IN_PATH
    typed = ", ".join(f"NULL::{kind} AS {_quoted(name)}" for name, kind in types.items())
    return f"(SELECT {typed} WHERE false)"


def _comments(asset: str, schema: pa.Schema, table: Table | None) -> Iterator[str]:
    """What is declared of the asset and its columns; of others what their files say."""
    if table:
        yield f"COMMENT ON VIEW {_quoted(asset)} IS {_literal(table.description)}"
    for field in schema:
        if said := described(field):
            yield f"COMMENT ON COLUMN {_quoted(asset)}.{_quoted(field.name)} IS {_literal(said)}"


def described(field: pa.Field) -> str:
    """What is known of a column; empty when nothing is."""
    in_path = {"website": "The website's key.", "date": "The look-back date that the rows are the answer for."}
    return in_path.get(field.name) or (field.metadata or {}).get(b"description", b"").decode()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
