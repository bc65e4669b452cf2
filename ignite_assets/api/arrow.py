"""Answers as Arrow: the body's pieces in, record batches in the row's schema out. Pure; no I/O, no Dagster.

Two ways lead to the same batches. The fast one hands a piece of the body to Arrow's own JSON reader, which is strict
about kinds and about unknown fields. A piece that it refuses takes the careful way: `fitting` makes each record fit
the row, value by value, keeping in `extra` what doesn't fit, and the result goes through the same reader. So there
is one conversion, and both ways agree.

Nothing here may import pandas, directly or through `pyarrow.array` of a list (0.2 s and 50 MB a process): arrays are
made by Arrow's readers, casts and buffers.
"""

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from ignite_assets.api import fitting, pieces
from ignite_assets.api.digests import are_digests, clear_text, is_digest
from ignite_assets.api.endpoints import Endpoint, Record
from ignite_assets.api.errors import MismatchError, ResponseShapeError
from ignite_assets.api.misfits import Misfit, Misfits
from ignite_assets.api.pieces import HASHES, OBJECTS
from ignite_assets.api.table import Column, ColumnType, Table

_ARROW: Mapping[ColumnType, pa.DataType] = {
    "string": pa.string(),
    "url": pa.string(),
    "json": pa.string(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "list<string>": pa.list_(pa.string()),
}
_UTC_SECONDS = r"^[1-9]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$"
_CANONICAL_INT = r"^(0|-?[1-9]\d{0,18})$"
_EXACT_FLOAT = float(2**53)
_QUOTE, _COMMA, _SPACE = b'", '

T = TypeVar("T")

Constants = Mapping[str, str | int]
"""Columns whose value the call decides rather than the body: the algorithm, the id asked for."""


class _MisfitError(Exception):
    """The fast way can't read this piece; no verdict on whether it is wrong."""


def arrow_schema(table: Table) -> pa.Schema:
    """The schema of an asset's partitions, its stamp last, descriptions as field metadata."""
    return _schema(table.all_columns)


@functools.lru_cache(maxsize=256)
def _schema(columns: tuple[Column, ...]) -> pa.Schema:
    return pa.schema([_field(column) for column in columns])


def _field(column: Column) -> pa.Field:
    told = {"description": column.description}
    return pa.field(column.name, _ARROW[column.type], nullable=column.nullable, metadata=told)


def batches(
    endpoint: Endpoint,
    body: Iterable[bytes],
    constants: Constants,
    coercions: Counter[str],
    misfits: Misfits | None = None,
) -> Iterator[pa.RecordBatch]:
    """An answer's rows, in pieces, in the row's schema without `captured_at`.

    `coercions` counts, by column, the values that did not fit their column and went to `extra`. `misfits` takes the
    records that can't be rows, clear text where hashes belong among them. Raises `UnparsableError` for what isn't
    JSON, `ResponseShapeError` for JSON of another shape; without `misfits` also for a single record.
    """
    reading = _Reading(endpoint, frozenset(constants), coercions, misfits)
    for columns in reading.pieces(body):
        yield _batch(endpoint, columns, constants)


def fitted(
    endpoint: Endpoint,
    body: Iterable[bytes],
    constants: Constants,
    coercions: Counter[str],
    misfits: Misfits | None = None,
    *,
    entity: int | None = None,
) -> list[bytes]:
    """The rows of an answer that the row's own function reads, each as JSON that fits its columns.

    `misfits` takes clear text that stands in lists of hashes; the lists lose it.

    For answers of few rows: converting those of many answers at once, with `batch`, costs a tenth of `batches` of each.
    Raises `MismatchError` for an answer that names another `entity` than the one asked for.
    """
    records = _Reading(endpoint, frozenset(constants), coercions, misfits).whole(body)
    if endpoint.ids and entity is not None and any(record.get(endpoint.ids.column) != entity for record in records):
        raise MismatchError(f"the answer's {endpoint.ids.column} isn't the one asked for")
    return [orjson.dumps(record) for record in records]


def batch(endpoint: Endpoint, rows: Iterable[bytes], constants: Constants) -> pa.RecordBatch:
    """Fitted rows in the row's schema without `captured_at`."""
    reading = _Reading(endpoint, frozenset(constants), Counter())
    return _batch(endpoint, reading.converted(b",".join(rows)), constants)


def _batch(endpoint: Endpoint, columns: "_Columns", constants: Constants) -> pa.RecordBatch:
    arrays, rows = columns
    schema = _schema(endpoint.columns)
    return pa.RecordBatch.from_arrays(
        [
            arrays[field.name] if field.name in arrays else constant(field.type, constants.get(field.name), rows)
            for field in schema
        ],
        schema=schema,
    )


def constant(kind: pa.DataType, value: str | int | None, rows: int) -> pa.Array:
    """An array of one repeated value, or of nulls."""
    if value is None:
        return pa.nulls(rows, kind)
    if isinstance(value, str):
        raw = value.encode()
        offsets = np.arange(0, len(raw) * (rows + 1), len(raw), dtype=np.int32)[: rows + 1]
        return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(raw * rows))
    values = np.full(rows, value, dtype=np.int64)
    return pa.Array.from_buffers(pa.int64(), rows, [None, pa.py_buffer(values)]).cast(kind)


def booleans(values: npt.NDArray[np.bool_]) -> pa.Array:
    """A mask as Arrow's."""
    bits = np.packbits(values, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])


def fixed_width(column: pa.Array) -> memoryview:
    """The bytes of a fixed-width column without nulls. Not by `to_numpy`, nor by scalars: those import pandas."""
    if not len(column):
        return memoryview(b"")
    width = column.type.bit_width // 8
    return memoryview(column.buffers()[1])[column.offset * width : (column.offset + len(column)) * width]


_Columns = tuple[dict[str, pa.Array], int]
"""Arrays by column, and how many rows they have."""


class _Reading:
    """How one answer of a row is read, piece by piece."""

    def __init__(
        self,
        endpoint: Endpoint,
        constants: frozenset[str],
        coercions: Counter[str],
        misfits: Misfits | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._constants = constants
        self._coercions = coercions
        self._misfits = misfits
        self._elements = 0  # of the array, read so far
        self._columns = tuple(column for column in endpoint.columns if column.name not in constants)
        self._hashed = [column for column in self._columns if column.hashed] if misfits is not None else []
        # The platform sends no `extra`, and Arrow can't keep a JSON value as it is: those exist once fitted.
        self._sent = tuple(column for column in self._columns if column.type != "json")

    def pieces(self, body: Iterable[bytes]) -> Iterator[_Columns]:
        answer = self._endpoint.answer
        if answer == "hashes":
            for hashes in pieces.split(body, HASHES, self._hashes):
                yield {"hashed_email": hashes}, len(hashes)
        elif answer == "objects":
            yield from pieces.split(body, OBJECTS, self._objects)
        else:
            yield self.converted(orjson.dumps(self.whole(body))[1:-1])

    def whole(self, body: Iterable[bytes]) -> list[Record]:
        """The fitted records of an answer that the row's own function reads."""
        assert callable(self._endpoint.answer)  # noqa: S101 - only such rows are read whole
        return self._sorted(self._endpoint.answer(fitting.decode(b"".join(body))), self._fit_one)

    def converted(self, piece: bytes) -> "_Columns":
        """Fitted records, as JSON joined by commas, as columns."""
        return _parsed(self._columns, b"".join((OBJECTS.opening, piece, OBJECTS.closing)))

    def _hashes(self, piece: bytearray) -> pa.Array:
        texts = _hashes(piece)
        if texts is None or (self._hashed and not are_digests(texts)):
            return _text(self._sorted(fitting.decode(HASHES.array(piece)), _digest if self._hashed else _hash))
        self._elements += len(texts)
        return texts

    def _objects(self, piece: bytearray) -> _Columns:
        if all(column.source == (column.name,) for column in self._sent):
            with suppress(_MisfitError):
                columns = _parsed(self._sent, piece)
                if not all(are_digests(_flat(columns[0][column.name])) for column in self._hashed):
                    raise _MisfitError
                self._elements += columns[1]
                return columns
        return self._careful_objects(piece)

    def _careful_objects(self, piece: bytearray) -> _Columns:
        fitted = self._sorted(fitting.decode(OBJECTS.array(piece)), self._fit_one)
        return self.converted(orjson.dumps(fitted)[1:-1])

    def _sorted(self, elements: Sequence[Any], read: Callable[[Any], T]) -> list[T]:
        """What `read` makes of each element; those that it refuses become misfits."""
        good: list[T] = []
        for position, element in enumerate(elements, start=self._elements):
            try:
                good.append(read(element))
            except ResponseShapeError as error:
                if self._misfits is None:
                    raise
                told = Misfit(position=position, reason=str(error), record=self._storable(element))
                self._misfits.add(told)
        self._elements += len(elements)
        return good

    def _fit_one(self, record: Record) -> Record:
        fitted = fitting.fit(self._endpoint, record, self._coercions, without=self._constants)
        for column in self._hashed:
            fitted[column.name] = self._without_clear_text(fitted[column.name])
        return fitted

    def _storable(self, element: Any) -> Any:
        """A record that can't be a row, without what may be clear text where hashes belong."""
        if self._endpoint.answer == "hashes" and self._hashed:
            return fitting.masked(element)
        if not isinstance(element, dict):
            return element
        hashed = {column.source[0] for column in self._hashed}
        return {name: fitting.masked(value) if name in hashed else value for name, value in element.items()}

    def _without_clear_text(self, value: Any) -> Any:
        """A hash, or hashes without what is no digest. Raises `ResponseShapeError` for a single one that is none."""
        if not isinstance(value, list):
            return value if value is None else _digest(value)
        for position, text in enumerate(value):
            if self._misfits is not None and text is not None and not is_digest(text):
                told = Misfit(position=position, reason=str(clear_text(text)), record=fitting.masked(text))
                self._misfits.add(told)
        return [text for text in value if text is None or is_digest(text)]


def _hashes(piece: bytearray) -> pa.Array | None:
    """The texts of an array of nothing else; None for any other array."""
    if (texts := _equally_long(piece)) is not None:
        return texts
    with suppress(orjson.JSONDecodeError, TypeError, UnicodeEncodeError):
        values = orjson.loads(piece)
        return _text(values) if all(values) else None
    return None


def _hash(value: object) -> str:
    """The value, if it is a hashed e-mail. Raises `ResponseShapeError` otherwise."""
    if not isinstance(value, str):
        raise ResponseShapeError(expected="a hashed e-mail", found=value)
    if not value or not fitting.is_text(value):
        raise ResponseShapeError(
            "expected a hashed e-mail, found " + ("text that isn't Unicode" if value else "empty text")
        )
    return value


def _digest(value: object) -> str:
    """The same, if it isn't clear text."""
    text = _hash(value)
    if not is_digest(text):
        raise clear_text(text)
    return text


def _flat(values: pa.Array) -> pa.Array:
    return values.flatten() if pa.types.is_list(values.type) else values


def _equally_long(piece: bytearray) -> pa.Array | None:
    """The texts of an array without escapes or spaces, all of one length, as hashes are; None for any other array.

    Read as a matrix, a row a text, which takes a tenth of the time of a parser.
    """
    length = piece.find(b'"', 2) - 2
    if length < 1 or (len(piece) - 1) % (length + 3):
        return None
    rows = np.frombuffer(piece, dtype=np.uint8)[1:].reshape(-1, length + 3)
    quoted = (rows[:, 0] == _QUOTE).all() and (rows[:, -2] == _QUOTE).all() and (rows[:-1, -1] == _COMMA).all()
    texts = rows[:, 1:-2].tobytes()
    lowest = np.frombuffer(texts, dtype=np.uint8).min()
    if not quoted or not texts.isascii() or b'"' in texts or b"\\" in texts or lowest < _SPACE:
        return None
    offsets = np.arange(0, len(texts) + 1, length, dtype=np.int32)
    return pa.StringArray.from_buffers(len(rows), pa.py_buffer(offsets), pa.py_buffer(texts))


def _text(values: list[Any]) -> pa.Array:
    data = "".join(values).encode()
    lengths = np.fromiter(map(len, values), dtype=np.int32, count=len(values))
    if len(data) != lengths.sum():
        lengths = np.fromiter((len(v.encode()) for v in values), dtype=np.int32, count=len(values))
    offsets = np.zeros(len(values) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(offsets), pa.py_buffer(data))


def _parsed(columns: tuple[Column, ...], piece: bytes | bytearray) -> _Columns:
    """The piece's objects, read under the columns' wire kinds and converted; `_MisfitError` when they don't fit."""
    wire = pa.struct([(column.name, _wire_kind(column)) for column in columns])
    try:
        if not piece.isascii():
            piece.decode()
        table = pj.read_json(
            pa.BufferReader(piece),
            read_options=pj.ReadOptions(use_threads=False, block_size=len(piece) + 1),
            parse_options=pj.ParseOptions(
                explicit_schema=pa.schema([("r", pa.list_(wire))]), unexpected_field_behavior="error"
            ),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError):
        raise _MisfitError from None
    if table.num_rows != 1:  # a piece that closes the wrapper and opens another
        raise _MisfitError
    objects = table.column("r").chunk(0).flatten()
    if objects.null_count:
        raise _MisfitError
    arrays = {c.name: _converted(c, a) for c, a in zip(columns, objects.flatten(), strict=True)}
    if any(column.key and arrays[column.name].null_count for column in columns):
        raise _MisfitError
    return arrays, len(objects)


def _wire_kind(column: Column) -> pa.DataType:
    """The JSON kind in which the platform sends a column, as the Arrow type it is first read into."""
    if column.quoted or column.type in ("timestamp", "url", "json"):
        return pa.string()
    return _ARROW[column.type]


def _converted(column: Column, values: pa.Array) -> pa.Array:
    if column.type == "url":
        wrapped = pc.and_(pc.starts_with(values, "<"), pc.ends_with(values, ">"))
        if not pc.any(wrapped).as_py():
            return values
        return pc.if_else(wrapped, pc.utf8_slice_codeunits(values, 1, -1), values)
    if column.type == "timestamp":
        return _cast(values, _UTC_SECONDS, _ARROW["timestamp"])
    if column.quoted:
        return _cast(values, _CANONICAL_INT, _ARROW[column.type])
    if column.type == "float64" and not _exact(values):
        raise _MisfitError
    return values


def _exact(values: pa.Array) -> bool:
    """Whether no value is NaN or so large that an integer on the wire may have been rounded."""
    floats = np.frombuffer(fixed_width(values.drop_null()), dtype=np.float64)
    return bool(np.all(np.abs(floats) < _EXACT_FLOAT))


def _cast(values: pa.Array, pattern: str, kind: pa.DataType) -> pa.Array:
    """Text as another type, where every value has the one form whose reading loses nothing."""
    if pc.all(pc.match_substring_regex(values, pattern)).as_py() is False:
        raise _MisfitError
    try:
        return values.cast(kind)
    except pa.ArrowInvalid:
        raise _MisfitError from None
