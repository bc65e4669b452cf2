"""How many requests reading a lake on an object store takes, counted by a real S3 server."""

import datetime as dt
import itertools
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.storage.reader import LakeReader
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


def test_a_filter_that_says_nothing_of_the_path_takes_two_requests_a_file(s3: S3Server, tmp_path: Path) -> None:
    """Its end and its rows."""
    fill(s3, tmp_path, 3)
    s3.requests.clear()
    assert found(new_reader(), "SELECT count(hashed_email) FROM visitors WHERE strftime(date, '%Y') > ''") == [
        (9 * ROWS,)
    ]
    assert (s3.counts["GET"], s3.counts["HEAD"]) == (2 * 9, 0)


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
