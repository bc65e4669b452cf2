"""Website keys: text for every reader of the lake, or refused."""

import datetime as dt
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ignite_assets.api.names import is_website_key, taken_for


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        ("123 007 7 0 1.5 1_000 1e5 1.e5 0x1f 0xff 0b101 0o17 1d 1.5f 10l nan inf infinity", "a number"),
        ("true false t f yes no y n on off", "true or false"),
        ("null none nil na undefined", "no value"),
        (
            "2026-11-01 2026-11 2026-w45 1.2.3 2026-11-01t00 2026-11-01t00z nov-2026 1-nov-2026 epoch",
            "a date",
        ),
    ],
)
def test_a_key_that_a_reader_could_take_for_another_kind_is_told(keys: str, kind: str) -> None:
    assert {key: taken_for(key) for key in keys.split()} == dict.fromkeys(keys.split(), kind)


@pytest.mark.parametrize(
    "key",
    ["acme-honda", "dealer-007", "a1", "e5", "x5", "www.acme.com", "1st-honda", "24h", "may", "nova-2"],
)
def test_a_key_with_a_word_of_its_own_is_text(key: str) -> None:
    assert is_website_key(key)
    assert taken_for(key) is None


KEYS = st.from_regex(r"[0-9a-f][0-9a-fxtz._-]{0,8}[0-9a-z]", fullmatch=True) | st.sampled_from(
    ["true", "null", "nan", "2026-11-01", "1e5", "007", "t", "inf", "epoch", "infinity", "today", "now", "-1"]
)


@given(key=KEYS)
@settings(max_examples=60, deadline=None)
def test_no_reader_takes_an_allowed_key_for_another_kind(key: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    if not is_website_key(key) or taken_for(key):
        return
    root = tmp_path_factory.mktemp("lake")
    folder = root / f"website={key}" / f"date={dt.date(2026, 11, 1)}"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"a": [1]}), folder / "part-0.parquet")
    assert duckdb_reads(root) == key
    assert pl.scan_parquet(root, hive_partitioning=True).collect()["website"].to_list() == [key]
    hive = pads.HivePartitioning.discover(infer_dictionary=False)
    assert pads.dataset(root, partitioning=hive).to_table(["website"]).column(0).to_pylist() == [key]


def duckdb_reads(root: Path) -> object:
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT website FROM read_parquet(?, hive_partitioning = true)", [f"{root}/*/*/*.parquet"]
        ).fetchall()
    return found[0][0]
