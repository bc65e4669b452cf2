"""A partition being made: record batches in, a finished Parquet file out, not yet part of any lake.

The file is kept in memory while it is small and in the temporary folder when it isn't, so memory is bounded by
batches. The content hash is taken on the way: over the rows without `captured_at`, whatever pieces they came in.
Of a large partition one row group is hashed and written, in a thread, while the next one's batches are being made.
"""

import datetime as dt
import functools
import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ignite_assets.api.arrow import constant, fixed_width

PREVIEW_ROWS = 5
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MEMORY_BYTES = 1 << 23
_ROW_GROUP_BYTES = 1 << 23
"""Of a row group as Arrow holds it; at most two are in memory."""


@dataclass(frozen=True)
class Staged:
    """A finished Parquet file that no reader can see yet."""

    file: IO[bytes]
    rows: int
    bytes: int
    content_hash: str
    """SHA-256 over the rows without `captured_at`; equal for equal rows in equal order."""

    def __del__(self) -> None:
        """Leave no file open that nobody committed."""
        self.file.close()


class Stage:
    """Writes batches to a Parquet file: zstd level 1, dictionaries only for the columns named."""

    def __init__(self, schema: pa.Schema, *, dictionaries: list[str], unhashed: frozenset[str] = frozenset()) -> None:
        self._file = _File(schema, dictionaries, unhashed)
        self._finished = False
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_bytes = 0
        self._thread: ThreadPoolExecutor | None = None
        self._under_way: Future[None] | None = None
        self.rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Add a batch in the stage's schema."""
        self._waiting.append(batch)
        self._waiting_bytes += batch.nbytes
        self.rows += len(batch)
        if self._waiting_bytes >= _ROW_GROUP_BYTES:
            self._write_aside()

    def finish(self, footer: Mapping[str, str]) -> Staged:
        """Close the file with these facts in its footer, and the row count and content hash beside them."""
        self._wait()
        if self._waiting or not self.rows:
            self._file.add(self._waiting)
        staged = self._file.finished(self.rows, footer)
        self._finished = True
        self._end_thread()
        return staged

    def discard(self) -> None:
        """Give the file up."""
        self._end_thread()
        self._file.close()

    def __del__(self) -> None:
        """Leave nothing open where something unforeseen ended the capture."""
        if not self._finished:
            self.discard()

    def _write_aside(self) -> None:
        self._wait()
        self._thread = self._thread or ThreadPoolExecutor(1, thread_name_prefix="stage")
        # The task must not hold the stage, or the stage could come to its end in its own thread.
        self._under_way = self._thread.submit(self._file.add, self._waiting)
        self._waiting, self._waiting_bytes = [], 0

    def _wait(self) -> None:
        """Return when no row group is being written; raise what its writing did."""
        if self._under_way:
            self._under_way.result()

    def _end_thread(self) -> None:
        if self._thread:
            self._thread.shutdown(wait=True)


class _File:
    """The Parquet file and its content hash, a row group at a time."""

    def __init__(self, schema: pa.Schema, dictionaries: list[str], unhashed: frozenset[str]) -> None:
        self._schema = schema
        self._dictionaries = dictionaries
        self._hash = _ContentHash(unhashed)
        self._file: IO[Any] = tempfile.SpooledTemporaryFile(_MEMORY_BYTES)  # noqa: SIM115 - handed on

    @functools.cached_property
    def _writer(self) -> pq.ParquetWriter:
        return pq.ParquetWriter(
            self._file,
            self._schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=self._dictionaries or False,
        )

    def add(self, batches: Sequence[pa.RecordBatch]) -> None:
        for batch in batches:
            self._hash.update(batch)
        table = pa.Table.from_batches(batches, schema=self._schema)
        self._writer.write_table(table, row_group_size=max(1, len(table)))

    def finished(self, rows: int, footer: Mapping[str, str]) -> Staged:
        content_hash = self._hash.hexdigest(rows)
        facts = {**footer, "rows": str(rows), "content_hash": content_hash}
        self._writer.add_key_value_metadata({f"ignite.{key}": value for key, value in facts.items()})
        self._writer.close()
        return Staged(self._file, rows, self._file.seek(0, 2), content_hash)

    def close(self) -> None:
        if "_writer" in self.__dict__:
            self._writer.close()
        self._file.close()


def stamped(batch: pa.RecordBatch, schema: pa.Schema, moment: dt.datetime) -> pa.RecordBatch:
    """The batch in a schema that has one column more, its last: the moment."""
    microseconds = (moment - _EPOCH) // dt.timedelta(microseconds=1)
    times = constant(pa.int64(), microseconds, len(batch)).view(schema.types[-1])
    return pa.RecordBatch.from_arrays([*batch.columns, times], schema=schema)


def first_rows(batch: pa.RecordBatch, rows: int) -> list[dict[str, Any]]:
    """Up to so many rows as dictionaries, times as text: Arrow would import pandas to make Python's own of them."""
    batch = batch.slice(0, rows)
    shown = {
        name: column.cast(pa.string()) if pa.types.is_timestamp(column.type) else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    }
    return [{name: column[row].as_py() for name, column in shown.items()} for row in range(len(batch))]


class _ContentHash:
    """A digest of columns that doesn't depend on how the rows were cut into batches.

    Each column feeds streams of its own: where its nulls are, and of the other rows the lengths and the values.
    """

    def __init__(self, unhashed: frozenset[str]) -> None:
        self._unhashed = unhashed
        self._streams: dict[str, Any] = {}
        self._rows: dict[str, int] = {}

    def update(self, batch: pa.RecordBatch) -> None:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name not in self._unhashed:
                self._add(name, column)

    def hexdigest(self, rows: int) -> str:
        parts = [f"{name}:{stream.hexdigest()}" for name, stream in sorted(self._streams.items())]
        return hashlib.sha256("\n".join([str(rows), *parts]).encode()).hexdigest()

    def _add(self, name: str, column: pa.Array) -> None:
        before = self._rows.get(name, 0)
        self._rows[name] = before + len(column)
        if column.null_count:
            nulls = np.frombuffer(fixed_width(pc.indices_nonzero(column.is_null())), dtype=np.uint64)
            self._feed(f"{name} nulls", nulls + np.uint64(before))
            column = column.drop_null()
        if pa.types.is_list(column.type):
            self._feed(f"{name} lengths", fixed_width(pc.list_value_length(column)))
            self._add(f"{name} items", column.flatten())
        elif pa.types.is_string(column.type):
            self._feed(f"{name} lengths", fixed_width(pc.binary_length(column)))
            self._feed(f"{name} values", _text_bytes(column))
        else:
            self._feed(f"{name} values", fixed_width(column))

    def _feed(self, stream: str, data: Any) -> None:
        if len(data):  # or a batch without rows would differ from no batch
            self._streams.setdefault(stream, hashlib.sha256()).update(data)


def _text_bytes(column: pa.Array) -> memoryview:
    """The bytes of a text column without nulls, one value after the other."""
    if not len(column):
        return memoryview(b"")
    _, offsets, data = column.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int32, count=len(column) + 1, offset=column.offset * 4)
    return memoryview(data)[bounds[0] : bounds[-1]] if data else memoryview(b"")
