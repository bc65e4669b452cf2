"""The lake: where partitions live in a store, and how they are read back. Imports no Dagster.

Layout: `<root>/<asset>/website=<website>/date=<YYYY-MM-DD>/part-0.parquet`, which DuckDB, Polars, pandas, Spark and
Athena read as it is; `website` and `date` stand in the path alone.

A partition is one file, committed by the store: a reader sees the old file or the new one. `staging` makes the file.
"""

import contextlib
import datetime as dt
import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from ignite_assets.api.arrow import constant
from ignite_assets.api.errors import ConfigurationError, IgniteError, MissingPartitionError
from ignite_assets.api.names import MISFITS, is_asset_name, is_website_key
from ignite_assets.storage.fragments import MOST_KEPT, Fragments
from ignite_assets.storage.store import Store

if TYPE_CHECKING:
    import pyarrow.dataset as pads

FILE_NAME = "part-0.parquet"
_SMALLEST_BYTES = 12
"""Of a Parquet file: its marks and the length of its footer."""
_IN_PATH = re.compile(rf"/website=(?P<website>[^/]+)/date=(?P<date>\d{{4}}-\d\d-\d\d)/{re.escape(FILE_NAME)}$")
PARTITION_FIELDS = (
    pa.field("website", pa.string(), nullable=False),
    pa.field("date", pa.date32(), nullable=False),
)
"""The columns that a partition's path holds, as its readers get them."""
_FIELDS = {field.name: field for field in PARTITION_FIELDS}


class StorageError(IgniteError):
    """A partition could not be stored; its version before is untouched."""

    retryable = True


@dataclass(frozen=True, order=True)
class Partition:
    """One (asset, website, date). Raises `ConfigurationError` for a name that could leave its folder."""

    asset: str
    website: str
    date: dt.date

    def __post_init__(self) -> None:
        """Refuse names that mean something else to some file system."""
        if not is_asset_name(self.asset):
            raise ConfigurationError("lake", [f"{self.asset!a} can't name an asset's folder"])
        if not is_website_key(self.website):
            raise ConfigurationError("lake", [f"{self.website!a} can't name a website's folder"])

    @property
    def folder(self) -> str:
        """Its folder below the lake's root."""
        return f"{self.asset}/website={self.website}/date={self.date.isoformat()}"

    @property
    def file(self) -> str:
        """Its file below the lake's root."""
        return f"{self.folder}/{FILE_NAME}"

    @property
    def misfits(self) -> str:
        """The file below the lake's root that holds its misfits, where it has any."""
        return f"{MISFITS}/{self.folder}.json"

    @property
    def in_path(self) -> dict[str, str | dt.date]:
        """What its path holds of its rows."""
        return {"website": self.website, "date": self.date}

    def __str__(self) -> str:
        return f"{self.asset} {self.date}|{self.website}"


@dataclass(frozen=True, order=True)
class OwnFile:
    """A file of a user's own asset: of a date over all websites, or of all dates."""

    asset: str
    date: dt.date | None = None

    def __post_init__(self) -> None:
        """Refuse names that mean something else to some file system."""
        if not is_asset_name(self.asset):
            raise ConfigurationError("lake", [f"{self.asset!a} can't name an asset's folder"])

    @property
    def file(self) -> str:
        """Its file below the lake's root."""
        return "/".join([self.asset, *(f"{name}={value}" for name, value in self.in_path.items()), FILE_NAME])

    @property
    def in_path(self) -> dict[str, str | dt.date]:
        """What its path holds of its rows."""
        return {"date": self.date} if self.date else {}

    def __str__(self) -> str:
        return f"{self.asset} {self.date}" if self.date else self.asset


Stored = Partition | OwnFile
"""What one file of the lake holds."""
Files = dict[Partition, pafs.FileInfo]
Version = tuple[object, ...]
"""Tells one version of a file from another."""


@dataclass(frozen=True)
class Selection:
    """Partitions of a lake that are read when somebody asks for their rows."""

    lake: "Lake"
    partitions: tuple[Stored, ...]

    def table(self, columns: list[str] | None = None) -> pa.Table:
        """All of them as one table, with `website` and `date` columns."""
        return self.lake.read(self.partitions, columns)

    def dataset(self) -> "pads.Dataset":
        """All of them as a dataset, with `website` and `date` columns."""
        return self.lake.dataset(self.partitions)

    def of(self, day: dt.date) -> "Selection":
        """Those of one date."""
        return Selection(self.lake, tuple(p for p in self.partitions if p.date == day))

    def of_website(self, website: str) -> "Selection":
        """Those of one website."""
        kept = (p for p in self.partitions if isinstance(p, Partition) and p.website == website)
        return Selection(self.lake, tuple(kept))


class Lake:
    """Partitions in a store: a tree on a local path or any file system that `pyarrow.fs` knows (`s3://…`)."""

    def __init__(self, root: str) -> None:
        self.store = Store(root)
        self.root = self.store.root
        self._fragments = Fragments(self.store)

    def __repr__(self) -> str:
        return f"Lake({self.store.shown!r})"

    def location(self, partition: Stored) -> str:
        """Where the partition's file is, as a user writes it: a path, or a URL without the query of the root's."""
        return self.store.location(partition.file)

    def commit(self, partition: Stored, finished: IO[bytes], misfits: bytes | None = None) -> str:
        """Make a finished Parquet file the partition's one version; returns its location.

        `misfits`, the records that can't be rows, are kept beside the assets and replaced with the partition: stored
        before it, or removed after it when there are none. None leaves them alone.
        Raises `StorageError` when it can't be stored. A failure at any moment leaves the version before.
        """
        try:
            if misfits and isinstance(partition, Partition):
                self.store.put(partition.misfits, misfits)
                self._with_misfits.add(partition.asset)
            self.store.put(partition.file, finished)
            if misfits == b"" and isinstance(partition, Partition) and self._may_have_misfits(partition.asset):
                self.store.delete(partition.misfits)
        except OSError as error:
            raise StorageError(
                f"{self.location(partition)} can't be stored: {error}",
                gist=f"can't be stored: {error.strerror or error}",
            ) from error
        return self.location(partition)

    def _may_have_misfits(self, asset: str) -> bool:
        """Whether to look for a partition's; an object store, which is slow to ask, is asked once for all assets."""
        return self.store.is_local or asset in self._with_misfits

    @functools.cached_property
    def _with_misfits(self) -> set[str]:
        return {info.base_name for info in self.store.infos(MISFITS, recursive=False)}

    def exists(self, partition: Stored) -> bool:
        """Whether the partition has been captured."""
        return self.store.exists(partition.file)

    def missing(self, wanted: Iterable[Stored]) -> list[Stored]:
        """Those that aren't there, in the order given."""
        return [stored for stored, info in self._found(wanted).items() if info is None]

    def _found(self, wanted: Iterable[Stored]) -> dict[Stored, pafs.FileInfo | None]:
        """Each with its file, None where there is none. Lists each website once rather than ask for each file."""
        some = list(wanted)
        folders = {each.file.rpartition("/date=" if each.in_path else "/")[0] for each in some}
        there = {info.path: info for folder in folders for info in self.store.infos(folder) if info.is_file}
        return {each: there.get(self.store.path(each.file)) for each in some}

    def websites(self, asset: str) -> list[str]:
        """The websites that have a folder of an asset, sorted; none of their partitions is looked at."""
        names = (info.base_name for info in self.store.infos(asset, recursive=False))
        found = (name.removeprefix("website=") for name in names if name.startswith("website="))
        return sorted(filter(is_website_key, found))

    def size(self, partition: Partition) -> int:
        """Bytes of the partition's file."""
        return int(self.store.filesystem.get_file_info(self.store.path(partition.file)).size)

    def folders(self) -> list[str]:
        """The folders of the root that can be assets', sorted; whether any holds a partition is not looked at."""
        infos = self.store.infos(recursive=False)
        return sorted(i.base_name for i in infos if i.type == pafs.FileType.Directory and is_asset_name(i.base_name))

    def files(self, asset: str, website: str | None = None) -> Files:
        """The partitions of an asset that exist, of one website or all, sorted by both, each with its file.

        A file that was cut to nothing is no partition.
        """
        folder = asset if website is None else f"{asset}/website={website}"
        infos = (info for info in self.store.infos(folder) if (info.size or 0) >= _SMALLEST_BYTES)
        found = ((_partition(asset, info.path), info) for info in infos)
        return dict(sorted(((partition, info) for partition, info in found if partition), key=lambda each: each[0]))

    def files_of(self, asset: str, website: str, days: Iterable[dt.date]) -> dict[dt.date, pafs.FileInfo]:
        """The files of a website's partitions of some days that exist, by day, in the order given.

        Asks a local path for each, which is quicker than to list a long history; an object store is listed.
        """
        if not self.store.is_local:
            there = {partition.date: info for partition, info in self.files(asset, website).items()}
            return {day: there[day] for day in days if day in there}
        some = list(days)
        folder = self.store.path(f"{asset}/website={website}")
        infos = self.store.filesystem.get_file_info([f"{folder}/date={day}/{FILE_NAME}" for day in some])
        return {day: info for day, info in zip(some, infos, strict=True) if (info.size or 0) >= _SMALLEST_BYTES}

    def listed_once(self) -> "Lake":
        """The same lake for one piece of work: each file is as it was when it was first asked for."""
        return _ListedOnce(self)

    def partitions(self, asset: str) -> list[Partition]:
        """The partitions of an asset that exist, sorted by website and date."""
        return list(self.files(asset))

    def dates(self, asset: str, website: str) -> list[dt.date]:
        """The dates of an asset's partitions of a website, in order."""
        return [partition.date for partition in self.files(asset, website)]

    def footer(self, partition: Partition, info: pafs.FileInfo | None = None) -> dict[str, str]:
        """What the partition's file says of itself (`staging.Stage.finish`), without reading its rows."""
        return told(self.metadata(partition, info))

    def metadata(self, partition: Partition, info: pafs.FileInfo | None = None) -> pq.FileMetaData:
        """The end of the partition's file: its columns and what it says of itself (`columns`, `told`).

        `info`, from a listing, saves an object store the question for the file's size, and reading it a second time.
        """
        if info and not self.store.is_local:
            with contextlib.suppress(OSError, pa.ArrowException):  # replaced since it was listed
                return self._fragments.of(partition.file, info, partition.in_path).metadata
        with self._open(partition) as file:
            return pq.ParquetFile(file).metadata

    def read(self, partitions: Iterable[Stored], columns: list[str] | None = None) -> pa.Table:
        """The partitions as one table, with `website` and `date` columns, in the order given.

        Those with their files from a listing (`Files`) are read as they were listed. Raises `MissingPartitionError`
        naming the first that has not been captured.
        """
        # Promoted, since a later version of the package may know more columns.
        infos = partitions if isinstance(partitions, Mapping) else {}
        tables = [self._table(partition, columns, infos.get(partition)) for partition in partitions]
        return pa.concat_tables(tables, promote_options="default")

    def dataset(self, partitions: Iterable[Stored]) -> "pads.Dataset":
        """The partitions as a dataset, read when it is scanned, with `website` and `date` columns.

        Raises `MissingPartitionError` naming the first that has not been captured.
        """
        return self.scanned(dict.fromkeys(self.listed(partitions)))

    def listed(self, partitions: Iterable[Stored]) -> dict[Stored, pafs.FileInfo]:
        """The partitions with their files.

        Raises `MissingPartitionError` naming the first that has not been captured.
        """
        found = {}
        for stored, info in self._found(partitions).items():
            if info is None:
                raise not_captured(stored)
            found[stored] = info
        return found

    def scanned(self, files: Mapping[Any, pafs.FileInfo | None], schema: pa.Schema | None = None) -> "pads.Dataset":
        """Partitions (`Stored`), or other files by name, that are there, as a dataset in a schema or that of the first.

        With its file from a listing, an object store isn't asked for a size, and a small file is read at once: a scan
        soon after, which fails where a large one was replaced since. None: each scan asks.
        """
        import pyarrow.dataset as pads

        fragments = self.store.each(lambda each: self._fragment(each, files[each], few=len(files) <= MOST_KEPT), files)
        if schema is None:
            fields = [*fragments[0].physical_schema.remove_metadata()] if fragments else []
            schema = pa.schema([*fields, *_fields(files)])
        return pads.FileSystemDataset(fragments, schema, pads.ParquetFileFormat(), self.store.filesystem)

    def _fragment(self, of: Stored | str, info: pafs.FileInfo | None, *, few: bool) -> "pads.ParquetFileFragment":
        name, in_path = (of, {}) if isinstance(of, str) else (of.file, of.in_path)
        if info is None or self.store.is_local:
            return self._fragments.unread(name, in_path)
        return self._fragments.of(name, info, in_path) if few else self._fragments.unread(name, in_path, info.size)

    def _table(self, partition: Stored, columns: list[str] | None, info: pafs.FileInfo | None) -> pa.Table:
        with self._open(partition, info) as file:
            table = pq.ParquetFile(file).read(columns=columns)
        for name, value in partition.in_path.items():
            table = table.append_column(_FIELDS[name], _repeated(value, len(table)))
        return table

    def _open(self, partition: Stored, info: pafs.FileInfo | None = None) -> pa.NativeFile:
        try:
            if info and not self.store.is_local:
                return self._fragments.of(partition.file, info, partition.in_path).open()
            return self.store.open(partition.file)
        except FileNotFoundError:
            raise not_captured(partition) from None


class _ListedOnce(Lake):
    def __init__(self, lake: Lake) -> None:
        vars(self).update(vars(lake))
        self._files = functools.cache(lake.files)
        self._seen: dict[tuple[str, str], dict[dt.date, pafs.FileInfo | None]] = {}

    def files(self, asset: str, website: str | None = None) -> Files:
        return self._files(asset, website)

    def files_of(self, asset: str, website: str, days: Iterable[dt.date]) -> dict[dt.date, pafs.FileInfo]:
        if not self.store.is_local:
            return super().files_of(asset, website, days)
        some, seen = list(days), self._seen.setdefault((asset, website), {})
        if unseen := [day for day in some if day not in seen]:
            seen.update(dict.fromkeys(unseen))
            seen.update(super().files_of(asset, website, unseen))
        return {day: info for day in some if (info := seen.get(day))}


def told(metadata: pq.FileMetaData) -> dict[str, str]:
    """What a partition's file says of itself."""
    raw = metadata.metadata or {}
    return {k.decode(): v.decode() for k, v in raw.items() if k.startswith(b"ignite.")}


def columns(metadata: pq.FileMetaData) -> pa.Schema:
    """The columns of a file."""
    return metadata.schema.to_arrow_schema().remove_metadata()


def version(info: pafs.FileInfo) -> Version:
    """The version of a file that was listed."""
    return (info.path, info.mtime_ns, info.size)


def _repeated(value: str | dt.date, times: int) -> pa.Array:
    """A value of a partition's path as a column."""
    if isinstance(value, dt.date):
        return constant(pa.int32(), (value - dt.date(1970, 1, 1)).days, times).view(pa.date32())
    return constant(pa.string(), value, times)


def _fields(wanted: Iterable[Stored | str]) -> list[pa.Field]:
    """The columns that the paths of some files of an asset hold."""
    first = next(iter(wanted), None)
    if isinstance(first, str):
        return []
    return [field for field in PARTITION_FIELDS if first is None or field.name in first.in_path]


def _partition(asset: str, path: str) -> Partition | None:
    """The partition whose file has this path; None for one that isn't the lake's."""
    found = _IN_PATH.search(path)
    if not found or not is_website_key(found["website"]):
        return None
    try:
        return Partition(asset, found["website"], dt.date.fromisoformat(found["date"]))
    except ValueError:  # a folder such as date=2026-02-30
        return None


def not_captured(partition: Stored) -> MissingPartitionError:
    """What is raised for a partition that isn't there."""
    return MissingPartitionError(
        f"{partition} has not been captured: materialize it first", gist=f"{partition.asset} has not been captured"
    )
