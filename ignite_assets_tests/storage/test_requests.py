"""How many requests reading a lake on an object store takes, counted by a real S3 server."""

import datetime as dt
import io
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ignite_assets.storage import fragments
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.storage.reader import LakeReader
from ignite_assets.storage.store import Store
from ignite_assets.storage.whole import SMALL_BYTES
from ignite_assets.tables.registry import TABLES
from ignite_assets_tests.audiences.captures import capture, hashed
from ignite_assets_tests.lakes import ACME, BAYSIDE, store
from ignite_assets_tests.s3 import URL, S3Server
from ignite_assets_tests.storage.test_sql import found

LAST = dt.date(2026, 11, 20)
WEBSITES = (ACME, BAYSIDE, "summit-ford")
ROWS = 8
MOST = 10
"""Requests of a query for one website and day, whatever the size of the lake."""
ONE_DAY = (
    f"website = '{ACME}' AND date = '{LAST}'",
    f"date = DATE '{LAST}' AND website IN ('{ACME}', 'nobody')",
    f"website = '{ACME}' AND date > DATE '{LAST}' - 1",
    f"website = '{ACME}' AND date IN ('{LAST}', '2020-01-01')",
    f"website = '{ACME}' AND date BETWEEN '{LAST}' AND '2030-01-01'",
    f"website = '{ACME}' AND date >= '{LAST}' AND hashed_email IS NOT NULL",
)
OF_DUCKDB_2 = (
    f"website = '{ACME}' AND date > DATE '{LAST}' - INTERVAL 1 DAY",
    f"website = '{ACME}' AND date >= '{LAST}'::TIMESTAMP",
    f"website = 'nobody' OR (website = '{ACME}' AND date = '{LAST}' AND hashed_email > '')",
)
"""What DuckDB 1 doesn't hand on to Arrow: it reads every day of the website, and drops the rows afterwards."""


def fill(server: S3Server, folder: Path, days: int) -> Lake:
    """So many days of visitors of three websites; the local lake, which has one of them."""
    server.empty()
    local, one = Lake(str(folder)), Partition("visitors", ACME, LAST)
    capture(local, one.asset, one.date, [{"hashed_email": hashed(n), "algo": "sha2"} for n in range(ROWS)])
    data = Path(local.location(one)).read_bytes()
    keys = itertools.product(WEBSITES, (LAST - dt.timedelta(n) for n in range(days)))
    server.put((f"lake/{Partition('visitors', *key).file}", data) for key in keys)
    server.age()
    return local


def new_reader() -> LakeReader:
    """A lake that nobody has looked at yet."""
    return LakeReader(Lake(f"{URL}/lake"), TABLES)


@pytest.mark.parametrize(("days", "filters"), [(60, ONE_DAY[:3]), pytest.param(400, ONE_DAY, marks=pytest.mark.slow)])
def test_one_website_and_day_takes_ten_requests_whatever_the_lakes_size(
    s3: S3Server, tmp_path: Path, days: int, filters: tuple[str, ...]
) -> None:
    fill(s3, tmp_path, days)
    for where in [*filters, *(OF_DUCKDB_2 if days > 60 and duckdb.__version__ >= "2" else ())]:
        s3.requests.clear()
        assert found(new_reader(), f"SELECT count(*) FROM visitors WHERE {where}") == [(ROWS,)]
        assert s3.counts.total() <= MOST, (where, s3.requests)
        assert not s3.counts["HEAD"]
    s3.requests.clear()
    assert len(new_reader().read("visitors", website=ACME, dates=str(LAST))) == ROWS
    assert s3.counts.total() <= MOST
    assert {request for request in s3.requests if "website" not in request} == set(), "other websites are not listed"


@pytest.mark.parametrize(("small", "each"), [(SMALL_BYTES, 1), (100, 2)])
def test_a_small_file_takes_one_request_and_a_large_one_two(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: int, each: int
) -> None:
    """Of a large one its end and its rows; the filter says nothing of the path."""
    monkeypatch.setattr(fragments, "SMALL_BYTES", small)
    fill(s3, tmp_path, 3)
    s3.requests.clear()
    assert found(new_reader(), "SELECT count(hashed_email) FROM visitors WHERE strftime(date, '%Y') > ''") == [
        (9 * ROWS,)
    ]
    assert (s3.counts["GET"], s3.counts["HEAD"]) == (each * 9, 0)


def test_a_column_that_no_asset_declares_takes_one_request_a_file(s3: S3Server, tmp_path: Path) -> None:
    fill(s3, tmp_path, 3)
    store(Lake(f"{URL}/lake"), "visitors", {"hashed_email": ["new"], "channel": ["web"]}, LAST)
    s3.age()
    s3.requests.clear()
    assert found(new_reader(), "SELECT count(*) FROM visitors WHERE channel = 'web'") == [(1,)]
    assert (s3.counts["GET"], s3.counts["HEAD"]) == (9, 0)


def test_a_table_is_read_with_one_request_a_file(s3: S3Server, tmp_path: Path) -> None:
    fill(s3, tmp_path, 3)
    s3.requests.clear()
    assert len(new_reader().read("visitors", website=ACME)) == 3 * ROWS
    assert dict(s3.counts) == {"LIST": 1, "GET": 3}


def rows(*emails: str) -> bytes:
    """A file of visitors."""
    file = io.BytesIO()
    pq.write_table(pa.table({"hashed_email": emails}), file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (rows("a"), rows("b")),
        (rows("a"), rows("b", *map(hashed, range(50)))),
        (rows("a", *map(hashed, range(50))), rows("b")),
        (rows("a"), rows("b", *map(hashed, range(5_000)))),
    ],
    ids=["of the same size", "longer", "shorter", "large"],
)
def test_what_was_replaced_since_it_was_listed_is_read_as_it_is(s3: S3Server, before: bytes, after: bytes) -> None:
    s3.empty()
    one = Partition("visitors", ACME, LAST)
    s3.put([(f"lake/{one.file}", before)])
    lake = Lake(f"{URL}/lake")
    listed = lake.files("visitors", ACME)
    s3.put([(f"lake/{one.file}", after)])
    there = pq.read_table(io.BytesIO(after))
    assert lake.scanned(listed).to_table(["hashed_email"]).equals(there)
    assert lake.read(listed, ["hashed_email"]).select(["hashed_email"]).equals(there)
    assert lake.metadata(one, listed[one]).num_rows == len(there)


def test_a_damaged_file_is_named(s3: S3Server) -> None:
    s3.empty()
    one = Partition("visitors", ACME, LAST)
    s3.put([(f"lake/{one.file}", b"no Parquet, but the mark at its end: PAR1")])
    with pytest.raises(pa.ArrowInvalid, match=re.escape(one.file)):
        new_reader().read("visitors", website=ACME)


def test_a_small_object_is_read_byte_by_byte_as_it_is(s3: S3Server) -> None:
    s3.empty()
    every = bytes(range(256)) * (SMALL_BYTES // 256)
    objects = {"a": every, "b": b"\r\n\n\r", "c": b"", "d": b'"\x00,"', "e": every[:-1]}
    s3.put((f"lake/{name}", data) for name, data in objects.items())
    whole = Store(f"{URL}/lake")
    s3.requests.clear()
    assert {name: whole.read(name, len(data)) for name, data in objects.items()} == objects
    assert dict(s3.counts) == {"GET": 4}, "of no bytes none"
    with pytest.raises(FileNotFoundError):
        whole.read("nothing", 5)


_DAYS = st.integers(-1, 5).map(lambda n: LAST - dt.timedelta(n))
_KEYS = st.sampled_from([*WEBSITES, "nobody"])
_TERMS = st.one_of(
    st.builds("website {} '{}'".format, st.sampled_from(["=", "<>", "<", ">=", "IS DISTINCT FROM"]), _KEYS),
    st.builds("date {} '{}'".format, st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), _DAYS),
    st.builds("date BETWEEN '{}' AND '{}'".format, _DAYS, _DAYS),
    st.builds("website IN ('{}', '{}')".format, _KEYS, _KEYS),
    st.builds("date NOT IN ('{}', '{}')".format, _DAYS, _DAYS),
    st.builds("website LIKE '{:.3}%'".format, _KEYS),
    st.builds("(website, date) = ('{}', '{}')".format, _KEYS, _DAYS),
    st.builds("day(date) = {}".format, st.integers(14, 21)),
    st.builds("date = (SELECT max(date) FROM visitors WHERE website = '{}')".format, _KEYS),
    st.sampled_from(["date <= current_date", "website IS NULL", "algo = 'sha2'", f"hashed_email < '{hashed(3)}'"]),
)
_FILTERS = st.recursive(
    _TERMS, lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "OR"]), inner), max_leaves=4
) | _TERMS.map("NOT ({})".format)


@pytest.mark.slow
def test_any_filter_gives_the_rows_of_the_same_files_on_a_local_path(s3: S3Server, tmp_path: Path) -> None:
    local = fill(s3, tmp_path, 5)
    data = Path(local.location(Partition("visitors", ACME, LAST))).read_bytes()
    for website, n in itertools.product(WEBSITES, range(5)):
        path = Path(local.location(Partition("visitors", website, LAST - dt.timedelta(n))))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    here, there = LakeReader(local, TABLES), new_reader()

    @given(_FILTERS)
    @settings(max_examples=100, deadline=None)
    def same(where: str) -> None:
        query = f"SELECT website, date, count(*) FROM visitors WHERE {where} GROUP BY ALL ORDER BY ALL"
        assert found(there, query) == found(here, query)

    same()


def test_files_of_fewer_and_of_more_columns_are_read_with_those_that_are_declared(bucket: str) -> None:
    lake = Lake(f"{bucket}/lake")
    store(lake, "visitors", {"hashed_email": ["old"]}, LAST)
    store(lake, "visitors", {"hashed_email": ["new"], "algo": ["sha2"], "channel": ["web"]}, LAST, BAYSIDE)
    query = "SELECT hashed_email, algo FROM visitors ORDER BY ALL"
    assert found(new_reader(), query) == [("new", "sha2"), ("old", None)]
    assert found(new_reader(), "SELECT hashed_email FROM visitors WHERE channel = 'web'") == [("new",)]
    with pytest.raises(duckdb.BinderException, match="chanel"):
        found(new_reader(), "SELECT chanel FROM visitors")


def alike(folder: Path) -> Iterator[tuple[str, bytes]]:
    """A person, and the file of a capture that has them alone; twice, with files of one size."""
    local, one, by_size = Lake(str(folder)), Partition("visitors", ACME, LAST), dict[int, tuple[str, bytes]]()
    for number in itertools.count():
        capture(local, one.asset, one.date, [{"hashed_email": hashed(number), "algo": "sha2"}])
        version = hashed(number), Path(local.location(one)).read_bytes()
        if (earlier := by_size.setdefault(len(version[1]), version)) is not version:
            yield from (earlier, version)
            return


def test_of_two_versions_that_look_alike_in_a_listing_the_later_is_read(s3: S3Server, tmp_path: Path) -> None:
    one, lake, moment, listed = Partition("visitors", ACME, LAST), Lake(f"{URL}/lake"), dt.datetime.now(dt.UTC), []
    for person, version in alike(tmp_path):
        s3.put([(f"lake/{one.file}", version)])
        s3.date(moment)
        (info,) = lake.files(one.asset, ACME).values()
        listed.append((info.size, info.mtime_ns))
        assert lake.scanned({one: info}).to_table()["hashed_email"].to_pylist() == [person]
    assert listed == [listed[0]] * 2
