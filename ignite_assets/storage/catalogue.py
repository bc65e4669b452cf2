"""A DuckDB file of views over a local lake, for the DuckDB shell, DBeaver or a notebook. It holds no rows.

A view reads the files that are there when it is queried: later captures are in it. The view `ignite_assets_catalogue`
lists the views and the files that each reads; it tells such a file from any other.
"""

import tempfile
from pathlib import Path

from ignite_assets.api.errors import IgniteError
from ignite_assets.storage.contents import Contents
from ignite_assets.storage.duck import connect, literal, pattern, quoted, read_parquet, reads_itself, united
from ignite_assets.storage.lake import FILE_NAME
from ignite_assets.storage.sql import comments, declared

_LISTING = "ignite_assets_catalogue"


class CatalogueError(IgniteError):
    """A DuckDB file of views can't be made of this lake, or must not be written there."""


def save(contents: Contents, path: Path) -> list[str]:
    """Write a DuckDB file with a view for each asset, in place of an earlier one; the views' names.

    Raises `CatalogueError` for a lake that DuckDB can't read by itself, and for a file that is something else.
    """
    _check_lake(contents)
    _check_replaceable(path)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        made = Path(folder) / "lake.duckdb"
        names = _write(contents, made)
        made.replace(path)
    return names


def _check_lake(contents: Contents) -> None:
    store = contents.lake.store
    if not store.is_local:
        raise CatalogueError(
            f"views can be saved of a lake on a local path only: for {store.shown}, DuckDB would need its extension "
            "httpfs and your credentials; `ignite-assets sql` and `ignite_assets.lake().sql(…)` read it as it is"
        )
    if not reads_itself(store) or "\\" in store.path(""):
        raise CatalogueError(f"{store.path('')} holds website=, date= or a backslash, which DuckDB takes for its own")


def _write(contents: Contents, path: Path) -> list[str]:
    listed = []
    with connect(path) as connection:
        for asset in contents.names():
            files, table = contents.lake.files(asset), contents.tables.get(asset)
            schema = contents.schema(asset, files)
            found = f"{pattern(contents.lake.store.path(asset))}/website=*/date=*/{FILE_NAME}"
            sources = [read_parquet([found], union_by_name=True)] if files else []
            if not files and not table:
                continue
            rows = united([*sources, *declared(table)], schema.names)
            connection.execute(f"CREATE VIEW {quoted(asset)} AS {rows}")
            for comment in comments(asset, schema, table):
                connection.execute(comment)
            listed.append((asset, found))
        rows = ", ".join(f"({literal(asset)}, {literal(found)})" for asset, found in listed)
        connection.execute(f"CREATE VIEW {_LISTING} AS FROM (VALUES {rows}) AS listed(asset, files)")
    return [asset for asset, _ in listed]


def _check_replaceable(path: Path) -> None:
    """Raise `CatalogueError` unless there is no such file, or one that holds nothing but what `save` made."""
    import duckdb

    if path.with_name(f"{path.name}.wal").exists():
        raise CatalogueError(f"{path} is in use, or was not closed: {path.name}.wal stands beside it")
    if not path.exists():
        return
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            others = [name for (name,) in connection.execute(_OTHERS).fetchall()]
    except duckdb.Error:
        raise CatalogueError(f"{path} is in use, or no DuckDB file of views of a lake: it is left as it is") from None
    if others:
        raise CatalogueError(f"{path} holds more than views of a lake ({', '.join(others)}): it is left as it is")


_OTHERS = f"""
    SELECT table_name AS name FROM duckdb_tables() WHERE NOT internal
    UNION ALL SELECT view_name FROM duckdb_views() WHERE NOT internal
        AND view_name NOT IN (SELECT asset FROM {_LISTING} UNION ALL SELECT '{_LISTING}')
    UNION ALL SELECT function_name FROM duckdb_functions() WHERE NOT internal
    UNION ALL SELECT type_name FROM duckdb_types() WHERE NOT internal
    UNION ALL SELECT sequence_name FROM duckdb_sequences()
    UNION ALL SELECT schema_name FROM duckdb_schemas() WHERE NOT internal
    ORDER BY name
"""  # noqa: S608 - our own name
