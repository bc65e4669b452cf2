"""What a lake holds: its assets, each one's files, and the columns that these have together.

The tables of endpoints and of derived assets say which assets there may be and what their columns are called; assets
that others stored beside them are found as folders of the same layout. Files of one asset need not have the same
columns, since a later version of the package may know more: `schema` unites them by name.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.fs as pafs

from ignite_assets.api.arrow import arrow_schema
from ignite_assets.api.errors import IgniteError, SelectionError
from ignite_assets.api.table import Table
from ignite_assets.storage.lake import PARTITION_FIELDS, Files, Lake, Partition, Version, columns, version

if TYPE_CHECKING:
    import pyarrow.dataset as pads

SchemaGroup = tuple[pa.Schema, list[str]]
"""Paths of files that have the same columns."""

_IN_PATH = tuple(field.name for field in PARTITION_FIELDS)


class Contents:
    """A lake's assets and files, as they are when asked for; only the columns of a file's version are remembered."""

    def __init__(self, lake: Lake, tables: tuple[Table, ...]) -> None:
        self.lake = lake
        self.tables = {table.name: table for table in tables}
        self._schemas: dict[Version, pa.Schema | None] = {}

    def names(self) -> list[str]:
        """What assets there may be: the tables' in their order, then the lake's other folders."""
        return list(dict.fromkeys([*self.tables, *self.lake.folders()]))

    def captured(self) -> dict[str, Files]:
        """The assets that have a partition, with their files."""
        found = {name: self.lake.files(name) for name in self.names()}
        return {name: files for name, files in found.items() if files}

    def declared(self, asset: str) -> pa.Schema | None:
        """The columns that are declared of an asset, `website` and `date` last; None where nothing is."""
        table = self.tables.get(asset)
        return pa.schema([*arrow_schema(table), *PARTITION_FIELDS]) if table else None

    def schema(self, asset: str, files: Files) -> pa.Schema:
        """The columns of some of an asset's files together: those that are declared first, `website` and `date` last.

        Raises `SelectionError` when one column has two kinds of values that have nothing in common.
        """
        known = [arrow_schema(self.tables[asset])] if asset in self.tables else []
        schemas = [*known, *(schema for schema, _ in self.groups(files))]
        try:
            united = pa.unify_schemas(schemas, promote_options="permissive") if schemas else pa.schema([])
        except pa.ArrowException as error:
            raise SelectionError(f"the files of {asset} have no columns in common: {error}") from None
        return pa.schema([*(field for field in united if field.name not in _IN_PATH), *PARTITION_FIELDS])

    def groups(self, files: Files) -> list[SchemaGroup]:
        """The files by their columns, the largest group first; those that can't be read are its last.

        So a damaged file fails the queries that touch it, and no others.
        """
        groups: dict[tuple[tuple[str, pa.DataType], ...], SchemaGroup] = {}
        unreadable = []
        for info, schema in zip(files.values(), self._footers(files), strict=True):
            if schema is None:
                unreadable.append(info.path)
            else:
                key = tuple((field.name, field.type) for field in schema)
                groups.setdefault(key, (schema, []))[1].append(info.path)
        ordered = sorted(groups.values(), key=lambda group: -len(group[1]))
        if ordered:
            ordered[0][1].extend(unreadable)
        return ordered

    def dataset(self, asset: str, files: Files) -> "pads.Dataset":
        """Some of an asset's files, as they were listed, as a dataset with `website` and `date` columns."""
        return self.lake.scanned(files, self.schema(asset, files))

    def _footers(self, files: Files) -> Iterator[pa.Schema | None]:
        """The columns of each file; None where they can't be read."""
        keys = {version(info): partition for partition, info in files.items()}
        new = [key for key in keys if key not in self._schemas]
        wanted = [keys[key] for key in new]
        read = self.lake.store.each(lambda partition: self._footer(partition, files[partition]), wanted)
        self._schemas.update(zip(new, read, strict=True))
        return (self._schemas[key] for key in keys)

    def _footer(self, partition: Partition, info: pafs.FileInfo) -> pa.Schema | None:
        try:
            return columns(self.lake.metadata(partition, info))
        except (OSError, IgniteError, pa.ArrowException):
            return None
