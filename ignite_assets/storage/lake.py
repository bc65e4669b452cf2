"""The lake: where partitions live, how one is committed, how they are read back. Imports no Dagster.

Layout: `<root>/<asset>/website=<website>/date=<YYYY-MM-DD>/part-0.parquet`, which DuckDB, Polars, pandas, Spark and
Athena read as it is; `website` and `date` stand in the path alone.

Commit: a partition is one file, and a reader sees the old one or the new one. On a local path the new file is
written beside the old under a hidden name, synced and renamed. On an object store it is one upload of a finished
buffer, which the store shows when it is complete. What is being written is `staging`'s business.
"""

import datetime as dt
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from ignite_assets.api.arrow import constant
from ignite_assets.api.errors import ConfigurationError, IgniteError, MissingPartitionError
from ignite_assets.api.names import is_asset_name, is_website_key

if TYPE_CHECKING:
    import pyarrow.dataset as pads

FILE_NAME = "part-0.parquet"
_TEMPORARY = f".{FILE_NAME}."
_COPY_BYTES = 1 << 20
_IN_PATH = re.compile(rf"/website=(?P<website>[^/]+)/date=(?P<date>\d{{4}}-\d\d-\d\d)/{re.escape(FILE_NAME)}$")
PARTITION_FIELDS = (
    pa.field("website", pa.string(), nullable=False),
    pa.field("date", pa.date32(), nullable=False),
)
"""The columns that a partition's path holds, as its readers get them."""


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

    def __str__(self) -> str:
        return f"{self.asset} {self.date}|{self.website}"


@dataclass(frozen=True)
class Selection:
    """Partitions of a lake that are read when somebody asks for their rows."""

    lake: "Lake"
    partitions: tuple[Partition, ...]

    def table(self, columns: list[str] | None = None) -> pa.Table:
        """All of them as one table, with `website` and `date` columns."""
        return self.lake.read(self.partitions, columns)

    def dataset(self) -> "pads.Dataset":
        """All of them as a dataset, with `website` and `date` columns."""
        return self.lake.dataset(self.partitions)

    def of(self, day: dt.date) -> "Selection":
        """Those of one date."""
        return Selection(self.lake, tuple(p for p in self.partitions if p.date == day))


def shown_root(root: str) -> str:
    """The lake's root as a user writes it: a path, or a URL without its query, which may hold credentials."""
    return root.partition("?")[0].rstrip("/") if "://" in root else root.rstrip("/")


class Lake:
    """A tree of partitions on a local path or any file system that `pyarrow.fs` knows (`s3://…`, `gs://…`)."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self._fs, self._base = _resolve(self.root)
        self._shown = shown_root(root)
        self.is_local = isinstance(self._fs, pafs.LocalFileSystem)

    def __repr__(self) -> str:
        return f"Lake({self.root!r})"

    @property
    def filesystem(self) -> pafs.FileSystem:
        """The file system that the paths of `files` are paths of."""
        return self._fs

    @property
    def shown(self) -> str:
        """The root as it may be shown: a path, or a URL without its query."""
        return self._shown

    def location(self, partition: Partition) -> str:
        """Where the partition's file is, as a user writes it: a path, or a URL without the query of the root's."""
        return f"{self._shown}/{partition.file}"

    def commit(self, partition: Partition, finished: IO[bytes]) -> str:
        """Make a finished Parquet file the partition's one version; returns its location.

        Raises `StorageError` when it can't be stored. A failure at any moment leaves the version before.
        """
        finished.seek(0)
        folder = f"{self._base}/{partition.folder}"
        try:
            if self.is_local:
                _replace_locally(Path(folder), finished)
            else:
                _upload(self._fs, f"{folder}/{FILE_NAME}", finished.read())
        except OSError as error:
            raise StorageError(f"{self.location(partition)} can't be stored: {error}") from error
        return self.location(partition)

    def exists(self, partition: Partition) -> bool:
        """Whether the partition has been captured."""
        info = self._fs.get_file_info(f"{self._base}/{partition.file}")
        return bool(info.type == pafs.FileType.File)

    def size(self, partition: Partition) -> int:
        """Bytes of the partition's file."""
        return int(self._fs.get_file_info(f"{self._base}/{partition.file}").size)

    def folders(self) -> list[str]:
        """The folders of the root that can be assets', sorted; whether any holds a partition is not looked at."""
        infos = self._fs.get_file_info(pafs.FileSelector(self._base, allow_not_found=True))
        return sorted(i.base_name for i in infos if i.type == pafs.FileType.Directory and is_asset_name(i.base_name))

    def files(self, asset: str, website: str | None = None) -> dict[Partition, pafs.FileInfo]:
        """The partitions of an asset that exist, of one website or all, sorted by both, each with its file."""
        folder = f"{self._base}/{asset}" if website is None else f"{self._base}/{asset}/website={website}"
        selector = pafs.FileSelector(folder, recursive=True, allow_not_found=True)
        found = ((_partition(asset, info.path), info) for info in self._fs.get_file_info(selector))
        return dict(sorted(((partition, info) for partition, info in found if partition), key=lambda each: each[0]))

    def partitions(self, asset: str) -> list[Partition]:
        """The partitions of an asset that exist, sorted by website and date."""
        return list(self.files(asset))

    def dates(self, asset: str, website: str) -> list[dt.date]:
        """The dates of an asset's partitions of a website, in order."""
        return [partition.date for partition in self.files(asset, website)]

    def footer(self, partition: Partition) -> dict[str, str]:
        """What the partition's file says of itself (`staging.Stage.finish`), without reading its rows."""
        with self._open(partition) as file:
            raw = pq.ParquetFile(file).metadata.metadata or {}
        return {k.decode(): v.decode() for k, v in raw.items() if k.startswith(b"ignite.")}

    def schema(self, partition: Partition) -> pa.Schema:
        """The columns of the partition's file, without reading its rows."""
        with self._open(partition) as file:
            return pq.ParquetFile(file).schema_arrow.remove_metadata()

    def read(self, partitions: Iterable[Partition], columns: list[str] | None = None) -> pa.Table:
        """The partitions as one table, with `website` and `date` columns, in the order given.

        Raises `MissingPartitionError` naming the first that has not been captured.
        """
        # Promoted, since a later version of the package may know more columns.
        return pa.concat_tables(
            [self._table(partition, columns) for partition in partitions], promote_options="default"
        )

    def dataset(self, partitions: Iterable[Partition]) -> "pads.Dataset":
        """The partitions as a dataset, read when it is scanned, with `website` and `date` columns.

        Raises `MissingPartitionError` naming the first that has not been captured.
        """
        wanted = list(partitions)
        for partition in wanted:
            if not self.exists(partition):
                raise not_captured(partition)
        return self.scanned(wanted)

    def scanned(self, wanted: Sequence[Partition], schema: pa.Schema | None = None) -> "pads.Dataset":
        """As `dataset`, of partitions that are known to be there; in a schema, or that of the first."""
        import pyarrow.dataset as pads  # it imports pandas

        return pads.dataset(
            [f"{self._base}/{partition.file}" for partition in wanted],
            schema=schema,
            filesystem=self._fs,
            format="parquet",
            partitioning=pads.partitioning(pa.schema(PARTITION_FIELDS), flavor="hive"),
            partition_base_dir=f"{self._base}/{wanted[0].asset}" if wanted else None,
        )

    def _table(self, partition: Partition, columns: list[str] | None) -> pa.Table:
        with self._open(partition) as file:
            table = pq.ParquetFile(file).read(columns=columns)
        website, date = PARTITION_FIELDS
        days = (partition.date - dt.date(1970, 1, 1)).days
        table = table.append_column(website, constant(website.type, partition.website, len(table)))
        return table.append_column(date, constant(pa.int32(), days, len(table)).view(date.type))

    def _open(self, partition: Partition) -> pa.NativeFile:
        try:
            return self._fs.open_input_file(f"{self._base}/{partition.file}")
        except FileNotFoundError:
            raise not_captured(partition) from None

    def check_access(self) -> None:
        """Raise `OSError` when the lake's root can't be reached, or locally not be written to. Writes nothing."""
        if not self.is_local:
            bucket = self._base.partition("/")[0]
            if self._fs.get_file_info(bucket).type == pafs.FileType.NotFound:
                raise FileNotFoundError(f"there is no bucket {bucket}, or none that these credentials may see")
            return
        nearest = next(p for p in (Path(self._base), *Path(self._base).parents) if p.exists())
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise PermissionError(f"no permission to write in {nearest}")


def _partition(asset: str, path: str) -> Partition | None:
    """The partition whose file has this path; None for one that isn't the lake's."""
    found = _IN_PATH.search(path)
    day = _date(found["date"]) if found and is_website_key(found["website"]) else None
    return Partition(asset, found["website"], day) if found and day else None


def _date(text: str) -> dt.date | None:
    """The date of a folder's name; None for one that isn't the lake's."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def not_captured(partition: Partition) -> MissingPartitionError:
    """What is raised for a partition that isn't there."""
    return MissingPartitionError(f"{partition} has not been captured: materialize it first")


def _resolve(root: str) -> tuple[pafs.FileSystem, str]:
    if "://" not in root:
        return pafs.LocalFileSystem(), str(Path(root).absolute())
    filesystem, base = pafs.FileSystem.from_uri(_in_one_put(root))
    return filesystem, base.rstrip("/")


def _in_one_put(root: str) -> str:
    """An S3 URL with Arrow told to send files of up to 10 MB as a single PUT, rather than as parts."""
    if not root.startswith("s3://") or "allow_delayed_open=" in root:
        return root
    return f"{root}{'&' if '?' in root else '?'}allow_delayed_open=true"


def _upload(filesystem: pafs.FileSystem, path: str, data: bytes) -> None:
    """Put an object in place, whole or not at all.

    Arrow completes an object when its stream is closed, and closes it whatever happens, so nothing may go wrong
    between opening and closing but the upload itself, which Arrow then gives up: the data is at hand, and the work
    is done in a thread of its own, where no signal raises an exception.
    """

    def put() -> None:
        with filesystem.open_output_stream(path, compression=None) as target:
            target.write(data)

    with ThreadPoolExecutor(1, thread_name_prefix="upload") as thread:
        thread.submit(put).result()


def _replace_locally(folder: Path, finished: IO[bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder)
    with _temporary(folder) as (temporary, file):
        shutil.copyfileobj(finished, file, _COPY_BYTES)
        file.flush()
        os.fsync(file.fileno())
        temporary.rename(folder / FILE_NAME)
    _sync_folders(folder)


class _temporary:  # noqa: N801 - used as a function in a with statement
    """A hidden file in the folder, locked while it is written, so that nobody takes it for a leftover."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> tuple[Path, IO[bytes]]:
        while True:
            self._path = self._folder / f"{_TEMPORARY}{secrets.token_hex(8)}"
            self._file = self._path.open("xb")
            fcntl.flock(self._file, fcntl.LOCK_EX)
            if os.fstat(self._file.fileno()).st_nlink:
                return self._path, self._file
            self._file.close()  # taken for a leftover between its creation and its lock

    def __exit__(self, failure: object, *_: object) -> None:
        if failure:
            self._path.unlink(missing_ok=True)
        self._file.close()


def _remove_leftovers(folder: Path) -> None:
    """Delete what killed writers left: the hidden files that nobody holds a lock on."""
    for path in _hidden(folder):
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
        except (BlockingIOError, FileNotFoundError):
            continue


def _hidden(folder: Path) -> Iterator[Path]:
    return folder.glob(f"{_TEMPORARY}*")


def _sync_folders(folder: Path) -> None:
    """Make the rename, and the folders it may have needed, survive a power cut."""
    for path in (folder, *folder.parents[:3]):  # date, website, asset, root
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
