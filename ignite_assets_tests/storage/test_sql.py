"""SQL over the lake: a view for each asset, filters that decide what is opened, columns that explain themselves."""

import contextlib
import csv
import datetime as dt
import gc
import itertools
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from ignite_assets.api.endpoints import ENDPOINTS
from ignite_assets.cli.answering import answer
from ignite_assets.storage.lake import FILE_NAME, Lake, Partition
from ignite_assets.storage.reader import LakeReader
from ignite_assets.storage.sql import ChangedError
from ignite_assets.tables.registry import TABLES
from ignite_assets_tests.audiences.captures import capture, visitors
from ignite_assets_tests.lakes import ACME, BAYSIDE, FIRST, SECOND, THIRD, small_lake, store


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return small_lake(tmp_path / "lake")


@pytest.fixture
def reader(lake: Lake) -> LakeReader:
    return LakeReader(lake, TABLES)


NEW = {"hashed_email": ["x"], "algo": ["sha2"], "captured_at": [dt.datetime(2026, 11, 24, tzinfo=dt.UTC)]}


def found(reader: LakeReader, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    relation = reader.sql(query)
    assert relation is not None
    return list(relation.fetchall())


def damage(lake: Lake, website: str, day: dt.date) -> None:
    (Path(lake.root) / Partition("visitors", website, day).folder / FILE_NAME).write_bytes(b"no Parquet" * 50)


def test_an_asset_is_a_view_with_website_and_date(reader: LakeReader) -> None:
    assert found(reader, "SELECT website, date, count(*) FROM visitors GROUP BY ALL ORDER BY ALL") == [
        (ACME, FIRST, 2), (ACME, SECOND, 2), (ACME, THIRD, 2), (BAYSIDE, SECOND, 1),
    ]  # fmt: skip
    described = found(reader, "SELECT column_name, column_type FROM (DESCRIBE visitors)")
    assert described[-2:] == [("website", "VARCHAR"), ("date", "DATE")]


def test_a_website_of_digits_is_still_text(lake: Lake, reader: LakeReader) -> None:
    visitors(lake, FIRST, [1], website="007")
    assert found(reader, "SELECT DISTINCT website FROM visitors WHERE website = '007'") == [("007",)]


def test_a_row_of_the_table_without_captures_is_an_empty_view_of_its_columns(reader: LakeReader) -> None:
    for endpoint in ENDPOINTS[2:]:
        if endpoint.name != "locations":
            assert found(reader, f"FROM {endpoint.name}") == []
    types = dict(found(reader, "SELECT column_name, column_type FROM (DESCRIBE location_details)"))
    assert (types["hashed_emails"], types["session_count"], types["visit_last"]) == (
        "VARCHAR[]", "INTEGER", "TIMESTAMP WITH TIME ZONE",
    )  # fmt: skip
    assert list(types)[-2:] == ["website", "date"]


def test_an_empty_view_has_the_types_that_captures_will_have(lake: Lake, tmp_path: Path) -> None:
    query = "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
    empty = found(LakeReader(Lake(str(tmp_path / "empty")), TABLES), query)
    for endpoint in ENDPOINTS:
        capture(lake, endpoint.name, FIRST, [])
    assert found(LakeReader(lake, TABLES), query) == empty
    assert len(empty) > 80


def test_a_filter_opens_only_the_files_it_asks_for(lake: Lake, reader: LakeReader) -> None:
    damage(lake, BAYSIDE, SECOND)
    assert found(reader, f"SELECT count(*) FROM visitors WHERE website = '{ACME}'") == [(6,)]
    assert found(reader, f"SELECT count(*) FROM visitors WHERE date > '{SECOND}'") == [(2,)]
    plan = str(found(reader, f"EXPLAIN FROM visitors WHERE date = '{FIRST}'"))
    assert "Scanning Files: 1/4" in plan
    with pytest.raises(duckdb.Error, match="No magic bytes"):
        found(reader, "FROM visitors")


def test_a_view_of_nothing_but_damaged_files_stops_no_other(lake: Lake, reader: LakeReader) -> None:
    for website, day in ((ACME, FIRST), (ACME, SECOND), (ACME, THIRD), (BAYSIDE, SECOND)):
        damage(lake, website, day)
    assert ("visitors",) in found(reader, "SHOW TABLES")
    assert found(reader, "SELECT count(*) FROM locations") == [(1,)]
    with pytest.raises(duckdb.Error):
        found(reader, "FROM visitors")


def test_days_with_more_columns_are_united_by_name(lake: Lake, reader: LakeReader) -> None:
    store(lake, "visitors", {"channel": ["web"], **NEW}, SECOND, ACME)
    rows = found(reader, f"SELECT date, channel FROM visitors WHERE website = '{ACME}' ORDER BY ALL")
    assert rows == [(FIRST, None), (FIRST, None), (SECOND, "web"), (THIRD, None), (THIRD, None)]
    plan = str(found(reader, f"EXPLAIN FROM visitors WHERE date = '{FIRST}'"))
    assert "Scanning Files: 1/3" in plan
    assert "Scanning Files: 0/1" in plan


def test_columns_that_no_file_has_yet_are_null(lake: Lake, reader: LakeReader) -> None:
    store(lake, "audiences", {"id": [1], "captured_at": NEW["captured_at"]})
    assert found(reader, "SELECT id, brand, visitors_count FROM audiences") == [(1, None, None)]


def test_assets_of_others_are_views_too(lake: Lake, reader: LakeReader) -> None:
    store(lake, "days_since", {"days": [1, 2]})
    store(lake, "my-scores", {"score": [1.5]})
    assert found(reader, 'SELECT sum(days), max(score) FROM days_since, "my-scores"') == [(3, 1.5)]
    assert {("days_since",), ("my-scores",)} <= set(found(reader, "SHOW TABLES"))


def test_every_column_of_every_table_is_commented(reader: LakeReader) -> None:
    rows = found(reader, "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal")
    comments = {(view, column): comment for view, column, comment in rows}
    for table in TABLES:
        for column in table.all_columns:
            assert comments[table.name, column.name] == column.description
    assert all(comments.values())
    views = dict(found(reader, "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal"))
    assert views == {table.name: table.description for table in TABLES}


def test_what_is_captured_meanwhile_is_found(lake: Lake, reader: LakeReader) -> None:
    count = "SELECT count(*) FROM visitors"
    assert found(reader, count) == [(7,)]
    visitors(lake, dt.date(2026, 11, 24), [1, 2, 3])
    visitors(lake, FIRST, [])
    assert found(reader, count) == [(8,)]


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # duckdb's own, of pandas
def test_a_relation_outlives_the_reader(lake: Lake) -> None:
    relation = LakeReader(lake, TABLES).sql("FROM visitors")
    gc.collect()
    assert relation is not None
    assert len(relation.df()) == len(relation.pl()) == len(relation.filter(f"website = '{ACME}'").fetchall()) + 1 == 7


def test_frames_of_the_caller_can_be_joined(reader: LakeReader) -> None:
    weights = pd.DataFrame({"website": [ACME], "weight": [3]})
    assert found(reader, "SELECT sum(weight) FROM visitors JOIN weights USING (website)") == [(18,)]
    assert len(weights) == 1


def test_what_a_query_makes_stays_for_the_next(reader: LakeReader) -> None:
    reader.sql("CREATE TEMP TABLE seen AS FROM visitors; SELECT 1")
    assert found(reader, "SELECT 1; SELECT count(*) FROM seen") == [(7,)]
    assert reader.sql("-- nothing") is None


def test_moments_are_told_in_utc(reader: LakeReader) -> None:
    assert found(reader, "SELECT DISTINCT captured_at::VARCHAR FROM visitors") == [("2026-11-21 00:30:00+00",)]


@pytest.mark.parametrize("query", [
    "DELETE FROM visitors", "INSERT INTO visitors SELECT * FROM visitors", "UPDATE visitors SET algo = 'x'",
    "DROP TABLE visitors", "TRUNCATE visitors",
])  # fmt: skip
def test_sql_can_not_change_what_is_stored(reader: LakeReader, lake: Lake, query: str) -> None:
    with pytest.raises(duckdb.Error):
        reader.sql(query)
    assert len(lake.partitions("visitors")) == 4
    assert found(reader, "SELECT count(*) FROM visitors") == [(7,)]


def test_a_misspelled_asset_is_suggested_and_named_otherwise_found(reader: LakeReader) -> None:
    with pytest.raises(duckdb.CatalogException, match='Did you mean "locations"'):
        reader.sql("FROM locatons")
    assert found(reader, "SELECT count(*) FROM query_table('visit' || 'ors')") == [(7,)]


@pytest.mark.parametrize("folder", ["a [b] lake", "date=2020-01-01", "it's"])
def test_a_root_may_have_any_name(tmp_path: Path, folder: str) -> None:
    root = tmp_path / folder / "lake"
    visitors(Lake(str(root)), FIRST, [1, 2])
    reader = LakeReader(Lake(str(root)), TABLES)
    assert found(reader, "SELECT website, date, count(*) FROM visitors GROUP BY ALL") == [(ACME, FIRST, 2)]
    assert reader.read("visitors").column("date").to_pylist() == [FIRST, FIRST]


def replacing(root: Path, ready: Any, stop: Any) -> None:
    """Replace a partition every few milliseconds with versions of equal shape."""
    for number in itertools.count():
        value = f"v{number % 6}"
        rows = {"hashed_email": [f"{value}-{row:04}" for row in range(400)], "algo": [value] * 400}
        store(Lake(str(root)), "visitors", rows)
        ready.set()
        if stop.wait(0.03):
            return


@pytest.fixture
def replaced(tmp_path: Path) -> Iterator[LakeReader]:
    """A lake of one partition, which another process replaces all the time."""
    context = multiprocessing.get_context("spawn")
    ready, stop = context.Event(), context.Event()
    writer = context.Process(target=replacing, args=(tmp_path, ready, stop))
    writer.start()
    try:
        assert ready.wait(240)
        yield LakeReader(Lake(str(tmp_path)), TABLES)
    finally:
        stop.set()
        writer.join()


def patiently(query: Callable[[], Any]) -> Any:
    """The answer to a query that is asked again when no version lasts as long as its reading, on a busy machine."""
    while True:
        with contextlib.suppress(ChangedError):
            return query()


TWICE = "SELECT a.hashed_email, b.algo FROM visitors a FULL JOIN visitors b USING (hashed_email) ORDER BY 1"


@pytest.mark.slow
def test_a_select_during_replacements_reads_one_version(replaced: LakeReader) -> None:
    for _ in range(500):
        one_version(patiently(lambda: found(replaced, TWICE)))


@pytest.mark.slow
def test_the_command_line_writes_rows_of_one_version(replaced: LakeReader, tmp_path: Path) -> None:
    for _ in range(100):
        patiently(lambda: answer(replaced.session, TWICE, "csv", tmp_path / "rows.csv"))
        with (tmp_path / "rows.csv").open(newline="") as file:
            one_version(list(csv.reader(file))[1:])


def one_version(rows: Sequence[Sequence[str]]) -> None:
    assert len(rows) == 400
    assert {email[:2] for email, _ in rows} == {rows[0][1]} == {algo for _, algo in rows}
