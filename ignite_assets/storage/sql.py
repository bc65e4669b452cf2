"""SQL over the lake: a DuckDB session with a view for each asset, its columns commented.

A view is made when a query names it. On a local path DuckDB reads the files itself: the view is made of a listing and,
once a file, its footer, and is made again when the asset's files changed. Elsewhere DuckDB reads through Arrow, which
knows the store. There the view of an asset that is declared needs no request: it has the columns that are declared,
and a scan lists what the query's filter leaves (`pruned`). Where that doesn't do, such as for a column that only the
files know, the footers are read and the query runs again. Either way a filter on `website` or `date` decides which
files are opened.

A view can't be written to, so SQL can't harm the lake through one.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from ignite_assets.api.errors import IgniteError, SelectionError
from ignite_assets.api.table import Table
from ignite_assets.storage.contents import Contents
from ignite_assets.storage.duck import (
    IN_PATH,
    SQL_TYPES,
    connect,
    literal,
    no_rows,
    pattern,
    quoted,
    read_parquet,
    reads_itself,
    united,
)
from ignite_assets.storage.lake import Files, Version, version

if TYPE_CHECKING:
    import duckdb

    from ignite_assets.storage.pruned import Pruned

_Found = TypeVar("_Found")
_CATALOGUE = ("duckdb_", "information_schema", "pg_", "sqlite_master", "query")
"""Words of queries that may look at tables they don't name."""
_MOST_TRIES = 20
IN_PATH_DESCRIPTIONS = {
    "website": "The website's key.",
    "date": "The look-back date that the rows are the answer for.",
}


class ChangedError(IgniteError):
    """Partitions were replaced while a query read them, as often as it was tried."""

    retryable = True


class Session:
    """A DuckDB connection over a lake. What it makes besides the views, such as temporary tables, stays in it."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._made: dict[str, frozenset[Version]] = {}
        """The versions of the files that a view was made of."""
        self._pruned: dict[str, Pruned] = {}
        """What the views of declared columns read."""
        self._named: list[str] = []
        """The assets that the last statement may read."""
        self.connection = connect()
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
        except duckdb.BinderException:
            if not self._look_into_files():
                raise
            return self.connection.sql(statement)

    def answer(
        self, statement: "duckdb.Statement", read: "Callable[[duckdb.DuckDBPyRelation], _Found]"
    ) -> "_Found | None":
        """Run one statement as `run` does; what `read` makes of its rows, each partition's in one version.

        DuckDB opens a file more than once: to plan, to read, and again for a second mention of the asset. So a SELECT
        during which a partition was replaced runs again, and `read` begins again. Raises `ChangedError` when that
        never stops.
        """
        import duckdb

        if statement.type != duckdb.StatementType.SELECT:
            return self._read(statement, read)
        for _ in range(_MOST_TRIES):
            try:
                found = self._read(statement, read)
            except (duckdb.Error, pa.ArrowException, OSError):
                if self._is_current():
                    raise
                continue
            if self._is_current():
                return found
        raise ChangedError("partitions were replaced each time that the query read them: run it again later")

    def _read(
        self, statement: "duckdb.Statement", read: "Callable[[duckdb.DuckDBPyRelation], _Found]"
    ) -> "_Found | None":
        for pruned in self._pruned.values():
            pruned.forget()
        relation = self.run(statement)
        return None if relation is None else read(relation)

    def _is_current(self) -> bool:
        """Whether the files of the views that the last statement may have read are what they were; more may be."""
        return all(self._is_asset_current(asset) for asset in self._named)

    def _is_asset_current(self, asset: str) -> bool:
        if pruned := self._pruned.get(asset):
            return pruned.is_current()
        made = self._made.get(asset, frozenset())
        return made <= {version(info) for info in self._contents.lake.files(asset).values()}

    def _look_into_files(self) -> bool:
        """Make the last statement's views of the columns that the files have; whether any was not."""
        declared = [asset for asset in self._named if self._pruned.pop(asset, None)]
        for asset in declared:
            self._make_of_files(asset)
        return bool(declared)

    def make_all(self) -> None:
        """Make every asset's view, but for those whose files have no columns in common."""
        self._named = self._contents.names()
        for name in self._named:
            try:
                self.make(name)
            except SelectionError:
                continue

    def make(self, asset: str) -> None:
        """Make an asset's view, unless it stands and reads the asset's files as they are."""
        schema = self._contents.declared(asset)
        if schema is None or reads_itself(self._contents.lake.store) or asset in self._made:
            self._make_of_files(asset)
        elif asset not in self._pruned:
            from ignite_assets.storage.pruned import Pruned  # it imports pandas

            self._pruned[asset] = Pruned(self._contents.lake, asset, schema)
            self._view(asset, self.connection.from_arrow(self._pruned[asset]), schema)

    def _make_of_files(self, asset: str) -> None:
        files = self._contents.lake.files(asset)
        state = frozenset(version(info) for info in files.values())
        if self._made.get(asset) == state or not (files or asset in self._contents.tables):
            return
        self._create(asset, files)
        self._made[asset] = state

    def _make_views(self, statement: str) -> None:
        text = statement.lower()
        named = [name for name in self._contents.names() if name.lower() in text]
        if not named or any(word in text for word in _CATALOGUE):
            self.make_all()
        else:
            self._named = named
        for name in named:
            self.make(name)

    def _create(self, asset: str, files: Files) -> None:
        schema = self._contents.schema(asset, files)
        groups = self._contents.groups(files)
        if files and not (groups and reads_itself(self._contents.lake.store)):
            rows = self.connection.from_arrow(self._contents.dataset(asset, files))
        else:
            sources = [read_parquet([*map(pattern, paths)]) for _, paths in groups]
            without_files = declared(self._contents.tables.get(asset))
            rows = self.connection.sql(united([*sources, *without_files], schema.names))
        self._view(asset, rows, schema)

    def _view(self, asset: str, rows: "duckdb.DuckDBPyRelation", schema: pa.Schema) -> None:
        rows.create_view(asset)
        for comment in comments(asset, schema, self._contents.tables.get(asset)):
            self.connection.execute(comment)


def kept(relation: "duckdb.DuckDBPyRelation") -> "duckdb.DuckDBPyRelation":
    """The relation with its rows read. DuckDB 2 makes another relation of them, DuckDB 1 keeps them in this one."""
    if materialize := getattr(relation, "materialize", None):
        found: duckdb.DuckDBPyRelation = materialize()
        return found
    relation.execute()  # type: ignore[operator]  # typed as DuckDB 2 has it
    return relation


def declared(table: Table | None) -> list[str]:
    """SQL for no rows of the columns that are declared, so that they are there when no file has them."""
    if table is None:
        return []
    return [no_rows({column.name: SQL_TYPES[column.type] for column in table.all_columns} | IN_PATH)]


def comments(asset: str, schema: pa.Schema, table: Table | None) -> Iterator[str]:
    """SQL that says what is declared of the asset and its columns; of others what their files say."""
    if table:
        yield f"COMMENT ON VIEW {quoted(asset)} IS {literal(table.description)}"
    for field in schema:
        if said := _described(field):
            yield f"COMMENT ON COLUMN {quoted(asset)}.{quoted(field.name)} IS {literal(said)}"


def _described(field: pa.Field) -> str:
    """What is known of a column; empty when nothing is."""
    return IN_PATH_DESCRIPTIONS.get(field.name) or (field.metadata or {}).get(b"description", b"").decode()
