"""A staged file: its content hash, its footer, and that every reader finds the same in it."""

import datetime as dt
import tempfile
import threading
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ignite_assets.storage import staging
from ignite_assets.storage.staging import Stage, Staged

SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("name", pa.string()),
        pa.field("year", pa.int16()),
        pa.field("score", pa.float64()),
        pa.field("at", pa.timestamp("us", "UTC")),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("captured_at", pa.timestamp("us", "UTC"), nullable=False),
    ]
)
MOMENT = dt.datetime(2026, 11, 20, 9, 30, 12, 345678, tzinfo=dt.UTC)
words = st.text(max_size=6)
rows = st.fixed_dictionaries(
    {
        "id": st.integers(-(2**63), 2**63 - 1),
        "name": st.none() | words,
        "year": st.none() | st.integers(-(2**15), 2**15 - 1),
        "score": st.none() | st.floats(allow_nan=False),
        "at": st.none() | st.datetimes(dt.datetime(1, 1, 2), timezones=st.just(dt.UTC)),  # noqa: DTZ001
        "tags": st.none() | st.lists(st.none() | words, max_size=3),
        "captured_at": st.just(MOMENT),
    }
)
tables = st.lists(rows, max_size=12)


def table_of(content: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(content, schema=SCHEMA)


def staged(batches: list[pa.RecordBatch], footer: dict[str, str] | None = None) -> Staged:
    stage = Stage(SCHEMA, dictionaries=["name"], unhashed=frozenset({"captured_at"}))
    for batch in batches:
        stage.write(batch)
    return stage.finish(footer or {})


def hash_of(batches: list[pa.RecordBatch]) -> str:
    finished = staged(batches)
    finished.file.close()
    return finished.content_hash


def one_batch(content: list[dict[str, Any]]) -> list[pa.RecordBatch]:
    return list(table_of(content).combine_chunks().to_batches())


@settings(max_examples=150)
@given(content=tables, places=st.lists(st.integers(0, 12), max_size=5), before=tables)
def test_the_content_hash_does_not_depend_on_how_rows_are_cut_into_batches(
    content: list[dict[str, Any]], places: list[int], before: list[dict[str, Any]]
) -> None:
    whole = table_of(content)
    # The same rows as slices of a longer table, so that their buffers begin elsewhere.
    longer = table_of(before + content).combine_chunks().to_batches()
    ends = sorted({0, len(content), *(min(place, len(content)) for place in places)})
    slices = [longer[0].slice(len(before) + start, end - start) for start, end in pairwise(ends)] if longer else []
    empty = table_of([]).combine_chunks()
    nothing = pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in SCHEMA], schema=SCHEMA)
    assert len(empty) == 0
    expected = hash_of(whole.combine_chunks().to_batches())
    assert hash_of(slices) == expected
    assert hash_of([nothing, *slices, nothing]) == expected


@settings(max_examples=150)
@given(one=tables, other=tables)
def test_different_content_has_different_hashes(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    # As text 0.0 and -0.0 differ; the order of a row's names says nothing.
    same = str([sorted(row.items()) for row in one]) == str([sorted(row.items()) for row in other])
    assert (hash_of(one_batch(one)) == hash_of(one_batch(other))) == same


ROW: dict[str, Any] = {
    "id": 1, "name": "a", "year": 2020, "score": 1.5, "at": MOMENT, "tags": ["x", "y"], "captured_at": MOMENT,
}  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([{"name": "ab"}, {"name": "c"}], [{"name": "a"}, {"name": "bc"}]),
        ([{"name": None}, {"name": "a"}], [{"name": "a"}, {"name": None}]),
        ([{"name": ""}], [{"name": None}]),
        ([{"tags": []}], [{"tags": None}]),
        ([{"tags": [None]}], [{"tags": []}]),
        ([{"tags": [None]}], [{"tags": [""]}]),
        ([{"tags": ["x"]}, {"tags": ["y"]}], [{"tags": ["x", "y"]}, {"tags": []}]),
        ([{"tags": ["xy"]}], [{"tags": ["x", "y"]}]),
        ([{"score": 0.0}], [{"score": None}]),
        ([{"id": 1}, {"id": 2}], [{"id": 2}, {"id": 1}]),
        ([{}], [{}, {}]),
        ([{}], []),
    ],
)
def test_a_small_difference_is_a_difference(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    first, second = ([{**ROW, **change} for change in changes] for changes in (one, other))
    assert hash_of(one_batch(first)) != hash_of(one_batch(second))


def test_when_it_was_captured_is_no_part_of_the_content() -> None:
    later = {**ROW, "captured_at": MOMENT + dt.timedelta(hours=1)}
    assert hash_of(one_batch([ROW])) == hash_of(one_batch([later]))


def test_the_footer_tells_the_facts_the_rows_and_the_hash() -> None:
    finished = staged(one_batch([ROW, ROW]), {"website": "acme", "odd": "é=\n"})
    metadata = pq.read_metadata(finished.file)
    facts = {key.decode(): value.decode() for key, value in metadata.metadata.items() if key.startswith(b"ignite.")}
    assert facts == {
        "ignite.website": "acme",
        "ignite.odd": "é=\n",
        "ignite.rows": "2",
        "ignite.content_hash": finished.content_hash,
    }
    assert metadata.row_group(0).column(0).compression == "ZSTD"
    assert (finished.rows, finished.bytes) == (2, finished.file.seek(0, 2))
    finished.file.close()


@pytest.mark.parametrize("batches", [[], [pa.RecordBatch.from_pylist([], schema=SCHEMA)]], ids=["none", "one, empty"])
def test_a_file_without_rows_is_a_typed_file(batches: list[pa.RecordBatch]) -> None:
    finished = staged(batches)
    table = pq.read_table(finished.file)
    assert (table.num_rows, table.schema.remove_metadata()) == (0, SCHEMA)
    finished.file.close()


def test_dictionaries_are_kept_for_the_columns_named() -> None:
    finished = staged(one_batch([ROW] * 50))
    group = pq.read_metadata(finished.file).row_group(0)
    encodings = {group.column(n).path_in_schema: "RLE_DICTIONARY" in group.column(n).encodings for n in range(7)}
    assert [name for name, dictionary in encodings.items() if dictionary] == ["name"]
    finished.file.close()


def rolled(file: IO[Any]) -> bool:
    return bool(file._rolled)  # type: ignore[attr-defined]


def test_a_large_file_goes_to_disk_and_a_small_one_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "_MEMORY_BYTES", 20_000)
    monkeypatch.setattr(staging, "_ROW_GROUP_BYTES", 50_000)
    small = staged(one_batch([ROW]))
    large = staged([one_batch([{**ROW, "id": n * 7919, "name": f"{n:x}" * 5} for n in range(500)])[0]] * 30)
    assert (rolled(small.file), rolled(large.file)) == (False, True)
    assert pq.read_table(large.file).num_rows == large.rows == 15_000
    for finished in (small, large):
        finished.file.close()


@pytest.mark.parametrize("group_bytes", [1, 1 << 20])
def test_a_stage_may_be_given_up_at_any_moment(group_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "_ROW_GROUP_BYTES", group_bytes)
    for written in range(4):
        stage, left = (Stage(SCHEMA, dictionaries=[]) for _ in range(2))
        for _ in range(written):
            stage.write(one_batch([ROW])[0])
            left.write(one_batch([ROW])[0])
        stage.discard()
        stage.discard()
        del left
    stage = Stage(SCHEMA, dictionaries=[])
    finished = stage.finish({})
    stage.discard()
    assert finished.file.closed
    assert writing_threads() == []


def writing_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("stage")]


def test_only_a_large_partition_is_written_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "_ROW_GROUP_BYTES", 3 * one_batch([ROW])[0].nbytes)
    stage = Stage(SCHEMA, dictionaries=[])
    started = []
    for _ in range(4):
        stage.write(one_batch([ROW])[0])
        started.append(bool(writing_threads()))
    assert started == [False, False, True, True]
    finished = stage.finish({})
    assert [group.num_rows for group in row_groups(finished)] == [3, 1]
    finished.file.close()
    assert writing_threads() == []


def row_groups(finished: Staged) -> list[pq.RowGroupMetaData]:
    metadata = pq.read_metadata(finished.file)
    return [metadata.row_group(number) for number in range(metadata.num_row_groups)]


def test_trouble_in_the_thread_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "_ROW_GROUP_BYTES", 1)
    monkeypatch.setattr(staging, "_MEMORY_BYTES", 10)
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    stage = Stage(SCHEMA, dictionaries=[])
    stage.write(one_batch([ROW])[0])
    with pytest.raises(FileNotFoundError):
        stage.write(one_batch([ROW])[0])
    with pytest.raises(FileNotFoundError):
        stage.finish({})
    monkeypatch.undo()
    stage.discard()


CONTENT = [
    ROW,
    {**ROW, "id": 2, "name": "é😀\x00", "tags": [], "score": -0.0},
    {**ROW, "id": 3, "name": None, "year": None, "score": None, "at": None, "tags": None},
    {**ROW, "id": 2**63 - 1, "tags": [None, ""], "at": dt.datetime(1999, 12, 31, 23, 59, 59, 1, tzinfo=dt.UTC)},
]


def plain(value: Any) -> Any:
    """A value in Python's own kinds, times in UTC."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).replace(tzinfo=dt.UTC)
    return [plain(item) for item in value] if isinstance(value, list) else value


def test_every_reader_finds_the_same(tmp_path: Path) -> None:
    finished = staged(one_batch(CONTENT))
    finished.file.seek(0)
    file = tmp_path / "part-0.parquet"
    file.write_bytes(finished.file.read())
    finished.file.close()
    expected = [{name: plain(value) for name, value in row.items()} for row in CONTENT]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        by_duckdb = connection.read_parquet(str(file)).to_arrow_table()
    by_pandas = pa.Table.from_pandas(pq.read_table(file).to_pandas(), schema=SCHEMA)
    for found in (pq.read_table(file), by_duckdb, pl.read_parquet(file).to_arrow(), by_pandas):
        assert [{name: plain(value) for name, value in row.items()} for row in found.to_pylist()] == expected
