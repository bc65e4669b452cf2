"""Parquet files of a store as Arrow scans them: a small object takes one request, a large one two or more."""

import functools
import operator
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.fs as pafs

from ignite_assets.storage.store import Store
from ignite_assets.storage.whole import SMALL_BYTES

if TYPE_CHECKING:
    import pyarrow.dataset as pads

MOST_KEPT = 1024
"""Versions of objects that are kept: a small one whole, of a large one its end, a few kB."""
_SETTLED_NS = 2_000_000_000
"""Stores tell times in whole seconds: a version of this moment may be replaced by another that looks the same."""
InPath = Mapping[str, object]
"""The columns that a file's path holds, with their values."""
_Known = tuple[tuple[str, object], ...]


class Fragments:
    """The Parquet files of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept = functools.lru_cache(MOST_KEPT)(lambda name, size, _, known: self._read(name, size, known))

    def of(self, name: str, info: pafs.FileInfo, in_path: InPath) -> "pads.ParquetFileFragment":
        """A file of an object store as it was listed; a small one is read now, and once, unless it is of this moment.

        To be read soon, since what is large fails where the object was replaced. Raises `OSError`.
        """
        known = tuple(in_path.items())
        if time.time_ns() - info.mtime_ns < _SETTLED_NS:
            return self._read(name, info.size, known)
        return self._kept(name, info.size, info.mtime_ns, known)

    def unread(self, name: str, in_path: InPath, size: int | None = None) -> "pads.ParquetFileFragment":
        """A file that is read when it is scanned; without its size, each scan reads the version that is there."""
        path, files = self._store.path(name), self._store.filesystem
        return _format().make_fragment(path, files, partition_expression=holding(in_path), file_size=size)

    def _read(self, name: str, size: int, known: _Known) -> "pads.ParquetFileFragment":
        in_path = dict(known)
        if size > SMALL_BYTES:
            return self.unread(name, in_path, size)
        data = pa.py_buffer(self._store.read(name, size))
        whole = _format().make_fragment(data, partition_expression=holding(in_path))
        try:
            whole.ensure_complete_metadata()
        except (OSError, pa.ArrowException):  # another has taken its place, or it is damaged: a scan names the file
            return self.unread(name, in_path)
        return whole


def holding(in_path: InPath) -> "pads.Expression | None":
    """That columns have these values, as Arrow has it; None without columns."""
    import pyarrow.dataset as pads  # it imports pandas

    each = [pads.field(name) == pa.scalar(value) for name, value in in_path.items()]
    return functools.reduce(operator.and_, each) if each else None


def _format() -> "pads.ParquetFileFormat":
    import pyarrow.dataset as pads

    return pads.ParquetFileFormat()
