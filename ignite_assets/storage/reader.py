"""The lake, for those who read it: tables, data frames, datasets and SQL. Needs no secret, and writes nothing."""

import datetime as dt
import importlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from ignite_assets.api.errors import IgniteError, SelectionError
from ignite_assets.api.names import is_asset_name, is_website_key
from ignite_assets.api.table import Table
from ignite_assets.storage.contents import Contents
from ignite_assets.storage.lake import PARTITION_FIELDS, Files, Lake
from ignite_assets.storage.selecting import Dates, Websites, choose, span, unknown

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow.dataset as pads

    from ignite_assets.storage.sql import Session

_NAMED_WEBSITES = 8


class LakeReader:
    """A lake, to read.

    `website` is one key, several, or None for all. `dates` is one date, a range `first:last` of which either end may
    be left out, several dates, or None for all. A range takes the days that there are; a date that is named has to be
    there, for each website that is named. What isn't there is a `SelectionError` that says what is.
    """

    def __init__(self, lake: Lake, tables: tuple[Table, ...]) -> None:
        self._contents = Contents(lake, tables)

    def assets(self) -> list[str]:
        """The assets of which anything has been captured."""
        return list(self._contents.captured())

    def websites(self, asset: str | None = None) -> list[str]:
        """The websites of an asset, or of any; sorted."""
        found = [self._files(asset)] if asset else self._contents.captured().values()
        return sorted({partition.website for files in found for partition in files})

    def dates(self, asset: str, website: Websites = None) -> list[dt.date]:
        """The dates of an asset, sorted: those that any of the websites has."""
        return sorted({partition.date for partition in self._chosen(asset, website, None)})

    def read(
        self, asset: str, *, website: Websites = None, dates: Dates = None, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """The rows as a table, sorted by website and date, which are its last columns whatever `columns` says."""
        files = self._chosen(asset, website, dates)
        dataset = self._contents.dataset(asset, files)
        table: pa.Table = dataset.to_table(columns=_projected(asset, dataset.schema.names, columns))
        return table

    def pandas(
        self, asset: str, *, website: Websites = None, dates: Dates = None, columns: Sequence[str] | None = None
    ) -> "pd.DataFrame":
        """The same as a pandas data frame. Raises `ImportError` when pandas is not installed."""
        _require("pandas")
        frame: pd.DataFrame = self.read(asset, website=website, dates=dates, columns=columns).to_pandas()
        return frame

    def polars(
        self, asset: str, *, website: Websites = None, dates: Dates = None, columns: Sequence[str] | None = None
    ) -> "pl.DataFrame":
        """The same as a Polars data frame. Raises `ImportError` when Polars is not installed."""
        _require("polars")
        import polars as pl

        frame = pl.from_arrow(self.read(asset, website=website, dates=dates, columns=columns))
        return frame if isinstance(frame, pl.DataFrame) else frame.to_frame()

    def dataset(self, asset: str, *, website: Websites = None, dates: Dates = None) -> "pads.Dataset":
        """The rows as a dataset, which reads them when it is scanned: for more than fits in memory."""
        files = self._chosen(asset, website, dates)
        return self._contents.lake.scanned(dict.fromkeys(files), self._contents.schema(asset, files))

    def sql(self, query: str) -> "duckdb.DuckDBPyRelation | None":
        """Run SQL in DuckDB, where each asset is a view with `website` and `date` columns.

        Returns a relation (`.df()`, `.pl()`, `.arrow()`, `.fetchall()`) of the last statement, None when it has no
        rows. A data frame in a variable of the caller's is a table of that name. A SELECT's rows are read at once, each
        partition in one version; a relation made from the answer reads again. Raises `duckdb.Error`, and
        `ChangedError` when partitions were replaced each time that the query was tried.
        """
        from ignite_assets.storage.sql import kept

        relation = None
        for statement in self.session.statements(query):
            relation = self.session.answer(statement, kept)
        return relation

    @cached_property
    def session(self) -> "Session":
        """The DuckDB session of `sql`."""
        from ignite_assets.storage.sql import Session

        return Session(self._contents)

    def save_views(self, path: str | Path) -> list[str]:
        """Write a DuckDB file with a view for each asset, for other programs; the views' names.

        It replaces a file that was written in this way. Raises `CatalogueError` for any other file, and for a lake
        that is not on a local path.
        """
        from ignite_assets.storage import catalogue

        return catalogue.save(self._contents, Path(path))

    @property
    def location(self) -> str:
        """Where the lake is: a path, or a URL without its query."""
        return self._contents.lake.store.shown

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever stored in it."""
        return not self._contents.lake.folders()

    def __repr__(self) -> str:
        try:
            held = self._contents.captured()
        except (OSError, IgniteError) as error:
            return f"<lake at {self.location}, which can't be read: {type(error).__name__}>"
        partitions = [partition for files in held.values() for partition in files]
        if not partitions:
            return f"<lake at {self.location}, empty>"
        keys = sorted({partition.website for partition in partitions})
        websites = ", ".join(keys) if len(keys) <= _NAMED_WEBSITES else f"{len(keys)} websites"
        lines = [f"{name:{max(map(len, held))}}  {span(list(files))}" for name, files in held.items()]
        return "\n  ".join([f"<lake at {self.location} of {websites}:", *lines]) + ">"

    def _files(self, asset: str, websites: Sequence[str] | None = None) -> Files:
        """The asset's files, of some websites or all; an asset without any is an error."""
        lake = self._contents.lake
        # Both become parts of a path.
        if not is_asset_name(asset):
            files = {}
        elif websites and all(is_website_key(str(each)) for each in websites):
            each = lake.store.each(lambda website: lake.files(asset, website), websites)
            files = dict(sorted((pair for found in each for pair in found.items()), key=lambda pair: pair[0]))
        else:
            files = lake.files(asset)
        if not files and not websites:
            held = self._contents.captured()
            raise unknown(
                f"{self.location} has no asset", asset, list(held), lambda name: f"{name} ({span(list(held[name]))})"
            )
        return files

    def _chosen(self, asset: str, website: Websites, dates: Dates) -> Files:
        """The files that are meant. Where one of the websites has none, all are listed, to say what there is."""
        wanted = [website] if isinstance(website, str) else website if website is None else list(website)
        files = self._files(asset, wanted)
        if wanted and {partition.website for partition in files} != set(wanted):
            files = self._files(asset)
        return {partition: files[partition] for partition in choose(asset, list(files), wanted, dates)}


def _require(library: str) -> None:
    """Raise `ImportError` when a data frame library is not installed: the package itself needs none."""
    try:
        importlib.import_module(library)
    except ImportError:
        raise ImportError(f"{library} is not installed: pip install {library}; .read and .sql work without") from None


def _projected(asset: str, known: Sequence[str], columns: Sequence[str] | None) -> list[str] | None:
    """The columns to read. Raises `SelectionError` for one that none of the files has."""
    if columns is None:
        return None
    if isinstance(columns, str):
        raise SelectionError(f"columns: a list of names is wanted, such as [{columns!r}]")
    for name in columns:
        if name not in known:
            raise unknown(f"{asset} has no column", name, known)
    in_path = [field.name for field in PARTITION_FIELDS]
    return [*(name for name in columns if name not in in_path), *in_path]
